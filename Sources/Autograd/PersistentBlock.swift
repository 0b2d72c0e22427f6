import CSystem

/// Zeroed memory that lives as long as its holder: a parameter's values, its gradient, a moment of an optimiser.
@safe public final class PersistentBlock {
  /// INVARIANT: `byteCount` bytes, 64-byte aligned, valid while this object lives.
  @unsafe public let start: UnsafeMutableRawPointer
  public let byteCount: Int
  private let mapped: Bool

  private static let mappedFrom = 1 << 20
  private static let hugePagesFrom = 8 << 20

  public init(byteCount: Int) {
    self.byteCount = max(64, byteCount)
    mapped = self.byteCount >= PersistentBlock.mappedFrom
    if mapped {
      guard let start = unsafe csystem_map(self.byteCount, byteCount >= PersistentBlock.hugePagesFrom ? 1 : 0) else {
        fatalError("out of memory: the system refused \(byteCount) bytes for a parameter")
      }
      unsafe self.start = unsafe start
    } else {
      unsafe start = UnsafeMutableRawPointer.allocate(byteCount: self.byteCount, alignment: 64)
      unsafe start.initializeMemory(as: UInt8.self, repeating: 0, count: self.byteCount)
    }
  }

  deinit {
    if mapped { unsafe csystem_unmap(start, byteCount) } else { unsafe start.deallocate() }
  }
}
