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

/// Pieces of memory for headers, shared by all contexts.
///
/// A piece that a reset gives back has aged in its ring. One of a context that closed has not: it waits until as many
/// iterations have ended, in whatever context, so that a handle of the closed one stays recognisable as long.
enum SlabPool {
  static let bytes = 16384
  /// At the start of every slab: the link of the list that it is on, and the iterations that had ended when it came.
  static let reserved = 64

  /// A list that is taken from at its front and added to at its end.
  private struct Queue {
    var first: UnsafeMutableRawPointer?
    var last: UnsafeMutableRawPointer?

    mutating func append(_ slab: UnsafeMutableRawPointer) {
      slab.storeBytes(of: nil, as: UnsafeMutableRawPointer?.self)
      if let last, first != nil { last.storeBytes(of: slab, as: UnsafeMutableRawPointer?.self) } else { first = slab }
      last = slab
    }

    mutating func take() -> UnsafeMutableRawPointer? {
      guard let slab = first else { return nil }
      first = slab.load(as: UnsafeMutableRawPointer?.self)
      return slab
    }
  }

  /// INVARIANT: read and written inside `withShared` only.
  nonisolated(unsafe) private static var aged = Queue(), waiting = Queue()
  nonisolated(unsafe) private static var endedIterations: UInt64 = 0

  /// A slab; nil where the system has no memory.
  static func take() -> UnsafeMutableRawPointer? {
    let free = withShared { () -> UnsafeMutableRawPointer? in
      if let slab = aged.take() { return slab }
      guard let slab = waiting.first, slab.load(fromByteOffset: 8, as: UInt64.self) <= endedIterations else {
        return nil
      }
      return waiting.take()
    }
    return free ?? map()
  }

  private static func map() -> UnsafeMutableRawPointer? {
    guard let slab = csystem_map(bytes, 0) else { return nil }
    csystem_add_root(slab, bytes)
    return slab
  }

  static func unmap(_ slab: UnsafeMutableRawPointer) {
    csystem_remove_root(slab, bytes)
    csystem_unmap(slab, bytes)
  }

  /// Takes back a slab whose headers are to be recognised for `iterations` more; 0: no longer.
  static func giveBack(_ slab: UnsafeMutableRawPointer, recognisedFor iterations: Int) {
    withShared {
      slab.storeBytes(of: endedIterations + UInt64(iterations), toByteOffset: 8, as: UInt64.self)
      if iterations == 0 { aged.append(slab) } else { waiting.append(slab) }
    }
  }

  /// An iteration of a context has ended.
  static func noteEnd() { withShared { endedIterations += 1 } }
}

/// Runs `body` alone among all threads that share what contexts share.
func withShared<Result>(_ body: () -> Result) -> Result {
  autograd_v2_state_lock()
  defer { autograd_v2_state_unlock() }
  return body()
}

/// Memory for the headers of temporaries: a ring with one list of slabs per iteration.
///
/// The headers of an iteration stay as they are during the `kept` − 1 iterations after it (fewer where a limit of memory
/// would be passed by far), so a handle that was kept is recognised by its step number wherever it enters the library. They are not in the arena, which would hand out
/// the same addresses again in the next iteration.
struct HeaderRing: ~Copyable {
  static let kept = 18

  private var lists = InlineArray<18, UnsafeMutableRawPointer?>(repeating: nil)
  private var current = 0
  private var used = SlabPool.bytes
  /// Bytes of each list's slabs.
  private var sizes = InlineArray<18, Int>(repeating: 0)
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
      sizes[current] += SlabPool.bytes
    }
    guard let slab = lists[current] else { return nil }
    let header = slab + used
    used += size
    header.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return header.bindMemory(to: Header.self, capacity: 1)
  }

  /// Bytes of the slabs of this iteration.
  var bytes: Int { sizes[current] }

  /// Begins the next iteration; the headers of the oldest one go, and those of other old ones where they take more than
  /// `most` bytes with all that are newer. Those of the iteration before always stay.
  mutating func advance(keeping most: Int) {
    current = (current + 1) % HeaderRing.kept
    release(current, recognisedFor: 0)
    used = SlabPool.bytes
    SlabPool.noteEnd()
    var total = 0
    for age in 1..<HeaderRing.kept {
      let index = (current + HeaderRing.kept - age) % HeaderRing.kept
      total += sizes[index]
      if age > 1, total > most { release(index, recognisedFor: 0) }
    }
  }

  private mutating func release(_ index: Int, recognisedFor iterations: Int) {
    while let slab = lists[index] {
      lists[index] = slab.load(as: UnsafeMutableRawPointer?.self)
      if unmaps { SlabPool.unmap(slab) } else { SlabPool.giveBack(slab, recognisedFor: iterations) }
    }
    sizes[index] = 0
  }

  /// Gives all back when the context closes: the oldest first, which are recognised for the shortest time.
  mutating func releaseAll() {
    for age in stride(from: HeaderRing.kept - 1, through: 0, by: -1) {
      let index = (current + HeaderRing.kept - age) % HeaderRing.kept
      release(index, recognisedFor: HeaderRing.kept - age)
    }
    used = SlabPool.bytes
    SlabPool.noteEnd()
  }
}
