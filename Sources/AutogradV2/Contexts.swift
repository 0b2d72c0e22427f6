import AutogradEngine
import CAutogradV2
import AutogradKernels

/// Behind C's `AutogradContext *`: the number of a context, open or not.
struct ContextHandle { var number: UInt32 }

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

  static func make() -> Context? {
    let number = withShared {
      repeat { lastNumber &+= 1 } while lastNumber == 0 || open[lastNumber] != nil
      return lastNumber
    }
    guard let context = Context(number: number) else { return nil }
    withShared { open[number] = context }
    return context
  }

  static func isOpen(_ number: UInt32) -> Bool { withShared { open[number] != nil } }

  /// Takes the context behind a program's handle for the calling thread, so that no other one can; nil where it was
  /// closed by `autograd_v2_cleanup`.
  static func claim(_ pointer: OpaquePointer) throws(Misuse) -> Context? {
    let handle = UnsafeMutablePointer<ContextHandle>(pointer), thread = autograd_v2_state_thread()
    switch Cells.state(handle) {
    case .live(.context): break
    case .freed: throw Misuse("", "the context was destroyed before")
    default: throw Misuse("", "this is not a context", hint: "make it with autograd_context_create")
    }
    let (context, isClaimed) = withShared { () -> (Context?, Bool) in
      guard let context = open[handle.pointee.number] else { return (nil, false) }
      guard context.thread == 0 || context.thread == thread else { return (context, false) }
      context.thread = thread
      return (context, true)
    }
    guard context == nil || isClaimed else {
      throw Misuse("", "another thread is using this context", hint: "let it call autograd_context_use(NULL) first")
    }
    return context
  }

  /// Takes the calling thread's context from it, unless that is its own, for other threads to use.
  static func leave() {
    guard let context = existing else { return }
    if context.callouts.count > 0 { context.endTornIteration() }
    autograd_v2_state_set_context(nil, nil, nil)
    release(context)
  }

  private static func release(_ context: Context) { withShared { context.thread = 0 } }

  private static func openOwn() -> Context? {
    if let own = autograd_v2_state_own_context() {
      let context = Unmanaged<Context>.fromOpaque(own).takeUnretainedValue()
      enter(context)
      return context
    }
    guard let context = make() else { return nil }
    autograd_v2_state_set_own_context(Unmanaged.passUnretained(context).toOpaque())
    enter(context)
    return context
  }

  /// Makes `context`, its own or one that it has claimed, the calling thread's.
  static func enter(_ context: Context) {
    if let before = existing, before !== context { release(before) }
    withShared { context.thread = autograd_v2_state_thread() }
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
func autograd_v2_impl_thread_ends() {
  Contexts.leave()
  guard let own = autograd_v2_state_own_context() else { return }
  Contexts.close(Unmanaged<Context>.fromOpaque(own).takeUnretainedValue())
}

@c @implementation
func autograd_v2_impl_autograd_v2_init() -> Int32 {
  call("autograd_v2_init", -1) { _ in 0 }
}

@c @implementation
func autograd_v2_impl_autograd_v2_cleanup() {
  guard Contexts.existing != nil else { return }
  call("autograd_v2_cleanup", ()) { context throws(Misuse) in
    try context.requireNoCallout("clean up when it has returned")
    Contexts.close(context)
  }
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
  callWithoutContext("autograd_context_create", nil) { () throws(Misuse) in
    guard let handle = Cells.take(ContextHandle.self, .context) else { throw Misuse("", "the system has no memory") }
    guard let context = Contexts.make() else {
      _ = Cells.giveBack(handle, .context)
      throw Misuse("", "the system has no memory")
    }
    handle.pointee.number = context.number
    return OpaquePointer(handle)
  }
}

@c @implementation
func autograd_v2_impl_autograd_context_use(_ pointer: OpaquePointer!) -> Int32 {
  guard requireChangeable("autograd_context_use", "change contexts when it has returned") else { return -1 }
  return callWithoutContext("autograd_context_use", -1) { () throws(Misuse) in
    guard let pointer else {
      Contexts.leave()
      guard Contexts.current() != nil else { throw Misuse("", "the system has no memory to open a context") }
      return 0
    }
    guard let context = try Contexts.claim(pointer) else {
      throw Misuse(
        "", "the context was closed by autograd_v2_cleanup()",
        hint: "destroy it, and make another with autograd_context_create")
    }
    Contexts.enter(context)
    return 0
  }
}

/// Whether the calling thread may leave its context now; reports why not.
private func requireChangeable(_ name: StaticString, _ hint: String) -> Bool {
  guard Contexts.existing != nil else { return true }
  return call(name, false) { context throws(Misuse) in
    try context.requireNoCallout(hint)
    return true
  }
}

@c @implementation
func autograd_v2_impl_autograd_context_destroy(_ pointer: OpaquePointer!) {
  guard let pointer else { return }
  callWithoutContext("autograd_context_destroy", ()) { () throws(Misuse) in
    if let context = try Contexts.claim(pointer) {
      context.endLeftCallouts(thoroughly: true)
      try context.requireNoCallout("destroy the context when it has returned")
      Contexts.close(context)
    }
    _ = Cells.giveBack(UnsafeMutableRawPointer(pointer), .context)
  }
}
