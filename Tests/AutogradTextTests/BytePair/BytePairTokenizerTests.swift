import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

@testable import AutogradText

/// Byte-pair encoding, against what `tokenizers` and `tiktoken` made of the same strings.
@Suite("BytePairTokenizer") struct BytePairTokenizerTests {
  static let names = [
    "gpt2", "prefix", "smollm", "nfc", "o200k", "llama3", "added", "fallback", "metaspace", "words", "unknown",
  ]
  private static let byteLevel = ["gpt2", "smollm", "o200k", "llama3"]

  private func tokenizer(_ name: String) throws -> BytePairTokenizer {
    try BytePairTokenizer(PeerVocabulary.recorded(name).description)
  }

  @Test("ids are the peer's, special tokens as text and recognised", arguments: names)
  func ids(name: String) throws {
    let recorded = try PeerVocabulary.recorded(name), tokenizer = try BytePairTokenizer(recorded.description)
    #expect(recorded.strings.count == 50)
    // Twice: the second time the cache knows most pre-tokens.
    for _ in 0..<2 {
      for (index, string) in recorded.strings.enumerated() {
        #expect(tokenizer.encode(string) == recorded.ids[index], "string \(index)")
        #expect(tokenizer.encode(string, specialTokens: .recognised) == recorded.special[index], "string \(index)")
      }
    }
  }

  @Test("random ids decode to the peer's text", arguments: names)
  func decoding(name: String) throws {
    let recorded = try PeerVocabulary.recorded(name), tokenizer = try BytePairTokenizer(recorded.description)
    for (ids, text) in zip(recorded.drawn, recorded.texts) {
      #expect(String(decoding: tokenizer.decode(ids), as: UTF8.self) == String(decoding: text, as: UTF8.self))
    }
  }

