import AutogradEngine
import CAutogradV2
import AutogradKernels

/// All contexts that are open, by number.
enum Contexts {
  /// INVARIANT: read and written inside `withShared` only.
  nonisolated(unsafe) private static var lastNumber: UInt32 = 0
  nonisolated(unsafe) private static var open: [UInt32: Context] = [:]

  /// The calling thread's context; opens one where there is none.
  static func current() -> Context? {
    if let context = autograd_v2_state_context() {
      return Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
    }
    return openOwn()
  }

  /// The calling thread's context where it has one.
  static var existing: Context? {
    autograd_v2_state_context().map { Unmanaged<Context>.fromOpaque($0).takeUnretainedValue() }
  }

  static func make(isThreadsOwn: Bool) -> Context? {
    let number = withShared {
      lastNumber &+= 1
      return lastNumber
    }
    guard let context = Context(number: number, isThreadsOwn: isThreadsOwn) else { return nil }
    withShared { open[number] = context }
    return context
  }

  static func isOpen(_ number: UInt32) -> Bool { withShared { open[number] != nil } }

  private static func openOwn() -> Context? {
    if let own = autograd_v2_state_own_context() {
      let context = Unmanaged<Context>.fromOpaque(own).takeUnretainedValue()
      enter(context)
      return context
    }
    guard let context = make(isThreadsOwn: true) else { return nil }
    autograd_v2_state_set_own_context(Unmanaged.passUnretained(context).toOpaque())
    enter(context)
    return context
  }

  /// Makes `context` the calling thread's.
  static func enter(_ context: Context) {
    existing?.thread = 0
    context.thread = autograd_v2_state_thread()
    autograd_v2_state_set_context(
      Unmanaged.passUnretained(context).toOpaque(), context.tape, OpaquePointer(context.arenaHandle))
  }

  /// Closes a context; the calling thread is left without one where it was its own.
  static func close(_ context: Context) {
    if let current = existing, current === context { autograd_v2_state_set_context(nil, nil, nil) }
    if let own = autograd_v2_state_own_context(), own == Unmanaged.passUnretained(context).toOpaque() {
      autograd_v2_state_set_own_context(nil)
    }
    let number = context.number, pool = context.core.backend.pool
    context.close()
    let isLast = withShared {
      open.removeValue(forKey: number)
      return open.isEmpty
    }
    guard isLast else { return }
    pool.endWorkers()
    // autograd_set_threads may have taken the shared pool's place after its workers had been started.
    ThreadPool.shared.endWorkers()
  }
}

@c @implementation
func autograd_v2_impl_thread_ends(_ context: UnsafeMutableRawPointer!) {
  Contexts.close(Unmanaged<Context>.fromOpaque(context).takeUnretainedValue())
}

@c @implementation
func autograd_v2_impl_autograd_v2_init() -> Int32 {
  call("autograd_v2_init", -1) { _ in 0 }
}

@c @implementation
func autograd_v2_impl_autograd_v2_cleanup() {
  guard let context = Contexts.existing else { return }
  call("autograd_v2_cleanup", ()) { context throws(Misuse) in
    try context.requireIdle("clean up when it has returned")
  }
  if context.isIdle { Contexts.close(context) }
}

@c @implementation
func autograd_v2_impl_autograd_reset_iteration() -> Int32 {
  call("autograd_reset_iteration", -1) { context throws(Misuse) in
    try context.reset()
    return 0
  }
}

@c @implementation
func autograd_v2_impl_autograd_context_create() -> OpaquePointer? {
  guard let context = Contexts.make(isThreadsOwn: false) else {
    return call("autograd_context_create", nil) { _ throws(Misuse) in throw Misuse("", "the system has no memory") }
  }
  return OpaquePointer(Unmanaged.passUnretained(context).toOpaque())
}

@c @implementation
func autograd_v2_impl_autograd_context_use(_ pointer: OpaquePointer!) -> Int32 {
  call("autograd_context_use", -1, opening: false) { current throws(Misuse) in
    try current?.requireIdle("change contexts when it has returned")
    guard let pointer else {
      current?.thread = 0
      autograd_v2_state_set_context(nil, nil, nil)
      _ = Contexts.current()
      return 0
    }
    let context = Unmanaged<Context>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    guard context.thread == 0 || context.thread == autograd_v2_state_thread() else {
      throw Misuse("", "another thread is using this context", hint: "let it call autograd_context_use(NULL) first")
    }
    Contexts.enter(context)
    return 0
  }
}

@c @implementation
func autograd_v2_impl_autograd_context_destroy(_ pointer: OpaquePointer!) {
  guard let pointer else { return }
  let context = Unmanaged<Context>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
  call("autograd_context_destroy", (), opening: false) { _ throws(Misuse) in
    guard context.thread == 0 || context.thread == autograd_v2_state_thread(), context.isIdle else {
      throw Misuse("", "the context is in use", hint: "let its thread call autograd_context_use(NULL) first")
    }
    Contexts.close(context)
  }
}
