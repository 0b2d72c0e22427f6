import CAutogradSystem

/// Bump allocator for everything that lives no longer than a step.
///
/// Blocks are never freed one by one: `reset` empties the arena, `rewind` gives back all since a mark. Memory is
/// mapped in chunks, which belong to the arena while it lives. When a step overflowed into several, the next
/// reset frees them first and then maps one chunk of the high-water size: from then on a step is one contiguous
/// region and nothing is mapped any more.
///
/// A simulated arena maps nothing and hands out addresses that nobody may touch; it counts as a real one does.
///
/// Every block starts at a multiple of 64 bytes and occupies a multiple of 64; a block of 0 bytes occupies 64, so
/// that no two blocks share an address.
@safe package final class Arena {
  /// A place to rewind to.
  @safe package struct Mark {
    fileprivate let chunk: Int
    fileprivate let chunkUsed: Int
    fileprivate let used: Int
  }

  @safe private struct Chunk {
    let base: UnsafeMutableRawPointer
    let capacity: Int
    var used = 0
  }

  private static let firstChunkBytes = 1 << 20
  /// More than any address space holds, and far enough from overflow.
  private static let largestBlock = 1 << 60
  private static let hugePageBytes = 8 << 20

  /// Bytes in use, in blocks.
  package private(set) var used = 0
  /// The most that was ever in use.
  package private(set) var peak = 0
  /// How often the arena was emptied.
  package private(set) var resets = 0
  /// Growth beyond this fails.
  package var byteLimit: Int?
  /// Bytes that somebody holds beside the arena and that the limit counts.
  package var beside = 0

  /// What happens to memory that is given back, for those who keep raw pointers into it.
  package enum Poisoning {
    case none
    /// AddressSanitizer, where the program runs under it, reports whoever touches it.
    case sanitizer
    /// The same, and it reads as signalling NaNs.
    case signallingNaN
  }

  package var poisoning = Poisoning.none

  /// How often memory was mapped.
  private(set) var mappings = 0

  private let simulated: Bool
  private var chunks: [Chunk] = []
  private var current = 0
  /// The most in use since the arena last became one chunk.
  private var highWater = 0

  package init(simulated: Bool = false, byteLimit: Int? = nil) {
    self.simulated = simulated
    self.byteLimit = byteLimit
    chunks.reserveCapacity(64)
  }

  deinit { unmapAll() }

  package var statistics: ArenaStatistics {
    ArenaStatistics(
      used: used, peak: peak, reserved: chunks.reduce(0) { $0 + $1.capacity },
      chunks: chunks.count, resets: resets)
  }

  /// Returns `bytes` bytes of undefined content, or nil where limit or system refuse.
  @unsafe package func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
    guard bytes <= Arena.largestBlock - used else { return nil }
    let size = Arena.blockSize(bytes)
    if let byteLimit, used + size > byteLimit - beside { return nil }
    let block: UnsafeMutableRawPointer?
    if simulated {
      unsafe block = UnsafeMutableRawPointer(bitPattern: 1 << 32 + used)
    } else {
      unsafe block = take(size)
    }
    guard let block = unsafe block else { return nil }
    if poisoning != .none { unsafe csystem_unpoison(block, size) }
    used += size
    if used > peak { peak = used }
    if used > highWater { highWater = used }
    return unsafe block
  }

  /// What a block of `bytes` bytes occupies.
  package static func blockSize(_ bytes: Int) -> Int { max(64, (bytes + 63) & ~63) }

  /// Maps enough for `bytes` bytes of blocks at once, so that a step of that size finds one chunk; where `touching`, it
  /// finds every page there, too.
  package func reserve(_ bytes: Int, touching: Bool = false) -> Bool {
    guard used == 0, !simulated else { return false }
    if chunks.count != 1 || chunks[0].capacity < bytes {
      unmapAll()
      guard map(bytes) else { return false }
    }
    if touching { unsafe csystem_touch(chunks[0].base, bytes) }
    return true
  }

  package func reset() {
    resets += 1
    if poisoning != .none { for chunk in chunks { poison(chunk, from: 0) } }
    used = 0
    current = 0
    if chunks.count > 1 {
      unmapAll()
      _ = map(highWater)
      highWater = 0
    } else if !chunks.isEmpty {
      chunks[0].used = 0
    }
  }

  package func mark() -> Mark {
    Mark(chunk: current, chunkUsed: chunks.isEmpty ? 0 : chunks[current].used, used: used)
  }

  /// Gives back every block since `mark`. Marks nest: later marks become void.
  package func rewind(to mark: Mark) {
    used = mark.used
    guard !chunks.isEmpty else { return }
    for index in chunks.indices where index > mark.chunk {
      if poisoning != .none { poison(chunks[index], from: 0) }
      chunks[index].used = 0
    }
    if poisoning != .none { poison(chunks[mark.chunk], from: mark.chunkUsed) }
    chunks[mark.chunk].used = mark.chunkUsed
    current = mark.chunk
  }

  /// The same, but the first `bytes` bytes of `block` move to where the next block would have gone. Returns their
  /// new place; nil where there is none, which cannot happen to a block made since the mark.
  @unsafe package func rewind(to mark: Mark, keeping block: UnsafeMutableRawPointer, _ bytes: Int)
    -> UnsafeMutableRawPointer?
  {
    let poisons = poisoning
    poisoning = .none
    rewind(to: mark)
    poisoning = poisons
    guard let place = unsafe allocate(bytes) else { return nil }
    // Old and new place may overlap; both are mapped.
    if !simulated { unsafe place.copyMemory(from: block, byteCount: bytes) }
    if poisoning != .none {
      for index in chunks.indices where index >= mark.chunk { poison(chunks[index], from: chunks[index].used) }
    }
    return unsafe place
  }

  /// Gives all memory back to the system.
  package func release() {
    reset()
    unmapAll()
    highWater = 0
  }

  private func poison(_ chunk: Chunk, from start: Int) {
    if poisoning == .signallingNaN {
      for offset in stride(from: start, to: chunk.used, by: 8) {
        unsafe chunk.base.storeBytes(of: 0x7FF4_DEAD_DEAD_DEAD, toByteOffset: offset, as: UInt64.self)
      }
    }
    unsafe csystem_poison(chunk.base + start, chunk.capacity - start)
  }

  /// Takes a block from the current chunk, a later one, or a new one.
  private func take(_ size: Int) -> UnsafeMutableRawPointer? {
    while true {
      if current < chunks.count, chunks[current].used + size <= chunks[current].capacity {
        // INVARIANT: [used, used + size) of this chunk is mapped and belongs to no live block.
        let block = unsafe chunks[current].base + chunks[current].used
        chunks[current].used += size
        return unsafe block
      }
      if current + 1 < chunks.count {
        current += 1
      } else {
        let total = chunks.reduce(0) { $0 + $1.capacity }
        guard map(max(size, total, Arena.firstChunkBytes)) || map(size) else { return nil }
        current = chunks.count - 1
      }
    }
  }

  private func map(_ bytes: Int) -> Bool {
    let capacity = (max(bytes, 64) + 4095) & ~4095
    guard let base = unsafe csystem_map(capacity, capacity >= Arena.hugePageBytes ? 1 : 0) else { return false }
    mappings += 1
    unsafe chunks.append(Chunk(base: base, capacity: capacity))
    return true
  }

  private func unmapAll() {
    for chunk in chunks {
      if poisoning != .none { unsafe csystem_unpoison(chunk.base, chunk.capacity) }
      unsafe csystem_unmap(chunk.base, chunk.capacity)
    }
    chunks.removeAll(keepingCapacity: true)
    current = 0
  }
}

/// What an arena holds.
public struct ArenaStatistics: Sendable, Equatable {
  /// Bytes in use now.
  public let used: Int
  /// The most bytes that were ever in use: what `Tape.plan` predicts.
  public let peak: Int
  /// Bytes mapped from the system.
  public let reserved: Int
  /// Pieces that `reserved` consists of; 1 after the second step.
  public let chunks: Int
  /// How often the arena was emptied: once per step.
  public let resets: Int
}