  @Test("a byte-level vocabulary gives any bytes back", arguments: byteLevel)
  func anyBytes(name: String) throws {
    let tokenizer = try tokenizer(name)
    #expect(tokenizer.lostBytes.isEmpty)
    var random = RandomStream(seed: 7, purpose: .evaluation, step: 0)
    for length in [0, 1, 2, 3, 15, 16, 17, 255, 256, 257, 5000] {
      for _ in 0..<8 {
        let bytes = (0..<length).map { _ in UInt8(random.uniform() * 256) }
        #expect(tokenizer.decode(tokenizer.encode(bytes)) == bytes)
      }
    }
    for bytes: [UInt8] in [[0xF0, 0x9F], [0x41, 0xE4, 0xB8, 0x41], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xF5, 0x80, 0x80, 0x80]] {
      #expect(tokenizer.decode(tokenizer.encode(bytes)) == bytes)
    }
  }

  @Test("streamed text is the decoded text, and no character is split", arguments: names)
  func streaming(name: String) throws {
    let recorded = try PeerVocabulary.recorded(name), tokenizer = try BytePairTokenizer(recorded.description)
    for ids in recorded.ids {
      var decoder = StreamingDecoder(tokenizer), pieces: [String] = []
      for id in ids { pieces.append(decoder.push(id)) }
      pieces.append(decoder.finish())
      let whole = String(decoding: tokenizer.decode(ids), as: UTF8.self)
      #expect(pieces.joined().utf8.elementsEqual(whole.utf8))
      if !whole.unicodeScalars.contains("\u{FFFD}") {
        #expect(!pieces.contains { $0.unicodeScalars.contains("\u{FFFD}") })
      }
    }
  }

  @Test("text that continues another keeps its first space")
  func continuedStream() throws {
    let tokenizer = try tokenizer("words"), ids = tokenizer.encode(Array("the".utf8))
    var first = StreamingDecoder(tokenizer), second = StreamingDecoder(tokenizer, continuesText: true)
    #expect(ids.reduce("") { $0 + first.push($1) } == "the")
    #expect(ids.reduce("") { $0 + second.push($1) } == " the")
  }

  @Test("a million equal characters take no square of time", arguments: ["gpt2", "llama3", "fallback", "unknown"])
  func equalCharacters(name: String) throws {
    let tokenizer = try tokenizer(name)
    // Debug builds are slow; release builds take all of it.
    #if DEBUG
      let count = 20_000
    #else
      let count = 1_000_000
    #endif
    for character in ["a", " ", "=", "\n", "é"] {
      let text = Array(String(repeating: character, count: count).utf8), clock = ContinuousClock()
      var ids: [Int32] = []
      let time = clock.measure { ids = tokenizer.encode(text) }
      #expect(time < .seconds(20))
      // The trained vocabularies have no unknown letters among these; é may be one where there are no byte tokens.
      if character != "é" { #expect(tokenizer.decode(ids) == text) }
    }
  }

  @Test("long pre-tokens, merged by the heap, are as short ones, merged in an array")
  func heap() throws {
    // No pre-token of letters is cut, so that a vocabulary without merges across x has the same ids piece by piece.
    let tokenizer = try tokenizer("gpt2")
    let words = ["the", "thing", "tokenizer", "a", "model", "training"]
    var random = RandomStream(seed: 3, purpose: .evaluation, step: 0)
    for _ in 0..<20 {
      let long = (0..<60).map { _ in words[Int(random.uniform() * 6)] }.joined()
      let ids = tokenizer.encode(Array(long.utf8))
      #expect(tokenizer.decode(ids) == Array(long.utf8))
      #expect(ids == SlowMerges(tokenizer.description).encode(Array(long.utf8)))
    }
  }

  @Test("merges of ranks give each token's only pair")
  func ranks() throws {
    // "ab" before "bc" before "abc": abc is made of ab and c, whatever else it could be made of.
    let tokens = TokenTable(["a", "b", "c", "ab", "bc", "abc", "ca", "cabc"].map { Array($0.utf8) })
    let merges = BytePairDescription.merges(ofRanks: tokens)
    #expect(merges == [MergePair(0, 1), MergePair(1, 2), MergePair(3, 2), MergePair(2, 0), MergePair(2, 5)])
    let table = try BytePairTokenizer(
      BytePairDescription(tokens: tokens, merges: merges, preTokenizer: .cl100k, ignoresMerges: true))
    #expect(table.encode(Array("abc".utf8)) == [5])
    #expect(table.encode(Array("cabc".utf8)) == [7])
  }

  @Test("descriptions that contradict themselves are refused")
  func refusals() throws {
    let tokens = TokenTable(["a", "b"].map { Array($0.utf8) })
    func refusal(_ change: (inout BytePairDescription) -> Void) -> String? {
      var description = BytePairDescription(tokens: tokens, merges: [], preTokenizer: .gpt2)
      change(&description)
      do {
        _ = try BytePairTokenizer(description)
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(refusal { _ in } == nil)
    #expect(refusal { $0.tokens = TokenTable() }?.contains("it has no tokens") == true)
    #expect(refusal { $0.merges = [MergePair(0, 2)] }?.contains("a part of a merge has the id 2, and there are 2") == true)
    #expect(refusal { $0.merges = [MergePair(0, 1)] }?.contains("which is no token") == true)
    #expect(refusal { $0.coding = .byteLevel(unknown: -1) }?.contains("the unknown token has the id -1") == true)
    #expect(
      refusal { $0.coding = .byteFallback(byteTokens: [0], unknown: nil, fusesUnknown: false) }?.contains(
        "it has tokens for 1 bytes") == true)
    #expect(refusal { $0.end = [9] }?.contains("a token around texts has the id 9") == true)
    #expect(
      refusal { $0.addedTokens = [AddedToken(id: 1, content: "", isSpecial: true)] }?.contains("added token 1 is empty")
        == true)
  }

  @Test("copies on several threads give the same ids")
  func threads() async throws {
    let tokenizer = try tokenizer("o200k"), text = Array(String(repeating: "The quick brown fox, 跳过 läuft.\n", count: 300).utf8)
    let expected = tokenizer.encode(text)
    let all = await withTaskGroup(of: [Int32].self) { group in
      for _ in 0..<8 { group.addTask { tokenizer.encode(text) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(all.allSatisfy { $0 == expected } && all.count == 8)
  }
}

/// Byte-pair encoding as it is defined: the lowest rank, of equal ones the first, again and again.
struct SlowMerges {
  private let description: BytePairDescription
  private var ranks: [MergePair: Int] = [:]
  private var ids: [[UInt8]: Int32] = [:]

  init(_ description: BytePairDescription) {
    self.description = description
    for (rank, pair) in description.merges.enumerated() { ranks[pair] = rank }
    for id in 0..<description.tokens.count { ids[Array(description.tokens[id])] = Int32(id) }
  }

  /// The ids of one pre-token.
  func encode(_ bytes: [UInt8]) -> [Int32] {
    var tokens = bytes.map { ids[[$0]]! }
    while true {
      let pairs = zip(tokens, tokens.dropFirst()).map { ranks[MergePair($0, $1)] ?? .max }
      guard let best = pairs.min(), best < .max, let place = pairs.firstIndex(of: best) else { return tokens }
      let joined = Array(description.tokens[Int(tokens[place])]) + description.tokens[Int(tokens[place + 1])]
      tokens.replaceSubrange(place...place + 1, with: [ids[joined]!])
    }
  }
}
