import AutogradBase
import AutogradTestSupport
import AutogradText
import Testing

/// What must hold of any tokenizer. Whoever adds a kind adds it here, in `kinds`.
@Suite("Tokenizer") struct TokenizerTests {
  static let kinds: [TokenizerKind] = TokenizerKind.all + [.bytes]
  static let kindNames = kinds.map(\.name)

  /// A tokenizer that knows every character of the sample texts.
  private func tokenizer(_ name: String) throws -> any Tokenizer {
    let kind = try #require(Self.kinds.first { $0.name == name })
    return try kind.train(bytes(sampleTexts.joined() + "the thin thread"))
  }

  @Test("what is encoded decodes to the same bytes, by ids inside the vocabulary", arguments: kindNames)
  func roundTrip(kind: String) throws {
    let tokenizer = try tokenizer(kind)
    for text in sampleTexts + ["", "the thin thread"] {
      let tokens = try tokenizer.encode(text)
      #expect(tokenizer.decode(tokens) == bytes(text))
      #expect(tokens.flatMap { tokenizer.bytes(of: $0) } == bytes(text))
      #expect(tokens.allSatisfy { 0 <= $0 && Int($0) < tokenizer.vocabularySize })
      #expect(try tokenizer.encode(bytes(text)) == tokens)
    }
  }

  @Test("bytes that are not UTF-8 are refused, with their place, or come back", arguments: kindNames)
  func notUTF8(kind: String) throws {
    let tokenizer = try tokenizer(kind)
    for (text, place) in [(bytes("the") + [0xFF], 3), ([0x74, 0xC3], 1), ([0xE4, 0xB8, 0x41], 0)] {
      do throws(TextError) {
        let tokens = try tokenizer.encode(text)
        #expect(tokenizer.decode(tokens) == text)
      } catch {
        #expect(error == .invalidUTF8(path: nil, byteOffset: place))
      }
    }
  }

  @Test("every id has bytes, and only special tokens may have those of another", arguments: kindNames)
  func everyId(kind: String) throws {
    let tokenizer = try tokenizer(kind), special = Set(tokenizer.specialTokens.map(\.id))
    var seen: Set<[UInt8]> = []
    for id in 0..<Int32(tokenizer.vocabularySize) {
      let bytes = Array(tokenizer.bytes(of: id))
      #expect(!bytes.isEmpty)
      #expect(seen.insert(bytes).inserted || special.contains(id), "\(id)")
    }
    for token in tokenizer.specialTokens {
      #expect(0 <= token.id && Int(token.id) < tokenizer.vocabularySize && !token.name.isEmpty)
    }
  }

  @Test("its file gives it again, whatever other kinds are tried", arguments: kindNames)
  func file(kind: String) throws {
    let tokenizer = try tokenizer(kind), file = tokenizer.tokenizerJSON()
    // A file of characters is one of byte pairs: what is special is tried before what is general.
    for kinds in [Self.kinds, [.bytes] + TokenizerKind.all] {
      let read = try readTokenizer(file, kinds: kinds)
      #expect(type(of: read) == type(of: tokenizer))
      #expect(read.isSame(as: tokenizer) && read.tokenizerJSON() == file)
      #expect(read.vocabularySize == tokenizer.vocabularySize && read.specialTokens == tokenizer.specialTokens)
      for text in sampleTexts { #expect(try read.encode(text) == tokenizer.encode(text)) }
    }
  }

  @Test("where it says so, tokens do not depend on the characters around them", arguments: kindNames)
  func alone(kind: String) throws {
    let tokenizer = try tokenizer(kind)
    for text in sampleTexts + ["the thin thread"] {
      let alone = try text.unicodeScalars.flatMap { try tokenizer.encode(String($0)) }, whole = try tokenizer.encode(text)
      if tokenizer.encodesCharactersAlone { #expect(alone == whole) }
    }
  }

  @Test("any ids stream as the text that they decode to", arguments: kindNames)
  func streaming(kind: String) throws {
    let tokenizer = try tokenizer(kind)
    var random = RandomStream(seed: 8, purpose: .evaluation)
    for _ in 0..<200 {
      let ids = (0..<random.integer(below: 12)).map { _ in Int32(random.integer(below: tokenizer.vocabularySize)) }
      var decoder = StreamingDecoder(tokenizer)
      let streamed = ids.reduce("") { $0 + decoder.push($1) } + decoder.finish()
      #expect(Array(streamed.utf8) == Array(String(decoding: tokenizer.decode(ids), as: UTF8.self).utf8))
    }
  }

  @Test("a file of no known kind is refused")
  func unknownKind() {
    #expect(throws: TextError.notTokenizer(
      kind: "byte-pair vocabulary", reason: "its model type is \"TestBytes\", not BPE")
    ) { try readTokenizer(ByteTokenizer().tokenizerJSON()) }
    #expect(throws: TextError.self) { try readTokenizer(bytes("{}"), kinds: []) }
  }

  @Test("stories need a token for each of their characters")
  func stories() throws {
    let generator = CorpusGenerator(grammar: .stories, seed: 1, purpose: .dataOrder)
    #expect(throws: TextError.notPerCharacter) {
      try DocumentWindowSampler(generator: generator, tokenizer: ByteTokenizer(), blockSize: 4, batchSize: 1)
    }
  }
}
