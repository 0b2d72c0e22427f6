import AutogradBase

extension PreTokenizer {
  /// Counts the words of a text, or of a part that was cut out of it where none goes on.
  ///
  /// - Throws: `invalidUTF8`, with the place in this text; nothing is counted then.
  public func count(_ text: Span<UInt8>, in words: inout WordCounts) throws(TextError) {
    if let offset = UTF8Sequence.firstInvalidOffset(in: text) { throw .invalidUTF8(path: nil, byteOffset: offset) }
    forEachPreToken(in: text) { words.add(text, $0) }
  }
}
