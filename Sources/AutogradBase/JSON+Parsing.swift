extension JSON {
  /// What a JSON text may cost before it is refused.
  public struct Limits: Sendable {
    /// Arrays and objects inside each other; values above 128 count as 128, which fits every thread's stack.
    public var maximumDepth: Int
    /// Values and keys, counted before anything is kept of them.
    public var maximumValues: Int
    /// Keys cost several times what values do: each is compared with all others of its object.
    public var maximumKeys: Int
    public var maximumBytes: Int

    public init(
      maximumDepth: Int = 64, maximumValues: Int = 10_000_000, maximumKeys: Int = .max, maximumBytes: Int = 100_000_000
    ) {
      self.maximumDepth = maximumDepth
      self.maximumValues = maximumValues
      self.maximumKeys = maximumKeys
      self.maximumBytes = maximumBytes
    }
  }

  /// Reads exactly one JSON value, with white space around it.
  ///
  /// Stricter than most readers: a byte order mark, duplicate keys, lone surrogates and numbers too large for
  /// a double are errors. Never stops the process, whatever the bytes.
  ///
  /// - Throws: `JSONError`, with the byte offset of the first thing that is wrong; a text of too many values or keys is
  ///   refused for that, whatever else is wrong with it.
  /// - Complexity: O(bytes), with up to about 60 bytes of memory for each value or key, and strings of their length.
  public init(parsing bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) {
    guard bytes.count <= limits.maximumBytes else {
      throw .tooManyBytes(count: bytes.count, limit: limits.maximumBytes)
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw .byteOrderMark }
    try checkCounts(bytes.span, limits)
    var parser = JSONParser(bytes: bytes, maximumDepth: min(limits.maximumDepth, 128))
    self = try parser.parseValue(depth: 0)
    parser.skipWhiteSpace()
    if parser.position < bytes.count { throw .trailingBytes(offset: parser.position) }
  }
}

/// Refuses a text of more values or keys than it may have.
///
/// A pass of its own, which keeps nothing: parsing takes many times the memory and the time of reading. In valid JSON a
/// value or key stands behind every separator and every bracket that opens, unless the bracket closes at once; the
/// first one stands behind nothing. A colon stands behind every key.
private func checkCounts(_ bytes: Span<UInt8>, _ limits: JSON.Limits) throws(JSONError) {
  var count = 1, keyCount = 0, offset = 0, hasJustOpened = false
  while offset < bytes.count {
    let byte = bytes[offset]
    if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      offset += 1
      continue
    }
    let closes = byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}")
    if closes, hasJustOpened { count -= 1 }
    if count > limits.maximumValues { throw .tooManyValues(limit: limits.maximumValues, offset: offset) }
    hasJustOpened = byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{")
    if byte == UInt8(ascii: ":") {
      keyCount += 1
      if keyCount > limits.maximumKeys { throw .tooManyKeys(limit: limits.maximumKeys, offset: offset) }
    }
    if hasJustOpened || byte == UInt8(ascii: ",") || byte == UInt8(ascii: ":") { count += 1 }
    offset += 1
    if byte == UInt8(ascii: "\"") { skipString(bytes, &offset) }
  }
}

/// Moves from behind a quote to behind the one that ends its string, or to the end.
private func skipString(_ bytes: Span<UInt8>, _ offset: inout Int) {
  while offset < bytes.count {
    let byte = bytes[offset]
    offset += byte == UInt8(ascii: "\\") ? 2 : 1
    if byte == UInt8(ascii: "\"") { return }
  }
  offset = min(offset, bytes.count)
}

/// Walks the bytes once, from left to right. Recursion ends at `maximumDepth`.
private struct JSONParser {
  let bytes: [UInt8]
  let maximumDepth: Int
  var position = 0

  init(bytes: [UInt8], maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  /// The byte at the position; nil at the end.
  var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func skipWhiteSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  func unexpected(_ expected: String) -> JSONError {
    guard let byte = current else { return .unexpectedEnd(offset: position) }
    return .unexpectedByte(byte, offset: position, expected: expected)
  }

  mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
    skipWhiteSpace()
    guard let byte = current else { throw .unexpectedEnd(offset: position) }
    switch byte {
    case UInt8(ascii: "{"): return try parseObject(depth: depth + 1)
    case UInt8(ascii: "["): return try parseArray(depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
    default: throw unexpected("a value")
    }
  }

  mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    for byte in word.description.utf8 {
      guard current == byte else { throw unexpected("the word \(word)") }
      position += 1
    }
    return value
  }

  mutating func enter(depth: Int) throws(JSONError) {
    guard depth <= maximumDepth else { throw .tooDeep(limit: maximumDepth, offset: position) }
    position += 1
    skipWhiteSpace()
  }

