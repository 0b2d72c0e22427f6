/// What stands at one place of a byte string that should be UTF-8.
///
/// Strict: overlong forms, surrogates and values above U+10FFFF are malformed. The standard library's decoder
/// repairs such bytes silently and does not say where they were.
public enum UTF8Sequence: Equatable, Sendable {
  /// A whole character of `byteCount` bytes.
  case scalar(Unicode.Scalar, byteCount: Int)
  /// The bytes end inside a character that is valid as far as it goes: more bytes may complete it.
  case truncated(byteCount: Int)
  /// No continuation makes these bytes valid. One U+FFFD replaces them (the "maximal subpart" of Unicode).
  case malformed(byteCount: Int)

  /// Reads the sequence that starts at `offset`.
  ///
  /// - Precondition: `offset` lies inside `bytes`.
  /// - Complexity: O(1): looks at no more than 4 bytes.
  public static func read(_ bytes: Span<UInt8>, at offset: Int) -> UTF8Sequence {
    let lead = bytes[offset]
    if lead < 0x80 { return .scalar(Unicode.Scalar(lead), byteCount: 1) }
    let byteCount: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0xC2...0xDF: byteCount = 2
    case 0xE0: (byteCount, second) = (3, 0xA0...0xBF)
    case 0xED: (byteCount, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: byteCount = 3
    case 0xF0: (byteCount, second) = (4, 0x90...0xBF)
    case 0xF4: (byteCount, second) = (4, 0x80...0x8F)
    case 0xF1...0xF3: byteCount = 4
    default: return .malformed(byteCount: 1)
    }
    var value = UInt32(lead) & (0x7F >> UInt32(byteCount))
    for index in 1..<byteCount {
      guard offset + index < bytes.count else { return .truncated(byteCount: index) }
      let byte = bytes[offset + index]
      guard (index == 1 ? second : 0x80...0xBF).contains(byte) else { return .malformed(byteCount: index) }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    guard let scalar = Unicode.Scalar(value) else { return .malformed(byteCount: byteCount) }
    return .scalar(scalar, byteCount: byteCount)
  }

  /// Finds the first byte that does not belong to valid UTF-8; nil when all do.
  ///
  /// - Returns: The offset at which the malformed or truncated sequence starts.
  /// - Complexity: O(n).
  public static func firstInvalidOffset(in bytes: Span<UInt8>) -> Int? {
    var offset = 0
    while offset < bytes.count {
      if bytes[offset] < 0x80 {
        offset += 1
      } else if case .scalar(_, let byteCount) = read(bytes, at: offset) {
        offset += byteCount
      } else {
        return offset
      }
    }
    return nil
  }
}
