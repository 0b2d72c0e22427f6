import AutogradBase
import Testing

private func parse(_ text: String) throws(JSONError) -> JSON { try JSON(parsing: Array(text.utf8)) }

@Suite("JSON parsing")
struct JSONParsingTests {
  @Test("every kind of value")
  func values() throws {
    #expect(try parse(" null\n") == .null)
    #expect(try parse("true") == .bool(true))
    #expect(try parse("\t[false]\r") == .array([.bool(false)]))
    #expect(try parse("[]") == .array([]))
    #expect(try parse("{ }") == .object([]))
    let nested = try parse(#"{"b":{"x":[1,2.5,"s"]},"a":null}"#)
    #expect(nested["b"]?["x"]?.arrayValue?.count == 3)
    #expect(nested.objectValue?.map(\.key) == ["b", "a"], "order is kept")
  }

  @Test(
    "integers stay integers as far as 64 bits go",
    arguments: [
      ("0", JSON.integer(0)), ("-0", .number(0)), ("7", .integer(7)),
      ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
      ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("1.0", .number(1)), ("1e2", .number(100)),
      ("-0.0", .number(0)), ("1E-2", .number(0.01)), ("0.1", .number(0.1)), ("1e-999", .number(0)),
      ("2.2250738585072014e-308", .number(.leastNormalMagnitude)),
      ("5e-324", .number(.leastNonzeroMagnitude)),
      ("1.7976931348623157e308", .number(.greatestFiniteMagnitude)),
    ])
  func numbers(text: String, value: JSON) throws {
    #expect(try parse(text) == value)
  }

  @Test("escapes and characters")
  func strings() throws {
    #expect(try parse(#""\"\\\/\b\f\n\r\t""#).stringValue == "\"\\/\u{8}\u{c}\n\r\t")
    #expect(try parse(#""a\u00e9b\u4E2d""#) == .string("a\u{E9}b中"))
    #expect(try parse(#""\ud83d\uDE00x""#) == .string("😀x"))
    #expect(try parse(#""\u0000""#) == .string("\0"))
    #expect(try parse("\"grün 中文 😀 \u{10FFFF} \u{7F}\"") == .string("grün 中文 😀 \u{10FFFF} \u{7F}"))
  }

  @Test(
    "every kind of mistake has its own error and offset",
    arguments: [
      ("", JSONError.unexpectedEnd(offset: 0)), ("  ", .unexpectedEnd(offset: 2)),
      ("\u{FEFF}1", .byteOrderMark), ("1 2", .trailingBytes(offset: 2)), ("{}x", .trailingBytes(offset: 2)),
      ("[1", .unexpectedEnd(offset: 2)), ("[1,", .unexpectedEnd(offset: 3)),
      ("{\"a\"", .unexpectedEnd(offset: 4)), ("\"abc", .unexpectedEnd(offset: 4)),
      ("\"\\", .unexpectedEnd(offset: 2)), ("\"\\u12", .unexpectedEnd(offset: 5)),
      ("tru", .unexpectedEnd(offset: 3)),
      ("-", .unexpectedEnd(offset: 1)), ("1.", .unexpectedEnd(offset: 2)), ("1e+", .unexpectedEnd(offset: 3)),
      ("[1,]", .unexpectedByte(0x5D, offset: 3, expected: "a value")),
      ("[1 2]", .unexpectedByte(0x32, offset: 3, expected: "',' or ']'")),
      ("{\"a\":1,}", .unexpectedByte(0x7D, offset: 7, expected: "a key in double quotes")),
      ("{a:1}", .unexpectedByte(0x61, offset: 1, expected: "a key in double quotes")),
      ("{\"a\" 1}", .unexpectedByte(0x31, offset: 5, expected: "':'")),
      ("{\"a\":1]", .unexpectedByte(0x5D, offset: 6, expected: "',' or '}'")),
      ("trux", .unexpectedByte(0x78, offset: 3, expected: "the word true")),
      ("NaN", .unexpectedByte(0x4E, offset: 0, expected: "a value")),
      ("+1", .unexpectedByte(0x2B, offset: 0, expected: "a value")),
      (".5", .unexpectedByte(0x2E, offset: 0, expected: "a value")),
      ("-x", .unexpectedByte(0x78, offset: 1, expected: "a digit")),
      ("'a'", .unexpectedByte(0x27, offset: 0, expected: "a value")),
      ("/**/1", .unexpectedByte(0x2F, offset: 0, expected: "a value")),
      ("\u{A0}1", .unexpectedByte(0xC2, offset: 0, expected: "a value")),
      ("01", .leadingZero(offset: 0)), ("[-007]", .leadingZero(offset: 1)), ("00.5", .leadingZero(offset: 0)),
      ("1e999", .numberOutOfRange(offset: 0)), ("[-1e400]", .numberOutOfRange(offset: 1)),
      ("\"a\nb\"", .controlCharacter(0x0A, offset: 2)), ("\"\0\"", .controlCharacter(0, offset: 1)),
      (#""\x41""#, .invalidEscape(offset: 1)), (#""\u12g4""#, .invalidEscape(offset: 1)),
      (#""\u+123""#, .invalidEscape(offset: 1)),
      (#""a\ud800""#, .loneSurrogate(offset: 2)), (#""\udc00""#, .loneSurrogate(offset: 1)),
      (#""\ud800\ud800""#, .loneSurrogate(offset: 1)), (#""\ud800A""#, .loneSurrogate(offset: 1)),
      (#""\ud800\u0041""#, .loneSurrogate(offset: 1)), (#""\ud800\n""#, .loneSurrogate(offset: 1)),
      (#"{"a":1,"b":2,"a":3}"#, .duplicateKey("a", offset: 13)),
      (#"{"a":1,"\u0061":3}"#, .duplicateKey("a", offset: 7)),
      (#"[{"x":{"":1,"":2}}]"#, .duplicateKey("", offset: 12)),
    ])
  func mistakes(text: String, error: JSONError) {
    #expect(throws: error) { try parse(text) }
    #expect(error.description.contains("JSON"))
  }

  @Test(
    "bytes that are not UTF-8 inside a string",
    arguments: [
      [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80],
      [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x9F, 0x98], [0xFF],
    ] as [[UInt8]])
  func invalidUTF8(bytes: [UInt8]) {
    let text = Array("[\"ab".utf8) + bytes + Array("\"]".utf8)
    #expect(throws: JSONError.invalidUTF8(offset: 4)) { try JSON(parsing: text) }
  }

  @Test("keys that are only canonically equal are two keys")
  func canonicalEquivalence() throws {
    let json = try parse("{\"\u{E9}\":1,\"e\u{301}\":2}")
    #expect(json["\u{E9}"] == .integer(1))
    #expect(json["e\u{301}"] == .integer(2))
    #expect("\u{E9}" == "e\u{301}", "String calls them equal")
    #expect(JSON.string("\u{E9}") != JSON.string("e\u{301}"))
    #expect(ExactString("\u{E9}") != ExactString("e\u{301}"))
    #expect(Set([ExactString("\u{E9}"), ExactString("e\u{301}"), ExactString("\u{E9}")]).count == 2)
  }

  @Test("limits: depth, values, bytes, digits")
  func limits() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(throws: Never.self) { try parse(nested(64)) }
    #expect(throws: JSONError.tooDeep(limit: 64, offset: 64)) { try parse(nested(65)) }
    #expect(throws: JSONError.tooDeep(limit: 64, offset: 64)) {
      try parse(String(repeating: "[", count: 1_000_000))
    }
    let wide = JSON.Limits(maximumDepth: .max)
    #expect(throws: JSONError.tooDeep(limit: 128, offset: 128)) {
      try JSON(parsing: Array(nested(100_000).utf8), limits: wide)
    }
    let few = JSON.Limits(maximumValues: 3)
    #expect(throws: Never.self) { try JSON(parsing: Array("[1,2]".utf8), limits: few) }
    #expect(throws: JSONError.tooManyValues(limit: 3, offset: 5)) {
      try JSON(parsing: Array("[1,2,3]".utf8), limits: few)
    }
    let three = JSON.Limits(maximumValues: 3, maximumKeys: 1)
    for text in ["[1,2]", "[[],{}]", "[ [ ] , \"[,:,{\\\"\" ]", "{\"a\":1}"] {
      #expect(throws: Never.self, "\(text)") { try JSON(parsing: Array(text.utf8), limits: three) }
    }
    for (text, offset) in [("[[1],2]", 5), ("[1,[ 2", 5), ("{\"a\":[1]}", 6), ("[1,2,x", 5)] {
      #expect(throws: JSONError.tooManyValues(limit: 3, offset: offset), "\(text)") {
        try JSON(parsing: Array(text.utf8), limits: three)
      }
    }
    #expect(throws: JSONError.tooManyKeys(limit: 1, offset: 11)) {
      try JSON(parsing: Array("{\"a\":0,\"b:\":0}".utf8), limits: JSON.Limits(maximumKeys: 1))
    }
    #expect(throws: JSONError.tooManyBytes(count: 5, limit: 4)) {
      try JSON(parsing: Array("[1,2]".utf8), limits: JSON.Limits(maximumBytes: 4))
    }
    #expect(throws: JSONError.numberOutOfRange(offset: 0)) {
      try parse("0." + String(repeating: "1", count: 1000))
    }
  }

  @Test("a duplicate is found wherever its two places are")
  func duplicatePlaces() {
    for count in 2...20 {
      for first in 0..<count - 1 {
        let keys = (0..<count - 1).map { "\"k\($0)\":0" } + ["\"k\(first)\":0"]
        let text = "{" + keys.joined(separator: ",") + "}"
        let offset = text.utf8.count - keys[count - 1].utf8.count - 1
        #expect(throws: JSONError.duplicateKey("k\(first)", offset: offset)) { try parse(text) }
      }
    }
  }

  @Test("many keys and duplicates among them are found in linear time", .timeLimit(.minutes(1)))
  func manyKeys() throws {
    #if DEBUG
      let count = 100_000
    #else
      let count = 1_000_000
    #endif
    var text = (0..<count).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    #expect(try parse("{\(text)}").objectValue?.count == count)
    let offset = text.utf8.count + 2
    text += ",\"k\(count / 2)\":0"
    #expect(throws: JSONError.duplicateKey("k\(count / 2)", offset: offset)) { try parse("{\(text)}") }
  }

  @Test("no bytes stop the process, and what parses reads back from its own text")
  func hostile() throws {
    let seeds = [
      #"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n"],"b":{"c":null,"d":[true,false]},"e":""}"#,
      #"[0.1,1e-7,123456789012345678901234567890,"\\\"",{"é":"中"}]"#,
    ].map { Array($0.utf8) }
    let spice = Array("{}[]\",:\\u0e.-+tfn \n".utf8) + [0, 0x80, 0xC3, 0xED, 0xF0, 0xFF]
    var random = RandomStream(seed: 42, purpose: .evaluation)
    var accepted = 0
    for round in 0..<20_000 {
      var bytes = seeds[round % 2]
      for _ in 0...random.integer(below: 3) {
        guard !bytes.isEmpty else { break }
        let place = random.integer(below: bytes.count)
        switch random.integer(below: 4) {
        case 0: bytes[place] = spice[random.integer(below: spice.count)]
        case 1: bytes.insert(spice[random.integer(below: spice.count)], at: place)
        case 2: bytes.remove(at: place)
        default: bytes.removeSubrange(place...)
        }
      }
      guard let json = try? JSON(parsing: bytes) else { continue }
      accepted += 1
      #expect(try JSON(parsing: json.serialized()) == json)
      #expect(try JSON(parsing: json.serialized(pretty: true)) == json)
    }
    #expect(accepted > 500, "the mutations must not all be refused")
  }
}

@Suite("JSON accessors")
struct JSONAccessorTests {
  @Test("integers only when exact")
  func exactIntegers() {
    #expect(JSON.integer(3).intValue == 3)
    #expect(JSON.number(3).intValue == 3)
    #expect(JSON.number(3.5).intValue == nil)
    #expect(JSON.number(1e300).intValue == nil)
    #expect(JSON.number(9_223_372_036_854_775_808).intValue == nil)
    #expect(JSON.string("3").intValue == nil)
    #expect(JSON.bool(true).intValue == nil)
  }

