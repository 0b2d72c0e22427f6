import AutogradBase
import Testing
import AutogradText

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Texts of one to four bytes a character.
let sampleTexts = [
  "hello, world\n", "Äpfel, Öl und größere Übungen", "天地玄黄，宇宙洪荒。", "😀 👩‍👩‍👧 🇩🇪!",
  "e\u{301} é mixed 中 ß 😀\r\n\t\u{0}", "\u{FEFF}\u{10FFFF}\u{FFFD}\u{7F}\u{80}",
]

/// A text of random characters of a vocabulary.
func randomText(_ tokenizer: CharacterTokenizer, _ random: inout RandomStream, maximumCount: Int) -> String {
  var text = ""
  for _ in 0..<random.integer(below: maximumCount + 1) {
    text.unicodeScalars.append(tokenizer.scalars[random.integer(below: tokenizer.characterCount)])
  }
  return text
}

@Suite("CharacterTokenizer")
struct CharacterTokenizerTests {
  @Test("ASCII: one id per character, ordered by code point, nothing else")
  func ascii() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("hello\n"))
    #expect(tokenizer.scalars == ["\n", "e", "h", "l", "o"])
    #expect(tokenizer.vocabularySize == 5)
    #expect(try tokenizer.encode("hole") == [2, 4, 3, 1])
    #expect(tokenizer.decode([2, 4, 3, 1]) == bytes("hole"))
    #expect(try tokenizer.encode("") == [])
  }

  @Test("characters of several bytes are followed by the pieces that build them")
  func pieces() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("aé中😀中"))
    #expect(tokenizer.characterCount == 4)
    let pieces = (4..<Int32(tokenizer.vocabularySize)).map { Array(tokenizer.bytes(of: $0)) }
    #expect(
      pieces == [
        [0x80], [0x98], [0x9F], [0xA9], [0xAD], [0xB8], [0xC3], [0xE4], [0xF0],
        [0xE4, 0xB8], [0xF0, 0x9F], [0xF0, 0x9F, 0x98],
      ])
    #expect(try tokenizer.encode("中é") == [2, 1])
  }

  @Test("decoding gives back what was encoded", arguments: sampleTexts)
  func roundTrip(text: String) throws {
    let tokenizer = try CharacterTokenizer(training: bytes(text))
    let tokens = try tokenizer.encode(text)
    #expect(tokens.count == text.unicodeScalars.count)
    #expect(tokens.allSatisfy { (0..<Int32(tokenizer.characterCount)).contains($0) })
    #expect(tokenizer.decode(tokens) == bytes(text))
  }

  @Test("canonically equal characters are different ones")
  func canonicalEquivalence() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("\u{E9}e\u{301}"))
    #expect(try tokenizer.encode("\u{E9}") == [1])
    #expect(try tokenizer.encode("e\u{301}") == [0, 2])
  }

  @Test("a vocabulary of every Unicode scalar works")
  func everything() throws {
    #if DEBUG
      let step = 17
    #else
      let step = 1
    #endif
    let scalars = stride(from: 0, through: 0x10FFFF, by: step).compactMap { Unicode.Scalar(UInt32($0)) }
    var all: [UInt8] = []
    for scalar in scalars { all += UTF8.encode(scalar)! }
    let tokenizer = try CharacterTokenizer(training: all)
    #expect(tokenizer.characterCount == scalars.count)
    #expect(try tokenizer.encode(all) == (0..<Int32(tokenizer.characterCount)).map { $0 })
  }

  @Test("text that cannot be learnt from or encoded is an error with its place")
  func errors() throws {
    #expect(throws: TextError.emptyText) { try CharacterTokenizer(training: []) }
    #expect(throws: TextError.invalidUTF8(path: nil, byteOffset: 3)) {
      try CharacterTokenizer(training: bytes("aé") + [0xFF])
    }
    let tokenizer = try CharacterTokenizer(training: bytes("aé中"))
    #expect(throws: TextError.unknownCharacter("b", scalarIndex: 2, byteOffset: 5)) {
      try tokenizer.encode("é中b")
    }
    #expect(throws: TextError.unknownCharacter("😀", scalarIndex: 0, byteOffset: 0)) {
      try tokenizer.encode("😀")
    }
    #expect(throws: TextError.invalidUTF8(path: nil, byteOffset: 2)) {
      try tokenizer.encode(bytes("é") + [0xE4, 0xB8])
    }
    let error = TextError.unknownCharacter("\u{E9}", scalarIndex: 7, byteOffset: 9)
    #expect(error.description.contains("'é' (U+00E9) at position 7 (byte 9, both counted from 0)"))
    #expect(
      TextError.unknownCharacter("\n", scalarIndex: 0, byteOffset: 0).description.contains(" U+000A at"))
  }

  @Test("an id beyond the vocabulary stops with a sentence", arguments: [-1, 2] as [Int32])
  func unknownToken(token: Int32) async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [token] in
      _ = try CharacterTokenizer(training: Array("ab".utf8)).decode([0, token])
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("token \(token) is not in the vocabulary of 2"))
  }

  @Test("a million characters take well under two seconds")
  func speed() throws {
    for text in ["a", "中"] {
      let million = bytes(String(repeating: text, count: 1_000_000))
      let duration = try ContinuousClock().measure {
        let tokenizer = try CharacterTokenizer(training: million)
        #expect(try tokenizer.encode(million).count == 1_000_000)
      }
      #if !SANITIZING
        #expect(duration < .seconds(2))
      #endif
    }
  }
}

@Suite("StreamingDecoder")
struct StreamingDecoderTests {
  @Test("gives each character when it is whole")
  func wholeCharacters() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("a中"))
    // Ids: a, 中, then the bytes 0xAD 0xB8 0xE4, then E4 B8.
    var decoder = StreamingDecoder(tokenizer)
    #expect(decoder.push(1) == "中")
    #expect(decoder.push(4) == "")
    #expect(decoder.push(3) == "")
    #expect(decoder.push(2) == "中")
    #expect(decoder.push(5) == "")
    #expect(decoder.push(0) == "\u{FFFD}a")
    #expect(decoder.push(2) == "\u{FFFD}")
    #expect(decoder.push(5) == "")
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.finish() == "")
  }

  @Test("all answers together are what the standard library makes of all bytes")
  func agreesWithStandardLibrary() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("aé中😀\u{10FFFF}"))
    var random = RandomStream(seed: 1, purpose: .evaluation)
    for _ in 0..<3000 {
      let tokens = (0..<random.integer(below: 30)).map { _ in
        Int32(random.integer(below: tokenizer.vocabularySize))
      }
      var decoder = StreamingDecoder(tokenizer)
      var text = ""
      for token in tokens { text += decoder.push(token) }
      text += decoder.finish()
      #expect(text.hasSameBytes(as: String(decoding: tokenizer.decode(tokens), as: UTF8.self)))
    }
  }
}
