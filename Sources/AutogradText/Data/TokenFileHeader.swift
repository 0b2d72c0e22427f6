import AutogradBase

/// The header of llm.c's `.bin`: 256 little-endian Int32, of which three are used: what it is, version, tokens.
///
/// Source: `dev/data/data_common.py` of karpathy/llm.c.
package struct TokenFileHeader: Sendable, Equatable {
  package static let byteCount = 1024

  package let format: TokenFile.Format
  package let count: Int

  /// Reads the beginning of a file.
  ///
  /// - Parameter fileByteCount: The size of the whole file.
  /// - Returns: Nil where the file does not begin as one of llm.c's: it may be one without a header.
  /// - Throws: `notTokens` where it begins so, and lies.
  package init?(_ bytes: [UInt8], fileByteCount: Int, path: String) throws(TextError) {
    func word(_ index: Int) -> Int32 {
      Int32(truncatingIfNeeded: (0..<4).reduce(0 as UInt32) { $0 | UInt32(bytes[4 * index + $1]) << UInt32(8 * $1) })
    }
    guard bytes.count >= 4 else { return nil }
    let version: Int32
    switch word(0) {
    case 20_240_520: (format, version) = (.uint16, 1)
    case 20_240_801: (format, version) = (.int32, 7)
    default: return nil
    }
    guard bytes.count >= TokenFileHeader.byteCount else {
      throw .notTokens(
        path: path, "it begins as a file of llm.c and ends within the header, at byte \(bytes.count); get it again")
    }
    guard word(1) == version else {
      throw .notTokens(path: path, "its header has version \(word(1)), and version \(version) is known; convert it")
    }
    count = Int(word(2))
    let room = (fileByteCount - TokenFileHeader.byteCount) / format.byteCount
    guard count >= 0, TokenFileHeader.byteCount + count * format.byteCount == fileByteCount else {
      throw .notTokens(
        path: path, "its header says \(count) tokens, and there are bytes for \(room)"
          + (TokenFileHeader.byteCount + room * format.byteCount == fileByteCount ? "" : " and a part of one")
          + "; get it again")
    }
  }
}
