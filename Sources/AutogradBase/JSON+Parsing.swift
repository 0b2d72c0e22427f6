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
    var parser = try JSONParser(bytes, limits)
    self = try parser.parseValue(depth: 0)
    try parser.finish()
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
///
/// Whoever knows what stands in a file can go over its large parts without making values of them.
package struct JSONParser {
  let bytes: [UInt8]
  let maximumDepth: Int
  /// The next byte. To read something again, set it to where that began.
  package var position = 0

  /// - Throws: Where there are more bytes, values or keys than the limits allow, and at a byte order mark.
  package init(_ bytes: [UInt8], _ limits: JSON.Limits) throws(JSONError) {
    guard bytes.count <= limits.maximumBytes else {
      throw .tooManyBytes(count: bytes.count, limit: limits.maximumBytes)
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw .byteOrderMark }
    try checkCounts(bytes.span, limits)
    self.bytes = bytes
    maximumDepth = min(limits.maximumDepth, 128)
  }

  /// - Throws: Where anything but white space follows.
  package mutating func finish() throws(JSONError) {
    skipWhiteSpace()
    if position < bytes.count { throw .trailingBytes(offset: position) }
  }

  /// The byte at the position; nil at the end.
  package var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  package mutating func skipWhiteSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  package func unexpected(_ expected: String) -> JSONError {
    guard let byte = current else { return .unexpectedEnd(offset: position) }
    return .unexpectedByte(byte, offset: position, expected: expected)
  }

  package mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
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

  /// Passes the bracket at the position, which opens an array or an object `depth` deep.
  package mutating func enter(depth: Int) throws(JSONError) {
    guard depth <= maximumDepth else { throw .tooDeep(limit: maximumDepth, offset: position) }
    position += 1
  }

  /// Passes what stands before the next element or member, or the bracket that closes; false at the end.
  package mutating func isNext(before closing: Unicode.Scalar, isFirst: Bool) throws(JSONError) -> Bool {
    skipWhiteSpace()
    let isEnd = current == UInt8(ascii: closing)
    if isFirst, !isEnd { return true }
    guard isEnd || current == UInt8(ascii: ",") else { throw unexpected("',' or '\(closing)'") }
    position += 1
    return !isEnd
  }

  mutating func parseArray(depth: Int) throws(JSONError) -> JSON {
    try enter(depth: depth)
    var values: [JSON] = []
    while try isNext(before: "]", isFirst: values.isEmpty) { values.append(try parseValue(depth: depth)) }
    return .array(values)
  }

  mutating func parseObject(depth: Int) throws(JSONError) -> JSON {
    try enter(depth: depth)
    var members: [JSON.Member] = []
    var seen = SeenKeys()
    while try isNext(before: "}", isFirst: members.isEmpty) {
      try requireQuote("a key in double quotes")
      let keyOffset = position
      let key = try parseString()
      guard seen.insert(key, after: members) else { throw .duplicateKey(key, offset: keyOffset) }
      try passColon()
      members.append(JSON.Member(key, try parseValue(depth: depth)))
    }
    return .object(members)
  }

  /// Goes on to a string, which must come next.
  package mutating func requireQuote(_ expected: String) throws(JSONError) {
    skipWhiteSpace()
    guard current == UInt8(ascii: "\"") else { throw unexpected(expected) }
  }

  /// Passes the colon behind a key.
  package mutating func passColon() throws(JSONError) {
    skipWhiteSpace()
    guard current == UInt8(ascii: ":") else { throw unexpected("':'") }
    position += 1
  }
}

/// Finds repeated keys of one object: by comparing while there are few, by hashing their bytes afterwards.
package struct SeenKeys {
  private var hashed: Set<ExactString> = []

  package init() {}

  /// Adds a key that follows those of `members`; false when it is among them.
  package mutating func insert(_ key: String, after members: [JSON.Member]) -> Bool {
    if members.count < 8 { return !members.contains { $0.key.hasSameBytes(as: key) } }
    if hashed.isEmpty { hashed = Set(members.map { ExactString($0.key) }) }
    return hashed.insert(ExactString(key)).inserted
  }
}

// MARK: - Strings

extension JSONParser {
  /// Reads a string; the position is at its opening quote, afterwards behind its closing one.
  package mutating func parseString() throws(JSONError) -> String {
    position += 1
    let run = bytes[try parseRun()]
    if passQuote() { return String(decoding: run, as: UTF8.self) }
    var text = Array(run)
    try appendRest(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// As `parseString`, and adds its UTF-8 to an array.
  package mutating func appendString(to text: inout [UInt8]) throws(JSONError) {
    position += 1
    text += bytes[try parseRun()]
    if !passQuote() { try appendRest(to: &text) }
  }

  private mutating func passQuote() -> Bool {
    guard bytes[position] == UInt8(ascii: "\"") else { return false }
    position += 1
    return true
  }

  /// Reads a string from a backslash on.
  private mutating func appendRest(to text: inout [UInt8]) throws(JSONError) {
    repeat {
      text += String(try parseEscape()).utf8
      text += bytes[try parseRun()]
    } while !passQuote()
  }

  /// Goes on to the next quote or backslash.
  private mutating func parseRun() throws(JSONError) -> Range<Int> {
    let start = position
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): return start..<position
      case 0..<0x20: throw .controlCharacter(byte, offset: position)
      case 0..<0x80: position += 1
      default:
        guard case .scalar(_, let byteCount) = UTF8Sequence.read(bytes.span, at: position) else {
          throw .invalidUTF8(offset: position)
        }
        position += byteCount
      }
    }
    throw .unexpectedEnd(offset: position)
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

  /// Reads a value of any kind; nil where it is no whole number from 0 to 10¹⁰.
  package mutating func parseCount(depth: Int) throws(JSONError) -> Int? {
    skipWhiteSpace()
    let start = position
    var value = 0
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), position - start < 10 {
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
      position += 1
    }
    let isWhole = position == start + 1 || position > start && bytes[start] != UInt8(ascii: "0")
    if isWhole, let byte = current, byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == 0x0A {
      return value
    }
    position = start
    guard case .integer(let value) = try parseValue(depth: depth), value >= 0, value <= 10_000_000_000 else { return nil }
    return Int(value)
  }

  /// Passes at least one digit and returns how many there were.
  mutating func parseDigits() throws(JSONError) -> Int {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    guard position > start else { throw unexpected("a digit") }
    return position - start
  }
}
