import CAutogradV2
import CSystem
import Synchronization

typealias TensorPointer = UnsafeMutablePointer<TensorV2>
typealias VariablePointer = UnsafeMutablePointer<VariableV2>

/// What a header says that it is. Other values: the memory is not a header of this library.
enum HeaderKind {
  static let temporaryTensor: UInt32 = 0x5454_4147
  static let persistentTensor: UInt32 = 0x5054_4147
  static let temporaryVariable: UInt32 = 0x5456_4147
  static let persistentVariable: UInt32 = 0x5056_4147
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

  private struct Queue: @unchecked Sendable {
    var first: UnsafeMutableRawPointer?
    var last: UnsafeMutableRawPointer?
  }

  private static let queue = Mutex(Queue())

  /// A slab; nil where the system has no memory.
  static func take() -> UnsafeMutableRawPointer? {
    let free = queue.withLock { queue -> UInt in
      guard let first = queue.first else { return 0 }
      queue.first = first.load(as: UnsafeMutableRawPointer?.self)
      if queue.first == nil { queue.last = nil }
      return UInt(bitPattern: first)
    }
    return UnsafeMutableRawPointer(bitPattern: free) ?? csystem_map(bytes, 0)
  }

  static func giveBack(_ slab: UnsafeMutableRawPointer) {
    slab.storeBytes(of: nil, as: UnsafeMutableRawPointer?.self)
    let address = UInt(bitPattern: slab)
    queue.withLock { queue in
      let slab = UnsafeMutableRawPointer(bitPattern: address)
      if let last = queue.last { last.storeBytes(of: slab, as: UnsafeMutableRawPointer?.self) } else { queue.first = slab }
      queue.last = slab
    }
  }
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
      if unmaps { csystem_unmap(slab, SlabPool.bytes) } else { SlabPool.giveBack(slab) }
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

  private struct State: @unchecked Sendable {
    /// Slabs, and where the newest one is used up to.
    var slab: UnsafeMutableRawPointer?
    var used = SlabPool.bytes
    var freeFirst: UnsafeMutableRawPointer?
    var freeLast: UnsafeMutableRawPointer?
    var freeCount = 0
  }

  private static let state = Mutex(State())

  /// Zeroed memory for one header; nil where the system has none.
  static func take<Header>(_ type: Header.Type) -> UnsafeMutablePointer<Header>? {
    let address = state.withLock { UInt(bitPattern: take(&$0)) }
    guard let header = UnsafeMutableRawPointer(bitPattern: address) else { return nil }
    header.initializeMemory(as: UInt8.self, repeating: 0, count: cell)
    return header.bindMemory(to: Header.self, capacity: 1)
  }

  private static func take(_ state: inout State) -> UnsafeMutableRawPointer? {
    if state.freeCount > quarantine, let first = state.freeFirst {
      state.freeFirst = (first + cell - 8).load(as: UnsafeMutableRawPointer?.self)
      state.freeCount -= 1
      return first
    }
    if state.used + cell > SlabPool.bytes {
      guard let slab = csystem_map(SlabPool.bytes, 0) else { return nil }
      slab.storeBytes(of: state.slab, as: UnsafeMutableRawPointer?.self)
      state.slab = slab
      state.used = SlabPool.reserved
    }
    defer { state.used += cell }
    return state.slab.map { $0 + state.used }
  }

  /// Takes a header back; its kind must say already that it is freed.
  static func giveBack(_ header: UnsafeMutableRawPointer) {
    let address = UInt(bitPattern: header)
    state.withLock { state in
      guard let header = UnsafeMutableRawPointer(bitPattern: address) else { return }
      (header + cell - 8).storeBytes(of: nil, as: UnsafeMutableRawPointer?.self)
      if let last = state.freeLast, state.freeCount > 0 {
        (last + cell - 8).storeBytes(of: header, as: UnsafeMutableRawPointer?.self)
      } else {
        state.freeFirst = header
      }
      state.freeLast = header
      state.freeCount += 1
    }
  }
}
