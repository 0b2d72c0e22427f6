/// Says why bytes are not JSON that this library accepts. Offsets count bytes from the start of the text.
public enum JSONError: Error, Equatable, Sendable {
  case tooManyBytes(count: Int, limit: Int)
  case tooManyValues(limit: Int, offset: Int)
  case tooManyKeys(limit: Int, offset: Int)
  case tooDeep(limit: Int, offset: Int)
  case byteOrderMark
  case unexpectedEnd(offset: Int)
  case unexpectedByte(UInt8, offset: Int, expected: String)
  case trailingBytes(offset: Int)
  case duplicateKey(String, offset: Int)
  case invalidUTF8(offset: Int)
  case controlCharacter(UInt8, offset: Int)
  case invalidEscape(offset: Int)
  case loneSurrogate(offset: Int)
  case leadingZero(offset: Int)
  case numberOutOfRange(offset: Int)
}

extension JSONError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .tooManyBytes(let count, let limit):
      "JSON text of \(count) bytes is larger than the limit of \(limit); this is not the file it should be"
    case .tooManyValues(let limit, let offset):
      "JSON has more than \(limit) values (limit reached at byte \(offset)); split it"
    case .tooManyKeys(let limit, let offset):
      "JSON has more than \(limit) keys (limit reached at byte \(offset)); split it"
    case .tooDeep(let limit, let offset):
      "JSON is nested deeper than \(limit) levels at byte \(offset); flatten it"
    case .byteOrderMark:
      "JSON starts with a byte order mark; save the file as UTF-8 without it"
    case .unexpectedEnd(let offset):
      "JSON ends at byte \(offset) inside a value; the file is cut off: get it again"
    case .unexpectedByte(let byte, let offset, let expected):
      "JSON has \(Self.display(byte)) at byte \(offset) where \(expected) should stand; correct it there"
    case .trailingBytes(let offset):
      "JSON is complete before byte \(offset), but more follows; remove what follows"
    case .duplicateKey(let key, let offset):
      "JSON has the key \(key.quotedForMessage) twice in one object, again at byte \(offset); remove one"
    case .invalidUTF8(let offset):
      "JSON has bytes that are not UTF-8 at byte \(offset); save the file as UTF-8"
    case .controlCharacter(let byte, let offset):
      "JSON has the control character \(Self.display(byte)) inside a string at byte \(offset); escape it"
    case .invalidEscape(let offset):
      "JSON has an unknown escape at byte \(offset); use \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\uXXXX"
    case .loneSurrogate(let offset):
      "JSON escapes half of a surrogate pair at byte \(offset); write both halves or the character itself"
    case .leadingZero(let offset):
      "JSON has a number with a leading zero at byte \(offset); remove the zero"
    case .numberOutOfRange(let offset):
      "JSON has a number at byte \(offset) that no 64-bit float holds, or of over 1000 digits; shorten it"
    }
  }

  private static func display(_ byte: UInt8) -> String {
    if (0x21...0x7E).contains(byte) { return "'\(Character(Unicode.Scalar(byte)))'" }
    return "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }
}
