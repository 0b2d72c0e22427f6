import AutogradEngine
import CAutogradV2

// How C's functions run: with the thread's context, errors kept and reported, a failure value returned.

/// A failure that was reported before: NULL comes in, NULL goes out.
let passedOn = Misuse("", "")

/// Runs `body` with the calling thread's context, opened where there is none.
///
/// A call that fails because it comes in the middle of another one, which an exception or a longjmp has left, is tried
/// again once that has been ended. INVARIANT: a `body` that throws has changed nothing.
func call<Result>(
  _ name: StaticString, _ failure: Result, _ body: (Context) throws(Misuse) -> Result
) -> Result {
  var isHeard = false
  if let context = Contexts.current() {
    if context.callouts.count > 0 { context.endLeftCallouts(thoroughly: false) }
    repeat {
      do throws(Misuse) {
        try context.requireWhole()
        return try body(context)
      } catch {
        if context.callouts.count > 0, context.endLeftCallouts(thoroughly: true) { continue }
        context.noteError()
        isHeard = keep(name, error)
      }
      break
    } while true
  } else {
    isHeard = keep(name, Misuse("", "the system has no memory to open a context", hint: "free some, then call again"))
  }
  // Last, with nothing left to release: a handler may leave by longjmp.
  if isHeard { autograd_v2_state_report() }
  return failure
}

/// The same for what opens no context.
func callWithoutContext<Result>(
  _ name: StaticString, _ failure: Result, _ body: () throws(Misuse) -> Result
) -> Result {
  var isHeard = false
  do throws(Misuse) {
    return try body()
  } catch {
    isHeard = keep(name, error)
  }
  if isHeard { autograd_v2_state_report() }
  return failure
}

/// Keeps an error's sentence for `autograd_last_error`; whether the handler is to hear of it.
private func keep(_ name: StaticString, _ error: Misuse) -> Bool {
  if error.problem.isEmpty { return false }
  let sentence = "\(name): \(error.problem)" + (error.hint.isEmpty ? "" : "; \(error.hint)")
  sentence.withCString { autograd_v2_state_set_message($0) }
  return true
}

@c @implementation
func autograd_v2_impl_autograd_last_error() -> UnsafePointer<CChar>! { autograd_v2_state_message() }

@c @implementation
func autograd_v2_impl_autograd_clear_error() {
  autograd_v2_state_set_message("")
  // The program has dealt with it: what fails now has a cause of its own.
  Contexts.existing?.errorStep = 0
}

@c @implementation
func autograd_v2_impl_autograd_set_error_handler(
  _ handler: AutogradErrorHandler!, _ user: UnsafeMutableRawPointer!
) {
  autograd_v2_state_set_handler(handler, user)
}

extension Context {
  /// For an argument that is NULL: silent where it follows from an error of this iteration that the program has not
  /// cleared. A chain of calls behind one that failed says one sentence.
  func missing(_ what: @autoclosure () -> String) -> Misuse {
    errorStep == core.step ? passedOn : Misuse("", "\(what()) is NULL", hint: "check what the call before returned")
  }

  /// Where a failing call leaves off.
  fileprivate func noteError() {
    errorStep = core.step
    if isTorn, callouts.count == 0 { endTornIteration() }
  }

  /// Throws where a kernel was left out for want of memory.
  func checkMemory(_ operation: StaticString) throws(Misuse) {
    guard core.backend.lacksMemory else { return }
    core.backend.lacksMemory = false
    throw core.outOfMemory(operation)
  }
}

/// For a member of a struct, or a place for a result, that is NULL: never silent.
func absent(_ what: String, hint: String = "") -> Misuse { Misuse("", "\(what) is NULL", hint: hint) }

// MARK: Structs that programs hold

extension CellKind {
  /// Throws unless `pointer` is a live struct of this kind.
  func require(_ pointer: UnsafeRawPointer) throws(Misuse) {
    switch Cells.state(pointer) {
    case .live(self): return
    case .freed: throw Misuse("", "the \(word) was freed before")
    case .live(let other): throw Misuse("", "this is another struct: expected \(word), got \(other.word)")
    case .foreign:
      throw Misuse("", "this is no \(word) of the library", hint: "free what a function of this header made, once")
    }
  }

  /// For a struct that a member shows to be unusable: what is the matter with it.
  func unusable(_ pointer: UnsafeRawPointer, _ otherwise: String) -> Misuse {
    Cells.state(pointer) == .freed ? Misuse("", "the \(word) was freed before") : absent(otherwise)
  }
}
