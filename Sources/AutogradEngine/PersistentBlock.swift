import CAutogradSystem
import Synchronization

/// Zeroed memory that lives as long as its holder: a parameter's values, its gradient, a moment of an optimiser.
///
/// The memory is taken at the first use of `start`, or before that by `reserve()`: a model that is only planned takes
/// none, however large it is.
@safe public final class PersistentBlock {
  public let byteCount: Int
  /// INVARIANT: 0, or the address of `byteCount` bytes, 64-byte aligned, valid while this object lives.
  private let address = Atomic<UInt>(0)

  private static let mappedFrom = 1 << 20
  private static let hugePagesFrom = 2 << 20

  public init(byteCount: Int) { self.byteCount = max(64, byteCount) }

  /// Memory at once; nil where the system has none.
  package convenience init?(tryingByteCount byteCount: Int) {
    self.init(byteCount: byteCount)
    guard unsafe taken() != nil else { return nil }
  }

  /// Where the memory lies. Stops the program where the system has none; `reserve()` asks first.
  @unsafe public var start: UnsafeMutableRawPointer {
    guard let start = unsafe taken() else {
      fatalError("out of memory: the system refused \(byteCount) bytes for a parameter")
    }
    return unsafe start
  }

  /// Whether the memory was taken.
  package var isTaken: Bool { address.load(ordering: .relaxed) != 0 }

  /// Takes the memory, of which the system may still have no pages.
  ///
  /// - Returns: Whether the system had it.
  package func take() -> Bool { unsafe taken() != nil }

  /// Takes the memory and touches every page of it, so that the system cannot go back on its word.
  ///
  /// - Returns: Whether the system had it.
  package func reserve() -> Bool {
    guard let start = unsafe taken() else { return false }
    unsafe csystem_touch(start, byteCount)
    return true
  }

  /// Takes the memory unless that was done. Two threads may come at once: one of them keeps what it took.
  private func taken() -> UnsafeMutableRawPointer? {
    if let start = unsafe UnsafeMutableRawPointer(bitPattern: address.load(ordering: .acquiring)) {
      return unsafe start
    }
    guard let memory = unsafe take() else { return nil }
    let (exchanged, original) = address.compareExchange(
      expected: 0, desired: UInt(bitPattern: memory), ordering: .acquiringAndReleasing)
    if exchanged { return unsafe memory }
    unsafe give(memory)
    return unsafe UnsafeMutableRawPointer(bitPattern: original)
  }

  private var isMapped: Bool { byteCount >= PersistentBlock.mappedFrom }

  private func take() -> UnsafeMutableRawPointer? {
    if isMapped { return unsafe csystem_map(byteCount, byteCount >= PersistentBlock.hugePagesFrom ? 1 : 0) }
    guard let memory = unsafe csystem_allocate(byteCount, 64) else { return nil }
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    return unsafe memory
  }

  private func give(_ memory: UnsafeMutableRawPointer) {
    if isMapped { unsafe csystem_unmap(memory, byteCount) } else { unsafe csystem_free(memory) }
  }

  deinit {
    if let memory = unsafe UnsafeMutableRawPointer(bitPattern: address.load(ordering: .acquiring)) {
      unsafe give(memory)
    }
  }
}
