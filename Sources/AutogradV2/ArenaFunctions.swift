import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Runs `body` with the arena behind a handle; NULL, as `global_arena` is before the thread's first call, is the
/// context's.
private func withArena<Result>(
  _ name: StaticString, _ failure: Result, _ pointer: OpaquePointer?,
  _ body: (Context, UnsafeMutablePointer<ArenaHandle>, AutogradEngine.Arena) throws(Misuse) -> Result
) -> Result {
  call(name, failure) { context throws(Misuse) in
    if pointer == nil, context.core.step > 1 || context.core.arena.used > 0 { throw absent("the arena") }
    let handle = pointer.map { UnsafeMutablePointer<ArenaHandle>($0) } ?? context.arenaHandle
    guard handle.pointee.kind == HeaderKind.arena else {
      if Cells.state(handle) == .freed { throw Misuse("", "the arena was destroyed before, or went with its context") }
      throw Misuse("", "this is not an arena of the library", hint: "make it with arena_create")
    }
    guard handle.pointee.context == 0 || handle.pointee.context == context.number else {
      throw Misuse("", "the arena belongs to another thread's context")
    }
    return try body(context, handle, handle.pointee.arena.takeUnretainedValue())
  }
}

@c @implementation func autograd_v2_impl_arena_create(_ initial_size: Int) -> OpaquePointer! {
  call("arena_create", nil) { context throws(Misuse) in
    guard let handle = Cells.take(ArenaHandle.self, .arena) else { throw context.core.outOfMemory("arena") }
    let arena = AutogradEngine.Arena()
    arena.poisoning = context.poisons ? .signallingNaN : .sanitizer
    guard initial_size >= 0, initial_size < 1 << 56, initial_size == 0 || arena.reserve(initial_size) else {
      _ = Cells.giveBack(handle, .arena)
      throw Misuse("", "the system does not grant \(UInt(bitPattern: initial_size)) bytes", hint: "ask for less")
    }
    handle.initialize(to: ArenaHandle(context: 0, arena: Unmanaged.passRetained(arena)))
    return OpaquePointer(handle)
  }
}

@c @implementation func autograd_v2_impl_arena_destroy(_ arena: OpaquePointer!) {
  guard arena != nil else { return }
  withArena("arena_destroy", (), arena) { _, handle, _ throws(Misuse) in
    guard handle.pointee.context == 0 else {
      throw Misuse("", "global_arena belongs to its context", hint: "autograd_v2_cleanup() ends both")
    }
    handle.pointee.arena.release()
    _ = Cells.giveBack(handle, .arena)
  }
}

@c @implementation func autograd_v2_impl_arena_alloc(_ arena: OpaquePointer!, _ size: Int)
  -> UnsafeMutableRawPointer!
{
  withArena("arena_alloc", nil, arena) { context, _, arena throws(Misuse) in try allocate(context, arena, size) }
}

@c @implementation func autograd_v2_impl_arena_calloc(_ arena: OpaquePointer!, _ count: Int, _ size: Int)
  -> UnsafeMutableRawPointer!
{
  withArena("arena_calloc", nil, arena) { context, _, arena throws(Misuse) in
    let (bytes, overflow) = UInt(bitPattern: count).multipliedReportingOverflow(by: UInt(bitPattern: size))
    guard !overflow, bytes < 1 << 56 else {
      throw Misuse("", "\(UInt(bitPattern: count)) × \(UInt(bitPattern: size)) bytes are more than any memory holds")
    }
    let block = try allocate(context, arena, Int(bytes))
    memset(block, 0, Int(bytes))
    return block
  }
}

private func allocate(
  _ context: Context, _ arena: AutogradEngine.Arena, _ size: Int
) throws(Misuse) -> UnsafeMutableRawPointer {
  guard size >= 0, size < 1 << 56, let block = arena.allocate(size) else {
    throw Misuse(
      "", "no memory for a block of \(UInt(bitPattern: size)) bytes: \(arena.used) bytes are in use",
      hint: context.core.memoryHint)
  }
  return block
}

@c @implementation func autograd_v2_impl_arena_reset(_ arena: OpaquePointer!) {
  withArena("arena_reset", (), arena) { context, handle, arena throws(Misuse) in
    if handle.pointee.context == 0 { arena.reset() } else { try context.reset() }
  }
}

@c @implementation func autograd_v2_impl_arena_reset_aggressive(_ arena: OpaquePointer!) {
  withArena("arena_reset_aggressive", (), arena) { context, handle, arena throws(Misuse) in
    if handle.pointee.context != 0 { try context.reset() }
    arena.release()
  }
}

/// Reads statistics; NULL has none.
private func statistics(_ pointer: OpaquePointer?) -> ArenaStatistics? {
  guard let pointer else { return nil }
  let handle = UnsafeMutablePointer<ArenaHandle>(pointer)
  return handle.pointee.kind == HeaderKind.arena ? handle.pointee.arena.takeUnretainedValue().statistics : nil
}

@c @implementation func autograd_v2_impl_arena_get_used(_ arena: OpaquePointer!) -> Int {
  statistics(arena)?.used ?? 0
}

@c @implementation func autograd_v2_impl_arena_get_allocated(_ arena: OpaquePointer!) -> Int {
  statistics(arena)?.reserved ?? 0
}

@c @implementation func autograd_v2_impl_arena_init_global() { call("arena_init_global", ()) { _ in } }

@c @implementation func autograd_v2_impl_arena_cleanup_global() {
  guard Contexts.existing != nil else { return }
  call("arena_cleanup_global", ()) { context throws(Misuse) in
    try context.reset()
    context.core.arena.release()
  }
}
