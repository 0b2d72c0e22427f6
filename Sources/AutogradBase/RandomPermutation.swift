/// An order of 0, 1, …, count − 1, as good as random, of which any place can be asked without the others.
///
/// Up to 16 things are shuffled (Fisher and Yates), every order equally likely. More of them go through a Feistel network
/// over the next even power of two, walked on until it falls inside the range; its round keys come from one Philox block.
/// Over so few places that a network has no more orders than 16 things have, it would prefer some. Not for secrets.
///
/// - Complexity: No memory; a few dozen nanoseconds per place.
/// - Source: Black and Rogaway, "Ciphers with arbitrary finite domains", 2002.
public struct RandomPermutation: Sendable {
  public let count: Int
  private let halfBits: UInt64
  private let keys: (UInt32, UInt32, UInt32, UInt32)
  /// What stands at places 0, 1, … of a shuffled order, four bits each, the first ones lowest; nil where there are more.
  private let shuffled: UInt64?

  /// - Parameter random: Draws the keys; the same stream gives the same order.
  /// - Precondition: `count` lies between 1 and 2⁶².
  public init(count: Int, _ random: inout RandomStream) {
    guard count >= 1, count <= 1 << 62 else { fatalError("random permutation: cannot order \(count) things") }
    self.count = count
    shuffled = count <= 16 ? RandomPermutation.shuffle(count, &random) : nil
    guard count > 16 else {
      (halfBits, keys) = (0, (0, 0, 0, 0))
      return
    }
    let bits = UInt64(Int.bitWidth - (count - 1).leadingZeroBitCount)
    halfBits = max(1, (bits + 1) / 2)
    let (a, b) = (random.next(), random.next())
    keys = (
      UInt32(truncatingIfNeeded: a), UInt32(truncatingIfNeeded: a >> 32), UInt32(truncatingIfNeeded: b),
      UInt32(truncatingIfNeeded: b >> 32)
    )
  }

  /// What stands at `place`.
  ///
  /// - Precondition: 0 ≤ place < count; otherwise stops and prints both.
  public subscript(place: Int) -> Int {
    guard place >= 0, place < count else { fatalError("permutation: place \(place) of \(count)") }
    if let shuffled { return Int(shuffled >> UInt64(4 * place) & 15) }
    var value = UInt64(place)
    repeat { value = encipher(value) } while value >= UInt64(count)
    return Int(value)
  }

  private static func shuffle(_ count: Int, _ random: inout RandomStream) -> UInt64 {
    var order = 0xFEDC_BA98_7654_3210 as UInt64
    for last in stride(from: count - 1, to: 0, by: -1) {
      let other = random.integer(below: last + 1)
      let change = (order >> UInt64(4 * last) ^ order >> UInt64(4 * other)) & 15
      order ^= change << UInt64(4 * last)
      // Exchanging a thing with itself changes nothing twice.
      order ^= change << UInt64(4 * other)
    }
    return order
  }

  private func encipher(_ value: UInt64) -> UInt64 {
    let mask = (1 << halfBits) - 1 as UInt64
    var left = value >> halfBits, right = value & mask
    func round(_ key: UInt32) { (left, right) = (right, (left ^ RandomPermutation.mix(right, key)) & mask) }
    round(keys.0)
    round(keys.1)
    round(keys.2)
    round(keys.3)
    round(keys.0 ^ 0x9E37_79B9)
    round(keys.1 ^ 0x7F4A_7C15)
    return left << halfBits | right
  }

  /// Spreads every bit over all others (the finaliser of MurmurHash3).
  private static func mix(_ value: UInt64, _ key: UInt32) -> UInt64 {
    var x = (value ^ UInt64(key)) &* 0xFF51_AFD7_ED55_8CCD
    x ^= x >> 33
    x = x &* 0xC4CE_B9FE_1A85_EC53
    return x ^ x >> 33
  }
}
