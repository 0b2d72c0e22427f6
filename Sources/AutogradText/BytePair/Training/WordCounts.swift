/// Distinct words, strings of bytes, and how often each occurs.
///
/// A table of its own, since a dictionary would make an array for each word that it looks up: here a word that is there
/// already allocates nothing.
public struct WordCounts: Sendable {
  /// The bytes of all words, one after another.
  private(set) var bytes: [UInt8] = []
  /// Where word i ends; it begins where the one before ends.
  private(set) var ends: [UInt32] = []
  public private(set) var counts: [Int] = []
  /// By hash: the number of a word, plus one; 0 where there is none. A power of two of them.
  private var slots: [UInt32]
  private var hashes: [UInt32] = []

  public init() { slots = [UInt32](repeating: 0, count: 1 << 12) }

  /// Distinct words.
  public var count: Int { counts.count }

  /// What it takes of memory, less than twice of which is in use while it grows.
  public var byteCount: Int { bytes.count + ends.count * (4 + 8 + 4) + slots.count * 4 }

  /// All occurrences.
  public var total: Int { counts.reduce(0, +) }

  /// The bytes of a word.
  public subscript(word: Int) -> ArraySlice<UInt8> { bytes[range(word)] }

  func range(_ word: Int) -> Range<Int> { (word == 0 ? 0 : Int(ends[word - 1]))..<Int(ends[word]) }

  /// The most bytes that all words may have: places in them are 32 bits wide.
  static let mostBytes = Int(UInt32.max)

  /// Counts one word once more, or several times.
  ///
  /// - Precondition: All words together have fewer than 2³² bytes.
  /// - Complexity: O(bytes of the word).
  public mutating func add(_ text: Span<UInt8>, _ range: Range<Int>, times: Int = 1) {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(range.count)
    for index in range { hash = (hash ^ UInt64(text[index])) &* 0x1_0000_01B3 }
    hash = (hash ^ hash >> 29) &* 0xBF58_476D_1CE4_E5B9
    let own = UInt32(truncatingIfNeeded: hash >> 32)
    var slot = Int(own) & (slots.count - 1)
    while slots[slot] != 0 {
      let word = Int(slots[slot]) - 1
      if hashes[word] == own, isWord(word, text, range) {
        counts[word] += times
        return
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    precondition(bytes.count + range.count <= WordCounts.mostBytes)
    for index in range { bytes.append(text[index]) }
    ends.append(UInt32(bytes.count))
    counts.append(times)
    hashes.append(own)
    slots[slot] = UInt32(counts.count)
    if counts.count * 3 > slots.count * 2 { grow() }
  }

  private func isWord(_ word: Int, _ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let own = self.range(word)
    guard own.count == range.count else { return false }
    for offset in 0..<own.count where bytes[own.lowerBound + offset] != text[range.lowerBound + offset] { return false }
    return true
  }

  private mutating func grow() {
    let mask = slots.count * 2 - 1
    slots = [UInt32](repeating: 0, count: mask + 1)
    for (word, hash) in hashes.enumerated() {
      var slot = Int(hash) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = UInt32(word + 1)
    }
  }

  /// Counts the words of another table, too.
  public mutating func add(_ other: WordCounts) {
    let text = other.bytes.span
    for word in 0..<other.count { add(text, other.range(word), times: other.counts[word]) }
  }
}
