import AutogradBase
import AutogradFormats
import AutogradTestSupport
import Testing

@testable import AutogradText

/// Texts that every pre-tokenizer cuts differently.
private let nastyTexts = [
  "", " ", "  two  spaces ", "a\n\nb\n  c\t\n", "it's IT'S we'll 'tis", "1234567 12,345.67 ٣٤٥", "e\u{301} \u{E9} \u{212B}",
  "日本語のテキスト、です。", "👩‍👩‍👧 🇩🇪!", "\u{0}\u{1}\r\n\r\n \u{A0}x", "<|endoftext|> <s>x</s> word words <tool>",
  "the thin thread — “quoted”", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "MixedCaseHTTPServer2024v1.0",
]

@Suite("Byte-pair files") struct BytePairFileTests {
  static let formNames = ["gpt2", "smollm", "qwen2", "llama3", "llama2", "metaspace"]

  private func madeByPeer(_ form: String) throws -> [UInt8] {
    let texts = JSON.array((sampleTexts + nastyTexts).map { .string($0) })
    return bytes(
      try #require(TokenizersPeer.ask(["make", form], .object([JSON.Member("texts", texts)])).stringValue))
  }

  @Test(
    "each form is read, gives the ids that tokenizers gives, and is written back without loss",
    .enabled(if: TokenizersPeer.python != nil, TokenizersPeer.comment), arguments: formNames)
  func form(_ form: String) throws {
    let file = try madeByPeer(form), texts = sampleTexts + nastyTexts.dropFirst()
    let description = try BytePairDescription(TokenizerFile(file)), tokenizer = try readTokenizer(file)
    let written = tokenizer.tokenizerJSON()
    #expect(try BytePairDescription(TokenizerFile(written)) == description)
    #expect(try readTokenizer(written).tokenizerJSON() == written)
    let theirs = try TokenizersPeer.ids(file, texts)
    #expect(try TokenizersPeer.ids(written, texts).ids == theirs.ids)
    for (index, text) in texts.enumerated() {
      let own = try tokenizer.encode(text)
      #expect(own.map { Int($0) } == theirs.ids[index], "\(text)")
      #expect(String(decoding: tokenizer.decode(own), as: UTF8.self).hasSameBytes(as: theirs.texts[index]), "\(text)")
    }
  }

  /// A vocabulary of all bytes and some merges, added tokens, and a gap.
  static func sample(_ preTokenizer: PreTokenizer = .gpt2) throws -> BytePairDescription {
    var training = BytePairTraining(), words = WordCounts()
    training.vocabularySize = 300
    training.preTokenizer = preTokenizer
    for text in sampleTexts + nastyTexts { try PreTokenizer.gpt2.count(bytes(text).span, in: &words) }
    var description = try training.description(of: words)
    let first = Int32(description.tokens.count)
    description.tokens.append(EmptyCollection())
    description.tokens.append("<|im_start|>".utf8)
    description.tokens.append("two words".utf8)
    description.addedTokens += [
      AddedToken(id: first + 1, content: "<|im_start|>", isSpecial: true, role: .beginningOfText),
      AddedToken(id: first + 2, content: "two words", isSpecial: false, lstrip: true, rstrip: true, singleWord: true),
    ]
    return description
  }

  @Test("every pre-tokenizer of bytes is written and read back", arguments: PreTokenizer.all.filter { $0 != .metaspace })
  func preTokenizers(_ kind: PreTokenizer) throws {
    var description = try Self.sample()
    description.preTokenizer = kind
    description.ignoresMerges = true
    description.normalizer = .nfc
    (description.beginning, description.end) = ([description.addedTokens[1].id], [0])
    let file = try TokenizerFile(description.tokenizerJSON())
    let roles = SpecialTokenNames([.beginningOfText: "<|im_start|>"])
    #expect(try BytePairDescription(TokenizerFile(description.tokenizerJSON(), roles: roles)) == description)
    #expect(file.rest["model"]?["vocab"] == .null)
  }

  @Test("GPT-2's two files give what tokenizer.json gives")
  func vocabularyAndMerges() throws {
    var description = try Self.sample()
    description.addedTokens.removeLast(2)
    let names = description.spellings()
    let vocabulary = JSON.object(
      (0..<300).map { JSON.Member(names[$0], .integer(Int64($0))) }
    ).serialized()
    let merges = "#version: 0.2\n" + description.merges.map { "\(names[Int($0.left)]) \(names[Int($0.right)])\n" }.joined()
    let file = try TokenizerFile(vocabulary: vocabulary, merges: bytes(merges))
    let found = try BytePairDescription(file)
    #expect(found.merges == description.merges && found.addedTokens[0].role == .endOfText)
    #expect(found.preTokenizer == .gpt2 && found.tokens.count == 300)
    try temporaryDirectory { folder in
      let files = POSIXFileSystem()
      try files.writeAtomically(vocabulary, to: folder + "/vocab.json")
      try files.writeAtomically(bytes(merges), to: folder + "/merges.txt")
      for path in [folder, folder + "/vocab.json", folder + "/merges.txt"] {
        #expect(try TokenizerFormat.tokenizer(at: path).tokenizerJSON() == found.tokenizerJSON())
      }
    }
  }

  @Test("a GGUF's metadata give the vocabulary back")
  func gguf() throws {
    var description = try Self.sample()
    // A GGUF has no other flags than whether a token is special.
    for index in description.addedTokens.indices {
      let old = description.addedTokens[index]
      description.addedTokens[index] = AddedToken(id: old.id, content: old.content, isSpecial: old.isSpecial, role: old.role)
    }
    let kinds: [(PreTokenizer, Bool)] = [
      (.gpt2, false), (.smollm, false), (.qwen2, false), (.llama3, true), (.llama3, false), (.o200k, false),
    ]
    for (kind, ignores) in kinds {
      (description.preTokenizer, description.ignoresMerges) = (kind, ignores)
      let metadata = try description.ggufMetadata
      #expect(metadata["tokenizer.ggml.tokens"]?.stringsValue?.count == description.tokens.count)
      #expect(try BytePairDescription(gguf: metadata) == description)
    }
    description.preTokenizer = .cl100k
    #expect(throws: TextError.self) { try description.ggufMetadata }
  }

  @Test("tiktoken's ranks: the merges follow from them")
  func tiktoken() throws {
    let description = try Self.sample()
    // Its bytes and merged tokens, without the special token that stands first.
    let ranks = (1..<300).map { "\(base64(Array(description.tokens[$0]))) \($0 - 1)\n" }.joined()
    let found = try Tiktoken.description(bytes(ranks), name: "mine.cl100k.tiktoken")
    #expect(found.preTokenizer == .cl100k && found.tokens.count == 300 && found.addedTokens[0].role == .endOfText)
    for id in 0..<299 { #expect(Array(found.tokens[id]) == Array(description.tokens[id + 1])) }
    #expect(throws: TextError.self) { try Tiktoken.description(bytes(ranks)) }
    #expect(throws: TextError.self) { try Tiktoken.description(bytes("YQ== 0\nYQ== x\n"), name: "gpt2.tiktoken") }
  }

  private func base64(_ bytes: [UInt8]) -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(bytes.count, start + 3)]
      let word = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
      for place in 0..<4 { text.append(place <= part.count ? letters[word >> (18 - 6 * place) & 63] : "=") }
    }
    return text
  }

  @Test("special tokens mean what the file beside says, or what is usual")
  func roles() throws {
    let file = try Self.sample().tokenizerJSON()
    #expect(try readTokenizer(file).endOfText == 0)
    let json = try JSON(parsing: bytes(#"{"eos_token": {"content": "<|im_start|>"}, "pad_token": "<|endoftext|>"}"#))
    let tokenizer = try readTokenizer(file, roles: SpecialTokenNames(json: json))
    #expect(tokenizer.endOfText == 301)
    #expect(tokenizer.specialTokens.first { $0.role == .padding }?.id == 0)
  }

  @Test("AutoTokenizer opens a folder that was written", .enabled(if: TokenizersPeer.python != nil, TokenizersPeer.comment))
  func folder() throws {
    let tokenizer = try BytePairTokenizer(Self.sample())
    try temporaryDirectory { folder in
      try TokenizerFolder.write(tokenizer, to: folder + "/new")
      let answer = try TokenizersPeer.ask(["folder", folder + "/new"], .array(nastyTexts.dropLast(4).map { .string($0) }))
      #expect(answer["roles"]?["eos"]?.intValue == 0 && answer["roles"]?["bos"]?.intValue == 301)
      let ids = try #require(answer["ids"]?.arrayValue)
      for (text, theirs) in zip(nastyTexts, ids) {
        #expect(try tokenizer.encode(text).map { .integer(Int64($0)) } == theirs.arrayValue, "\(text)")
      }
      let again = try TokenizerFormat.tokenizer(at: folder + "/new")
      #expect(again.isSame(as: tokenizer) && again.specialTokens == tokenizer.specialTokens)
    }
  }

  @Test("SmolLM2's GGUF and what transformers makes of it are one vocabulary", .enabled(if: TokenizersPeer.python != nil, TokenizersPeer.comment))
  func smollm2() throws {
    let answer = try TokenizersPeer.ask(["smollm2"], .null)
    guard let path = answer["gguf"]?.stringValue, let json = answer["json"]?.stringValue else { return }
    let own = try #require(TokenizerFormat.tokenizer(at: path) as? BytePairTokenizer)
    let theirs = try BytePairDescription(TokenizerFile(bytes(json)))
    #expect(own.description.tokens == theirs.tokens && own.description.merges == theirs.merges)
    #expect(own.description.preTokenizer == .smollm && own.endOfText == 2 && own.vocabularySize == 49152)
    #expect(own.specialTokens.first { $0.role == .beginningOfText }?.id == 1)
    // Its file says digits apart, which transformers' conversion leaves out.
    let texts = nastyTexts.filter { !$0.unicodeScalars.contains { $0.properties.numericType != nil } }
    let ids = try TokenizersPeer.ids(bytes(json), texts).ids
    for (text, expected) in zip(texts, ids) { #expect(try own.encode(text).map { Int($0) } == expected, "\(text)") }
    let again = try BytePairDescription(gguf: own.description.ggufMetadata)
    #expect(again == own.description)
  }
}
