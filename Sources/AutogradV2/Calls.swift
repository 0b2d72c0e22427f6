import AutogradEngine
import CAutogradV2

// How C's functions run: with the thread's context, errors kept and reported, a failure value returned.

/// A failure that was reported before: NULL comes in, NULL goes out.
let passedOn = Misuse("", "")

/// Runs `body` with the calling thread's context, opened where there is none.
func call<Result>(
  _ name: StaticString, _ failure: Result, _ body: (Context) throws(Misuse) -> Result
) -> Result {
  guard let context = Contexts.current() else {
    report(name, Misuse("", "the system has no memory to open a context", hint: "free some, then call again"))
    return failure
  }
  do throws(Misuse) {
    return try body(context)
  } catch {
    context.errorStep = context.core.step
    report(name, error)
    return failure
  }
}

/// The same for what needs no context.
func call<Result>(
  _ name: StaticString, _ failure: Result, opening: Bool, _ body: (Context?) throws(Misuse) -> Result
) -> Result {
  do throws(Misuse) {
    return try body(Contexts.existing)
  } catch {
    report(name, error)
    return failure
  }
}

/// Keeps an error's sentence for `autograd_last_error` and hands it to the handler.
func report(_ name: StaticString, _ error: Misuse) {
  if error.problem.isEmpty { return }
  let sentence = "\(name): \(error.problem)" + (error.hint.isEmpty ? "" : "; \(error.hint)")
  sentence.withCString { autograd_v2_state_set_message($0) }
  autograd_v2_state_report()
}

@c @implementation
func autograd_v2_impl_autograd_last_error() -> UnsafePointer<CChar>! { autograd_v2_state_message() }

@c @implementation
func autograd_v2_impl_autograd_clear_error() { autograd_v2_state_set_message("") }

@c @implementation
func autograd_v2_impl_autograd_set_error_handler(
  _ handler: AutogradErrorHandler!, _ user: UnsafeMutableRawPointer!
) {
  autograd_v2_state_set_handler(handler, user)
}

extension Context {
  /// Throws for an argument that is NULL: silently where it follows from an error of this iteration.
  func missing(_ what: @autoclosure () -> String) -> Misuse {
    errorStep == core.step ? passedOn : Misuse("", "\(what()) is NULL", hint: "check what the call before returned")
  }

  /// Throws where a kernel was left out for want of memory.
  func checkMemory(_ operation: StaticString) throws(Misuse) {
    guard core.backend.lacksMemory else { return }
    core.backend.lacksMemory = false
    throw core.outOfMemory(operation)
  }
}
