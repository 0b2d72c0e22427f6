/// The spelling of bytes as printable characters that GPT-2 introduced for vocabularies in JSON.
///
/// Bytes 33–126, 161–172 and 174–255 stand for themselves as code points; the other 68, in order, for 256,
/// 257, …: a space is "Ġ", a line feed "Ċ".
enum ByteLevel {
  private static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (0..<256 as Range<UInt32>).compactMap { byte in
      switch byte {
      case 33...126, 161...172, 174...255: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next)
      }
    }
  }()

  /// The byte for each code point below 324; nil where there is none.
  private static let bytesByCodePoint: [UInt8?] = {
    var table = [UInt8?](repeating: nil, count: 324)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = UInt8(byte) }
    return table
  }()

  /// All bytes in the order of the characters that spell them.
  static let bytesBySpelling: [UInt8] = (0...255).sorted { scalars[Int($0)] < scalars[Int($1)] }

  static func string(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes { text.unicodeScalars.append(scalars[Int(byte)]) }
    return text
  }

  /// The bytes that a token spells; nil when it has a character that spells none.
  static func bytes(_ token: String) -> [UInt8]? {
    var result: [UInt8] = []
    for scalar in token.unicodeScalars {
      guard scalar.value < bytesByCodePoint.count, let byte = bytesByCodePoint[Int(scalar.value)] else {
        return nil
      }
      result.append(byte)
    }
    return result
  }

  /// Adds the bytes that a token in UTF-8 spells; false when it has a character that spells none.
  static func append(_ token: ArraySlice<UInt8>, to bytes: inout [UInt8]) -> Bool {
    var index = token.startIndex
    while index < token.endIndex {
      var codePoint = Int(token[index])
      index += 1
      if codePoint >= 0x80 {
        // Those of two bytes lie below 2048.
        guard codePoint & 0xE0 == 0xC0, index < token.endIndex else { return false }
        codePoint = (codePoint & 0x1F) << 6 | Int(token[index] & 0x3F)
        index += 1
      }
      guard codePoint < bytesByCodePoint.count, let byte = bytesByCodePoint[codePoint] else { return false }
      bytes.append(byte)
    }
    return true
  }
}
