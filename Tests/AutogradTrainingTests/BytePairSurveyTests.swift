import AutogradBase
import AutogradKernels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradTraining

/// Long texts in byte pairs: cut among threads, with the ids of the whole.
@Suite("TextSurvey of byte pairs") struct BytePairSurveyTests {
  private static let pools = [1, 2, 5].map { ThreadPool(threads: $0) }
  private let text = Array(
    String(repeating: "The quick  brown fox, häufig schnell, 跳过懒狗 😀.\nIt's 1234\n\n\t¿No?\nΑ β\r\nend", count: 60).utf8)

  private func survey(_ tokenizer: any Tokenizer, pool: Int, length: Int, _ bytes: [UInt8]) throws -> TextSurvey {
    try TextSurvey(
      [[TextInput(FileInMemory(path: "t", bytes: bytes), path: "t", kind: .plain)]], endsDocuments: false,
      tokenizer: tokenizer, pool: Self.pools[pool], pieceLength: length)
  }

  @Test("a text's ids do not depend on threads and pieces", arguments: ["smollm", "nfc", "o200k", "words", "added"], [7, 64, 1000])
  func survey(name: String, length: Int) throws {
    let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded(name).description), expected = tokenizer.encode(text)
    for pool in 0..<3 {
      let found = try survey(tokenizer, pool: pool, length: length, text)
      #expect(found.tokenCount == expected.count && found.sha256 == DataIdentity(path: nil, bytes: text).sha256)
      let tokens = try found.tokensInMemory()
      #expect(try tokens.tokens(0..<tokens.count) == expected)
    }
  }

  @Test("bytes that are no UTF-8 are text for a byte-level vocabulary")
  func anyBytes() throws {
    let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded("gpt2").description)
    let bytes: [UInt8] = Array("x\nA".utf8) + [0xFF, 0xFE, 10, 66, 0xE4, 10, 67]
    let tokens = try survey(tokenizer, pool: 1, length: 3, bytes).tokensInMemory()
    #expect(tokenizer.decode(try tokens.tokens(0..<tokens.count)) == bytes)
  }

  @Test("one text in memory by all threads", arguments: ["smollm", "words", "added"])
  func pool(name: String) throws {
    let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded(name).description)
    let long = Array((0..<40).map { _ in text }.joined())
    for pool in Self.pools { #expect(try tokenizer.encode(long, pool: pool) == tokenizer.encode(long)) }
    #expect(try tokenizer.encode([], pool: Self.pools[1]) == [])
  }
}
