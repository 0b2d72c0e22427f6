/// Philox4x32-10, a counter-based random function: the same key and counter always give the same four words.
///
/// There is no state to save, copy or race on; a checkpoint stores counters. It is not a cipher: do not make
/// secrets with it.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public enum Philox {
  /// Scrambles one counter under one key, in ten rounds.
  ///
  /// - Parameter key: Two words, the low one first.
  /// - Parameter counter: Four words; every counter is a block of its own.
  /// - Returns: Four words, uniform over all bit patterns.
  /// - Complexity: 20 widening multiplications; allocates nothing.
  public static func block(
    key: UInt64, counter: (UInt32, UInt32, UInt32, UInt32)
  ) -> (UInt32, UInt32, UInt32, UInt32) {
    var key0 = UInt32(truncatingIfNeeded: key)
    var key1 = UInt32(truncatingIfNeeded: key >> 32)
    var words = counter
    for _ in 0..<10 {
      let product0 = UInt64(words.0) * 0xD251_1F53
      let product1 = UInt64(words.2) * 0xCD9E_8D57
      words = (
        UInt32(truncatingIfNeeded: product1 >> 32) ^ words.1 ^ key0,
        UInt32(truncatingIfNeeded: product1),
        UInt32(truncatingIfNeeded: product0 >> 32) ^ words.3 ^ key1,
        UInt32(truncatingIfNeeded: product0)
      )
      key0 &+= 0x9E37_79B9
      key1 &+= 0xBB67_AE85
    }
    return words
  }
}