  mutating func parseArray(depth: Int) throws(JSONError) -> JSON {
    try enter(depth: depth)
    var values: [JSON] = []
    if current == UInt8(ascii: "]") {
      position += 1
      return .array(values)
    }
    while true {
      values.append(try parseValue(depth: depth))
      skipWhiteSpace()
      switch current {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "]"):
        position += 1
        return .array(values)
      default: throw unexpected("',' or ']'")
      }
    }
  }

  mutating func parseObject(depth: Int) throws(JSONError) -> JSON {
    try enter(depth: depth)
    var members: [JSON.Member] = []
    var seen = SeenKeys()
    if current == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    while true {
      skipWhiteSpace()
      guard current == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
      let keyOffset = position
      let key = try parseString()
      guard seen.insert(key, after: members) else { throw .duplicateKey(key, offset: keyOffset) }
      skipWhiteSpace()
      guard current == UInt8(ascii: ":") else { throw unexpected("':'") }
      position += 1
      members.append(JSON.Member(key, try parseValue(depth: depth)))
      skipWhiteSpace()
      switch current {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "}"):
        position += 1
        return .object(members)
      default: throw unexpected("',' or '}'")
      }
    }
  }
}

/// Finds repeated keys of one object: by comparing while there are few, by hashing their bytes afterwards.
private struct SeenKeys {
  private var hashed: Set<ExactString> = []

  /// Adds a key that follows those of `members`; false when it is among them.
  mutating func insert(_ key: String, after members: [JSON.Member]) -> Bool {
    if members.count < 8 { return !members.contains { $0.key.hasSameBytes(as: key) } }
    if hashed.isEmpty { hashed = Set(members.map { ExactString($0.key) }) }
    return hashed.insert(ExactString(key)).inserted
  }
}

// MARK: - Strings

extension JSONParser {
  /// Reads a string; the position is at its opening quote, afterwards behind its closing one.
  mutating func parseString() throws(JSONError) -> String {
    position += 1
    var unescaped: [UInt8] = []  // what precedes `runStart`, empty until the first escape
    var runStart = position
    while true {
      guard let byte = current else { throw .unexpectedEnd(offset: position) }
      switch byte {
      case UInt8(ascii: "\""):
        let run = bytes[runStart..<position]
        position += 1
        return String(decoding: unescaped.isEmpty ? run : (unescaped + run)[...], as: UTF8.self)
      case UInt8(ascii: "\\"):
        unescaped += bytes[runStart..<position]
        let scalar = try parseEscape()
        unescaped += String(scalar).utf8
        runStart = position
      case 0..<0x20:
        throw .controlCharacter(byte, offset: position)
      case 0..<0x80:
        position += 1
      default:
        guard case .scalar(_, let byteCount) = UTF8Sequence.read(bytes.span, at: position) else {
          throw .invalidUTF8(offset: position)
        }
        position += byteCount
      }
    }
  }

  /// Reads one escape, or the two that make a surrogate pair; the position is at the backslash.
  mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
    let start = position
    position += 1
    guard let kind = current else { throw .unexpectedEnd(offset: position) }
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw .invalidEscape(offset: start)
    }
    let high = try parseHexadecimal(escapeStart: start)
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard high < 0xDC00, current == UInt8(ascii: "\\"),
      position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u")
    else { throw .loneSurrogate(offset: start) }
    let secondStart = position
    position += 2
    let low = try parseHexadecimal(escapeStart: secondStart)
    guard (0xDC00...0xDFFF).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    else { throw .loneSurrogate(offset: start) }
    return scalar
  }

  mutating func parseHexadecimal(escapeStart: Int) throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current else { throw .unexpectedEnd(offset: position) }
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
      default: throw .invalidEscape(offset: escapeStart)
      }
      position += 1
    }
    return value
  }
}

// MARK: - Numbers

extension JSONParser {
  mutating func parseNumber() throws(JSONError) -> JSON {
    let start = position
    var isInteger = true
    if current == UInt8(ascii: "-") { position += 1 }
    let firstDigit = current
    let integerDigits = try parseDigits()
    if firstDigit == UInt8(ascii: "0"), integerDigits > 1 { throw .leadingZero(offset: start) }
    if current == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      _ = try parseDigits()
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      _ = try parseDigits()
    }
    guard position - start <= 1000 else { throw .numberOutOfRange(offset: start) }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    // No integer has the sign of −0, and readers of counts elsewhere refuse it.
    if isInteger, text != "-0", let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw .numberOutOfRange(offset: start) }
    return .number(value)
  }

  /// Passes at least one digit and returns how many there were.
  mutating func parseDigits() throws(JSONError) -> Int {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    guard position > start else { throw unexpected("a digit") }
    return position - start
  }
}