  @Test("each accessor answers for its own kind")
  func kinds() {
    #expect(JSON.integer(3).doubleValue == 3)
    #expect(JSON.number(0.5).doubleValue == 0.5)
    #expect(JSON.bool(true).boolValue == true)
    #expect(JSON.integer(1).boolValue == nil)
    #expect(JSON.string("s").stringValue == "s")
    #expect(JSON.null.isNull && !JSON.bool(false).isNull)
    #expect(JSON.null["x"] == nil && JSON.object([])["x"] == nil)
    #expect(JSON.null.arrayValue == nil && JSON.null.objectValue == nil)
    #expect(JSON.integer(1) != JSON.number(1))
  }
}

@Suite("JSON writing")
struct JSONWritingTests {
  private func text(_ json: JSON, pretty: Bool = false) -> String {
    String(decoding: json.serialized(pretty: pretty), as: UTF8.self)
  }

  @Test("compact and pretty layout")
  func layout() {
    let json = JSON.object([
      .init("b", .array([.integer(1), .number(2)])), .init("a", .object([])), .init("c", .array([])),
      .init("d", .object([.init("x", .null)])),
    ])
    #expect(text(json) == #"{"b":[1,2.0],"a":{},"c":[],"d":{"x":null}}"#)
    let lines = [
      "{", "  \"b\": [", "    1,", "    2.0", "  ],", "  \"a\": {},", "  \"c\": [],", "  \"d\": {",
      "    \"x\": null", "  }", "}", "",
    ]
    #expect(text(json, pretty: true) == lines.joined(separator: "\n"))
  }

  @Test("strings are escaped where they must be, and only there")
  func escapes() {
    let all = "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}é😀"
    #expect(text(.string(all)) == "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}é😀\"")
  }

  @Test("numbers that JSON does not have become null")
  func nonFinite() {
    #expect(text(.array([.number(.nan), .number(.infinity), .number(-.infinity)])) == "[null,null,null]")
  }

  @Test("doubles read back bit for bit")
  func doubles() throws {
    var random = RandomStream(seed: 9, purpose: .evaluation)
    var values = [
      0.1, 1 / 3, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1e22, 1e21, 1e16, 123456789.0, -0.0,
    ]
    values += (0..<20_000).map { _ in Double(bitPattern: random.next()) }
    for value in values where value.isFinite {
      let read = try JSON(parsing: JSON.number(value).serialized())
      guard case .number(let number) = read else {
        Issue.record("\(value) became \(read)")
        continue
      }
      #expect(number.bitPattern == value.bitPattern)
    }
  }
}
