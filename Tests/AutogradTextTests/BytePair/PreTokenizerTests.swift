import AutogradBase
import Testing

@testable import AutogradText

/// The scanners, on what their expressions treat apart. Against the peer they are held by `BytePairTokenizerTests`.
@Suite("PreTokenizer") struct PreTokenizerTests {
  private func pieces(_ kind: PreTokenizer, _ text: String) -> [String] {
    let bytes = Array(text.utf8)
    var found: [String] = []
    kind.forEachPreToken(in: bytes.span) { found.append(String(decoding: bytes[$0], as: UTF8.self)) }
    return found
  }

  @Test("white space before a word gives its last character away, line ends included")
  func spaces() {
    #expect(pieces(.gpt2, "a  b\n\nc \n") == ["a", " ", " b", "\n", "\n", "c", " \n"])
    #expect(pieces(.llama3, "a  b\n\nc \n  ") == ["a", " ", " b", "\n\n", "c", " \n", "  "])
    // tiktoken takes the end of a text whole.
    #expect(pieces(.cl100k, "c \n  ") == ["c", " \n  "])
    #expect(pieces(.cl100k, "c \n  d") == ["c", " \n", " ", " d"])
  }

  @Test("contractions, with upper case and without")
  func contractions() {
    #expect(pieces(.gpt2, "it's IT'S we'll") == ["it", "'s", " IT", "'", "S", " we", "'ll"])
    #expect(pieces(.llama3, "it's IT'S 'sup '\u{17F}") == ["it", "'s", " IT", "'S", " '", "sup", " '", "\u{17F}"])
    #expect(pieces(.o200k, "it's IT'SX") == ["it's", " IT'S", "X"])
  }

  @Test("digits: all, three, one")
  func digits() {
    #expect(pieces(.gpt2, "a 12345") == ["a", " 12345"])
    #expect(pieces(.llama3, "a 12345") == ["a", " ", "123", "45"])
    #expect(pieces(.qwen2, "a 12") == ["a", " ", "1", "2"])
    #expect(pieces(.smollm, "a  12 b") == ["a", "  ", "1", "2", " b"])
  }

  @Test("o200k cuts words where lower case is followed by upper case")
  func cases() {
    #expect(pieces(.o200k, "camelCase HTTPServer 中文ab\u{301}") == ["camel", "Case", " HTTPServer", " 中文ab\u{301}"])
    #expect(pieces(.o200k, "x.\n//y") == ["x", ".\n//", "y"])
  }

  @Test("every kind covers every text, in order", arguments: PreTokenizer.all.map(\.name))
  func coverage(name: String) throws {
    let kind = try #require(PreTokenizer.all.first { $0.name == name })
    var random = RandomStream(seed: 5, purpose: .evaluation, step: 0)
    for _ in 0..<200 {
      let bytes = (0..<Int(random.uniform() * 40)).map { _ in UInt8(random.uniform() * 256) }
      var end = 0
      kind.forEachPreToken(in: bytes.span) { range in
        #expect(range.lowerBound == end && range.upperBound > end)
        end = range.upperBound
      }
      #expect(end == bytes.count)
    }
  }
}
