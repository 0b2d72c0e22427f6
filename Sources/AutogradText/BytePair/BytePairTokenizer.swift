import AutogradBase

/// Byte-pair encoding: a text is cut into pre-tokens, and in each of them tokens are joined, the most urgent pair first.
///
/// Ids are those of `tokenizers` and `tiktoken`, with their tables of characters (see `CharacterClasses`). Any bytes are accepted: one that is no part of valid UTF-8 is a character of its own, neither letter nor number nor space. A
/// byte-level vocabulary without normaliser gives every byte back that it has a token for (`lostBytes`). Others decode as the
/// tool does: unknown characters and what a normaliser changed are lost.
///
/// Each thread that encodes keeps a cache of pre-tokens, which grows with use to at most 25 MiB; it lives as long as the
/// tokenizer and its copies.
public struct BytePairTokenizer: Tokenizer {
  let model: BytePairModel
  private let pool = WorkspacePool()

  /// Makes the tables.
  ///
  /// - Throws: `notTokenizer` where an id is none of the vocabulary's, or a merge makes no token.
  /// - Complexity: O(bytes of tokens and merges): about 10 ms for 50,000.
  public init(_ description: BytePairDescription) throws(TextError) { model = try BytePairModel(description) }

  public var description: BytePairDescription { model.description }

  public var vocabularySize: Int { model.description.tokens.count }

  public var specialTokens: [SpecialToken] {
    model.description.addedTokens.filter { $0.isSpecial || $0.role != .other }.map {
      SpecialToken(id: $0.id, name: $0.content, role: $0.role)
    }
  }

  public var beginningTokens: [Int32] { model.description.beginning }
  public var endTokens: [Int32] { model.description.end }

  /// Bytes that texts lose: they have no token, and nothing stands for what is unknown. Empty for most vocabularies.
  public var lostBytes: [UInt8] {
    guard case .byteLevel(nil) = model.description.coding else { return [] }
    return (0...255).filter { model.byteTokens[Int($0)] < 0 }
  }

  // MARK: Encoding

  public func encode(_ bytes: [UInt8]) -> [Int32] { encode(bytes, specialTokens: .asText) }

  public func encode(_ bytes: [UInt8], specialTokens: SpecialTokenTreatment) -> [Int32] {
    var tokens: [Int32] = []
    pool.encode(bytes.span, model, isFirst: true, specialTokens, into: &tokens)
    return tokens
  }

  public func encode(_ text: Span<UInt8>, into tokens: inout [Int32]) {
    pool.encode(text, model, isFirst: true, .asText, into: &tokens)
  }

  public func encode(part: Span<UInt8>, isFirst: Bool, into tokens: inout [Int32]) {
    pool.encode(part, model, isFirst: isFirst, .asText, into: &tokens)
  }

  // MARK: Decoding

  /// The bytes of one token, `▁` as a space.
  public func bytes(of token: Int32) -> ArraySlice<UInt8> {
    guard token >= 0, Int(token) < vocabularySize else {
      fatalError("token \(token) is not in the vocabulary of \(vocabularySize); ids go from 0 to size - 1")
    }
    return (model.texts ?? model.description.tokens)[Int(token)]
  }

  public func bytes(of token: Int32, isFirst: Bool) -> ArraySlice<UInt8> {
    let bytes = bytes(of: token)
    guard isFirst else { return bytes }
    switch model.description.decoding {
    case .spaces(stripsFirstSpace: true): return bytes.first == UInt8(ascii: " ") ? bytes.dropFirst() : bytes
    case .metaspace(stripsFirstToken: true):
      // Only what stood for spaces; an added token may have its own.
      let isAdded = model.description.addedTokens.contains { $0.id == token }
      return isAdded ? bytes : bytes.filter { $0 != UInt8(ascii: " ") }[...]
    default: return bytes
    }
  }

  /// Turns ids into bytes. Byte tokens in a row that are not UTF-8 together are one U+FFFD each, as tokenizers has it;
  /// `StreamingDecoder`, which does not wait for the end of the row, keeps the characters that are.
  public func decode(_ tokens: [Int32]) -> [UInt8] {
    guard case .byteFallback = model.description.coding, model.texts != nil else {
      return tokens.enumerated().reduce(into: []) { $0 += bytes(of: $1.element, isFirst: $1.offset == 0) }
    }
    var result: [UInt8] = [], row: [UInt8] = []
    func endRow() {
      let isText = UTF8Sequence.firstInvalidOffset(in: row.span) == nil
      result += isText ? row : Array(repeatElement(Array("\u{FFFD}".utf8), count: row.count).joined())
      row = []
    }
    for (index, token) in tokens.enumerated() {
      let bytes = bytes(of: token, isFirst: index == 0)
      if model.isByteToken(token) {
        row += bytes
      } else {
        endRow()
        result += bytes
      }
    }
    endRow()
    return result
  }

  public func tokenizerJSON() -> [UInt8] { model.description.tokenizerJSON() }

  public func isSame(as other: any Tokenizer) -> Bool {
    if let other = other as? BytePairTokenizer { return other.model.description == model.description }
    return tokenizerJSON() == other.tokenizerJSON()
  }
}

extension BytePairTokenizer: Equatable {
  /// The description determines everything else.
  public static func == (left: BytePairTokenizer, right: BytePairTokenizer) -> Bool {
    left.model === right.model || left.model.description == right.model.description
  }
}
