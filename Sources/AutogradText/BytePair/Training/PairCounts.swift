/// How often each pair of tokens occurs: a table from pairs, packed into words, to numbers.
struct PairCounts {
  private var keys: [UInt64]
  private var values: [Int]
  private var used = 0
  /// No pair: ids are far smaller.
  private static let none = UInt64.max

  init() {
    keys = [UInt64](repeating: PairCounts.none, count: 1 << 14)
    values = [Int](repeating: 0, count: 1 << 14)
  }

  /// The number of a pair; 0 where it has none.
  subscript(pair: UInt64) -> Int {
    let slot = slot(pair)
    return keys[slot] == pair ? values[slot] : 0
  }

  /// Adds to the number of a pair.
  ///
  /// - Returns: What it is now, and whether the pair had one before.
  mutating func add(_ difference: Int, to pair: UInt64) -> (count: Int, isOld: Bool) {
    let slot = slot(pair)
    if keys[slot] == pair {
      values[slot] += difference
      return (values[slot], true)
    }
    (keys[slot], values[slot]) = (pair, difference)
    used += 1
    if used * 3 > keys.count * 2 { grow() }
    return (difference, false)
  }

  /// Where a pair is, or would be.
  private func slot(_ pair: UInt64) -> Int {
    let mixed = (pair ^ pair >> 31) &* 0x9E37_79B9_7F4A_7C15
    var slot = Int(truncatingIfNeeded: mixed >> 20) & (keys.count - 1)
    while keys[slot] != pair, keys[slot] != PairCounts.none { slot = (slot + 1) & (keys.count - 1) }
    return slot
  }

  private mutating func grow() {
    let (oldKeys, oldValues) = (keys, values)
    keys = [UInt64](repeating: PairCounts.none, count: 2 * oldKeys.count)
    values = [Int](repeating: 0, count: 2 * oldKeys.count)
    for (key, value) in zip(oldKeys, oldValues) where key != PairCounts.none {
      let slot = slot(key)
      (keys[slot], values[slot]) = (key, value)
    }
  }
}
