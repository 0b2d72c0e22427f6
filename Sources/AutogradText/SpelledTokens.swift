/// The tokens of a vocabulary as a file spells them, with their ids.
///
/// In one array, and found by a table of numbers: a vocabulary has a hundred thousand tokens, and merges name each of
/// them several times.
struct SpelledTokens: Sendable {
  /// The spellings, one after another, UTF-8.
  var bytes: [UInt8] = []
  /// Where the token that came as number n ends.
  private var ends: [Int] = []
  /// The id of the token that came as number n.
  private(set) var ids: [Int32] = []
  /// By hash: the number of a token, plus one; 0 where there is none. A power of two of them.
  private var slots = [UInt32](repeating: 0, count: 1 << 10)

  var count: Int { ends.count }

  /// The spelling of the token that came as number n.
  subscript(number: Int) -> ArraySlice<UInt8> { bytes[range(number)] }

  func name(_ number: Int) -> String { String(decoding: self[number], as: UTF8.self) }

  private func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

  /// Makes the bytes behind the last token the next one.
  ///
  /// - Returns: False where there is such a token already: nothing has changed then but those bytes, which are gone.
  mutating func endToken() -> Bool {
    let own = (ends.last ?? 0)..<bytes.count
    var slot = self.slot(bytes, own)
    if slots[slot] != 0 {
      bytes.removeLast(own.count)
      return false
    }
    ends.append(bytes.count)
    ids.append(-1)
    slots[slot] = UInt32(ends.count)
    guard ends.count * 2 > slots.count else { return true }
    slots = [UInt32](repeating: 0, count: 2 * slots.count)
    for number in ends.indices {
      slot = self.slot(bytes, range(number))
      slots[slot] = UInt32(number + 1)
    }
    return true
  }

  /// Says the id of the token that came last.
  mutating func setLastID(_ id: Int32) { ids[ids.count - 1] = id }

  /// Adds a token.
  ///
  /// - Returns: False where there is such a token already.
  mutating func append(_ token: some Sequence<UInt8>, id: Int32) -> Bool {
    bytes += token
    guard endToken() else { return false }
    setLastID(id)
    return true
  }

  /// The id of a token.
  func id(_ text: [UInt8], _ range: Range<Int>) -> Int32? {
    let number = slots[slot(text, range)]
    return number == 0 ? nil : ids[Int(number) - 1]
  }

  func id(_ token: String) -> Int32? {
    let text = Array(token.utf8)
    return id(text, text.indices)
  }

  /// Where a token is in the table, or would be.
  private func slot(_ text: [UInt8], _ range: Range<Int>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in range { hash = (hash ^ UInt64(text[index])) &* 0x1_0000_01B3 }
    var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & (slots.count - 1)
    while slots[slot] != 0, !isSame(Int(slots[slot]) - 1, text, range) { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }

  private func isSame(_ number: Int, _ text: [UInt8], _ other: Range<Int>) -> Bool {
    let own = range(number)
    guard own.count == other.count else { return false }
    for offset in 0..<own.count where bytes[own.lowerBound + offset] != text[other.lowerBound + offset] { return false }
    return true
  }
}
