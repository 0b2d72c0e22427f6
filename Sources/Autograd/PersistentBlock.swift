import CSystem

/// Zeroed memory that lives as long as its holder: a parameter's values, its gradient, a moment of an optimiser.
@safe public final class PersistentBlock {
  /// INVARIANT: `byteCount` bytes, 64-byte aligned, valid while this object lives.
  @unsafe public let start: UnsafeMutableRawPointer
  public let byteCount: Int
  private let mapped: Bool

  private static let mappedFrom = 1 << 20
  private static let hugePagesFrom = 8 << 20

  public convenience init(byteCount: Int) {
    guard let memory = unsafe PersistentBlock.memory(byteCount) else {
      fatalError("out of memory: the system refused \(byteCount) bytes for a parameter")
    }
    unsafe self.init(memory, byteCount: byteCount)
  }

  /// The same; nil where the system has no memory.
  package convenience init?(tryingByteCount byteCount: Int) {
    guard let memory = unsafe PersistentBlock.memory(byteCount) else { return nil }
    unsafe self.init(memory, byteCount: byteCount)
  }

  /// Takes over what `memory` made for the same count.
  private init(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
    self.byteCount = max(64, byteCount)
    mapped = self.byteCount >= PersistentBlock.mappedFrom
    unsafe start = unsafe memory
  }

  private static func memory(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let bytes = max(64, byteCount)
    if bytes >= mappedFrom { return unsafe csystem_map(bytes, bytes >= hugePagesFrom ? 1 : 0) }
    guard let memory = unsafe csystem_allocate(bytes, 64) else { return nil }
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return unsafe memory
  }

  deinit {
    if mapped { unsafe csystem_unmap(start, byteCount) } else { unsafe csystem_free(start) }
  }
}
