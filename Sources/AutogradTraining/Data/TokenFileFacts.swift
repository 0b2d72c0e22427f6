import AutogradBase
import AutogradText

/// What a file of tokens was made of, and the hashes of its blocks: `tokens.json`.
struct TokenFileFacts: Sendable, Equatable {
  /// Of the texts, and how many bytes they have.
  let textSHA256: String
  let textByteCount: Int
  let tokenizerSHA256: String
  let vocabularySize: Int
  let endOfText: Int32?
  let format: TokenFile.Format
  /// By source.
  let tokenCounts, documentCounts: [Int]
  let blocks: [TokenFile.Block]
  /// Of what says which tokens are answers, by source; empty where everything is text.
  let answersSHA256: [String]

  var tokenCount: Int { tokenCounts.reduce(0, +) }

  private static let name = "swift-autograd tokens"
  private static let version = 1
  /// A block is at least half a megabyte of text: blocks of a terabyte fit.
  static let byteLimit = 256 << 20

  init(_ survey: TextSurvey, blocks: [TokenFile.Block]) {
    (textSHA256, textByteCount) = (survey.sha256, survey.byteCount)
    tokenizerSHA256 = Digest.of(survey.tokenizer.tokenizerJSON())
    (vocabularySize, endOfText, format) = (survey.tokenizer.vocabularySize, survey.endOfText, survey.format)
    (tokenCounts, documentCounts) = (survey.sources.map(\.tokenCount), survey.sources.map(\.documentCount))
    self.blocks = blocks
    answersSHA256 = survey.sources.contains { $0.answers != nil } ? survey.sources.map { $0.answers?.sha256 ?? "" } : []
  }

  /// Whether this tokenizer made the tokens.
  func isBy(_ tokenizer: any Tokenizer) -> Bool { Digest.of(tokenizer.tokenizerJSON()) == tokenizerSHA256 }

  var bytes: [UInt8] {
    JSON.object([
      JSON.Member("format", .string(TokenFileFacts.name)), JSON.Member("version", .count(TokenFileFacts.version)),
      JSON.Member("text_sha256", .string(textSHA256)), JSON.Member("text_bytes", .count(textByteCount)),
      JSON.Member("tokenizer_sha256", .string(tokenizerSHA256)), JSON.Member("vocab_size", .count(vocabularySize)),
      JSON.Member("end_of_text", endOfText.map { .count(Int($0)) } ?? .null),
      JSON.Member("dtype", .string(format.rawValue)), JSON.Member("tokens", .array(tokenCounts.map(JSON.count))),
      JSON.Member("documents", .array(documentCounts.map(JSON.count))),
      JSON.Member("block_tokens", .array(blocks.map { .count($0.count) })),
      JSON.Member("block_sha256", .array(blocks.map { .string(hexadecimal($0.sha256)) })),
    ] + (answersSHA256.isEmpty ? [] : [JSON.Member("answers_sha256", .array(answersSHA256.map { .string($0) }))])
    ).serialized()
  }

  /// - Throws: Where it is none of ours, or of another version.
  init(_ bytes: [UInt8]) throws {
    let json = try JSON(parsing: bytes, limits: JSON.Limits(maximumBytes: TokenFileFacts.byteLimit)), fields = Fields(json)
    guard try fields.string("format") == TokenFileFacts.name, try fields.count("version") == TokenFileFacts.version,
      let format = TokenFile.Format(rawValue: try fields.string("dtype"))
    else { throw RecordProblem(sentence: "it does not say what tokens were made of") }
    textSHA256 = try fields.string("text_sha256")
    textByteCount = try fields.count("text_bytes")
    tokenizerSHA256 = try fields.string("tokenizer_sha256")
    vocabularySize = try fields.count("vocab_size", least: 1, most: 1 << 31 - 1)
    endOfText = json["end_of_text"]?.isNull == true ? nil : Int32(try fields.count("end_of_text", most: 1 << 31 - 1))
    self.format = format
    tokenCounts = try fields.counts("tokens")
    documentCounts = try fields.counts("documents")
    let counts = try fields.counts("block_tokens"), hashes = json["block_sha256"]?.arrayValue ?? []
    let digests = hashes.compactMap { $0.stringValue.flatMap(TokenFileFacts.bytes(ofHexadecimal:)) }
    guard digests.count == counts.count, hashes.count == counts.count,
      counts.reduce(0, +) == tokenCounts.reduce(0, +)
    else { throw RecordProblem(sentence: "its blocks do not make its tokens") }
    answersSHA256 = (json["answers_sha256"]?.arrayValue ?? []).compactMap(\.stringValue)
    blocks = zip(counts, digests).map { TokenFile.Block(count: $0, sha256: $1) }
  }

  private static func bytes(ofHexadecimal text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count == 64 else { return nil }
    func value(_ digit: UInt8) -> UInt8? {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
      default: nil
      }
    }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 64, by: 2) {
      guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }
}

extension Fields {
  /// Whole numbers, none of them negative, whose sum is far below what overflows.
  fileprivate func counts(_ key: String) throws(RecordProblem) -> [Int] {
    let numbers = try numbers(key)
    let counts = numbers.compactMap { Int(exactly: $0) }
    guard counts.count == numbers.count, counts.count < 1 << 28, counts.allSatisfy({ (0...1 << 34).contains($0) }) else {
      throw RecordProblem(sentence: "\"\(key)\" must be whole numbers of at least 0")
    }
    return counts
  }
}
