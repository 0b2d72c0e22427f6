import AutogradBase
import Testing

private func read(_ bytes: [UInt8]) -> UTF8Sequence { UTF8Sequence.read(bytes.span, at: 0) }

private func firstInvalidOffset(_ bytes: [UInt8]) -> Int? { UTF8Sequence.firstInvalidOffset(in: bytes.span) }

@Suite("UTF8Sequence")
struct UTF8SequenceTests {
  @Test("every Unicode scalar is read as itself")
  func everyScalar() {
    for value in 0..<0x110000 as Range<UInt32> {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(UTF8.encode(scalar)!)
      let read = read(bytes)
      if read != .scalar(scalar, byteCount: bytes.count) {
        Issue.record("U+\(String(value, radix: 16)): \(read)")
      }
    }
  }

  @Test("validity and repair agree with the standard library on all short byte strings")
  func agreesWithStandardLibrary() {
    let samples: [UInt8] = [
      0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4,
      0xF5,
    ]
    let count = samples.count
    for index in 0..<count * count * count * count {
      let bytes = [1, count, count * count, count * count * count].map { samples[index / $0 % count] }
      let library = String(decoding: bytes, as: UTF8.self)
      let isValid = String(validating: bytes, as: UTF8.self) != nil
      var repaired = ""
      var offset = 0
      while offset < bytes.count {
        switch UTF8Sequence.read(bytes.span, at: offset) {
        case .scalar(let scalar, let byteCount):
          repaired.unicodeScalars.append(scalar)
          offset += byteCount
        case .malformed(let byteCount), .truncated(let byteCount):
          repaired.unicodeScalars.append("\u{FFFD}")
          offset += byteCount
        }
      }
      if !repaired.hasSameBytes(as: library) { Issue.record("\(bytes): \(repaired) instead of \(library)") }
      if (firstInvalidOffset(bytes) == nil) != isValid { Issue.record("\(bytes)") }
    }
  }

  @Test("a truncated character is told from a malformed one")
  func truncated() {
    let emoji = Array("😀".utf8)
    for count in 1...3 {
      #expect(read(Array(emoji.prefix(count))) == .truncated(byteCount: count))
    }
    #expect(read([0xF0, 0x41]) == .malformed(byteCount: 1))
    #expect(firstInvalidOffset(Array("aé".utf8) + emoji.prefix(2)) == 3)
  }

  @Test("names are shown without control characters and cut")
  func quoting() {
    #expect("a\u{1B}[31m\n".quotedForMessage == "\"a\\u{1B}[31m\\u{A}\"")
    #expect("größe 中".quotedForMessage == "\"größe 中\"")
    #expect("\u{202E}x".quotedForMessage == "\"\\u{202E}x\"")
    #expect(String(repeating: "x", count: 60).quotedForMessage.count == 62)
    #expect(
      String(repeating: "x", count: 1000).quotedForMessage == "\"" + String(repeating: "x", count: 60) + "…\""
    )
  }

  @Test("a text for a terminal keeps lines, tabs and joined characters, and commands nothing")
  func terminal() {
    let harmless = "größe\t中\n\u{1F468}\u{200D}\u{1F4BB} \u{E000}"
    #expect(harmless.escapedForTerminal == harmless)
    #expect("\u{1B}[2J\r\u{7}\u{9B}\u{7F}".escapedForTerminal == "\\u{1B}[2J\\u{D}\\u{7}\\u{9B}\\u{7F}")
    #expect("\u{202E}a\u{2066}".escapedForTerminal == "\\u{202E}a\\u{2066}")
  }
}
