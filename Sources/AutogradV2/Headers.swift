import CAutogradV2
import CAutogradSystem

typealias TensorPointer = UnsafeMutablePointer<TensorV2>
typealias VariablePointer = UnsafeMutablePointer<VariableV2>

/// What a header says that it is. Other values: the memory is not a header of this library.
enum HeaderKind {
  static let temporaryTensor: UInt32 = 0x5454_4147
  static let persistentTensor: UInt32 = 0x5054_4147
  static let temporaryVariable: UInt32 = 0x5456_4147
  static let persistentVariable: UInt32 = 0x5056_4147
  /// Of a part that is recomputed, after it.
  static let endedTensor: UInt32 = 0x4554_4147
  static let endedVariable: UInt32 = 0x4556_4147
  static let freedTensor: UInt32 = 0x4654_4147
  static let freedVariable: UInt32 = 0x4656_4147
  static let tape: UInt32 = 0x5041_5454
  static let arena: UInt32 = 0x4E45_5241
}

/// Pieces of memory for headers, shared by all contexts. A piece that comes back is handed out again last, so that
/// what a stale handle points at stays recognisable as long as possible.
enum SlabPool {
  static let bytes = 16384
  /// At the start of every slab: the link of the list that it is on.
  static let reserved = 64

  /// INVARIANT: read and written inside `withShared` only.
  nonisolated(unsafe) private static var first: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var last: UnsafeMutableRawPointer?

  /// A slab; nil where the system has no memory.
  static func take() -> UnsafeMutableRawPointer? {
    let free = withShared { () -> UnsafeMutableRawPointer? in
      guard let slab = first else { return nil }
      first = slab.load(as: UnsafeMutableRawPointer?.self)
      if first == nil { last = nil }
      return slab
    }
    return free ?? map()
  }

  /// A new slab.
  static func map() -> UnsafeMutableRawPointer? {
    guard let slab = csystem_map(bytes, 0) else { return nil }
    csystem_add_root(slab, bytes)
    return slab
  }

  static func unmap(_ slab: UnsafeMutableRawPointer) {
    csystem_remove_root(slab, bytes)
    csystem_unmap(slab, bytes)
  }

  static func giveBack(_ slab: UnsafeMutableRawPointer) {
    slab.storeBytes(of: nil, as: UnsafeMutableRawPointer?.self)
    withShared {
      if let last { last.storeBytes(of: slab, as: UnsafeMutableRawPointer?.self) } else { first = slab }
      last = slab
    }
  }
}

/// Runs `body` alone among all threads that share what contexts share.
func withShared<Result>(_ body: () -> Result) -> Result {
  autograd_v2_state_lock()
  defer { autograd_v2_state_unlock() }
  return body()
}

/// Memory for the headers of temporaries: a ring with one list of slabs per iteration.
///
/// The headers of an iteration stay as they are during the `kept` − 1 iterations after it, so a handle that was kept
/// is recognised by its step number wherever it enters the library. They are not in the arena, which would hand out
/// the same addresses again in the next iteration.
struct HeaderRing: ~Copyable {
  static let kept = 18

  private var lists = InlineArray<18, UnsafeMutableRawPointer?>(repeating: nil)
  private var current = 0
  private var used = SlabPool.bytes
  /// Slabs that leave the ring are unmapped, so that whoever still reads them crashes where it reads.
  private let unmaps: Bool

  init(unmaps: Bool) { self.unmaps = unmaps }

  /// Zeroed memory for one header; nil where the system has none.
  mutating func take<Header>(_ type: Header.Type) -> UnsafeMutablePointer<Header>? {
    let size = (MemoryLayout<Header>.size + 15) & ~15
    if used + size > SlabPool.bytes {
      guard let slab = SlabPool.take() else { return nil }
      slab.storeBytes(of: lists[current], as: UnsafeMutableRawPointer?.self)
      lists[current] = slab
      used = SlabPool.reserved
    }
    guard let slab = lists[current] else { return nil }
    let header = slab + used
    used += size
    header.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return header.bindMemory(to: Header.self, capacity: 1)
  }

  /// Begins the next iteration; the headers of the oldest one go.
  mutating func advance() {
    current = (current + 1) % HeaderRing.kept
    release(current)
    used = SlabPool.bytes
  }

  private mutating func release(_ index: Int) {
    while let slab = lists[index] {
      lists[index] = slab.load(as: UnsafeMutableRawPointer?.self)
      if unmaps { SlabPool.unmap(slab) } else { SlabPool.giveBack(slab) }
    }
  }

  mutating func releaseAll() {
    for index in 0..<HeaderRing.kept { release(index) }
    used = SlabPool.bytes
  }
}

/// Memory for the headers of persistent tensors and variables, in slabs that are never given back. A freed header
/// says so until its memory serves again, after `quarantine` others.
enum PersistentHeaders {
  private static let cell = 96
  private static let quarantine = 256

  /// Slabs, and where the newest one is used up to. INVARIANT: read and written inside `withShared` only.
  nonisolated(unsafe) private static var slab: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var used = SlabPool.bytes
  nonisolated(unsafe) private static var freeFirst: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var freeLast: UnsafeMutableRawPointer?
  nonisolated(unsafe) private static var freeCount = 0

  /// Zeroed memory for one header; nil where the system has none.
  static func take<Header>(_ type: Header.Type) -> UnsafeMutablePointer<Header>? {
    guard let header = withShared(takeCell) else { return nil }
    header.initializeMemory(as: UInt8.self, repeating: 0, count: cell)
    return header.bindMemory(to: Header.self, capacity: 1)
  }

  private static func takeCell() -> UnsafeMutableRawPointer? {
    if freeCount > quarantine, let first = freeFirst {
      freeFirst = (first + cell - 8).load(as: UnsafeMutableRawPointer?.self)
      freeCount -= 1
      return first
    }
    if used + cell > SlabPool.bytes {
      guard let next = SlabPool.map() else { return nil }
      next.storeBytes(of: slab, as: UnsafeMutableRawPointer?.self)
      slab = next
      used = SlabPool.reserved
    }
    defer { used += cell }
    return slab.map { $0 + used }
  }

  /// Takes a header back; its kind must say already that it is freed.
  static func giveBack(_ header: UnsafeMutableRawPointer) {
    (header + cell - 8).storeBytes(of: nil, as: UnsafeMutableRawPointer?.self)
    withShared {
      if let last = freeLast, freeCount > 0 {
        (last + cell - 8).storeBytes(of: header, as: UnsafeMutableRawPointer?.self)
      } else {
        freeFirst = header
      }
      freeLast = header
      freeCount += 1
    }
  }
}
