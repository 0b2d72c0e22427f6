import AutogradBase

/// The characters of a text, found one piece of it at a time.
public struct Alphabet: Sendable {
  /// 1 by code point, and behind them by the upper bits of code points, which 256 of them share: pages.
  private var isUsed = [UInt8](repeating: 0, count: firstPage + 0x1100)
  private static let firstPage = 0x110000

  public init() {}

  /// Adds the characters of UTF-8 text.
  ///
  /// - Returns: How many there are, repeated ones counted again.
  /// - Throws: `invalidUTF8` with the byte offset in this piece.
  /// - Complexity: O(bytes), about a nanosecond each.
  public mutating func add(_ text: Span<UInt8>) throws(TextError) -> Int {
    let (byteCount, count) = TextBytes.mark(text, in: &isUsed)
    guard byteCount == text.count else { throw .invalidUTF8(path: nil, byteOffset: byteCount) }
    return count
  }

  /// Adds all characters of another alphabet.
  public mutating func formUnion(_ other: Alphabet) {
    for page in 0..<0x1100 where other.isUsed[Alphabet.firstPage + page] != 0 {
      isUsed[Alphabet.firstPage + page] = 1
      for value in page << 8..<(page + 1) << 8 where other.isUsed[value] != 0 { isUsed[value] = 1 }
    }
  }

  /// The characters, ordered by code point.
  public var scalars: [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    for page in 0..<0x1100 where isUsed[Alphabet.firstPage + page] != 0 {
      for value in page << 8..<(page + 1) << 8 where isUsed[value] != 0 { scalars.append(Unicode.Scalar(UInt32(value))!) }
    }
    return scalars
  }
}
