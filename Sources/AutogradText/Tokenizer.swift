public import AutogradBase

/// Turns text into numbers, the ids of tokens, and back.
///
/// Text is bytes: a token may be a part of a character. What `encode` gives, `decode` turns back into the same bytes, unless
/// the vocabulary normalises texts.
public protocol Tokenizer: Sendable {
  /// How many ids there are: they run from 0 to one less. A model's vocabulary is as large, or larger.
  var vocabularySize: Int { get }

  /// The tokens with a meaning beside their text, such as the end of a text.
  var specialTokens: [SpecialToken] { get }

  /// Whether the tokens of a text are those of its characters, one after another, whatever stands around them.
  var encodesCharactersAlone: Bool { get }

  /// Turns UTF-8 text into ids.
  ///
  /// - Throws: `invalidUTF8`, and what the vocabulary lacks.
  func encode(_ bytes: [UInt8]) throws(TextError) -> [Int32]

  /// Turns UTF-8 text into ids and adds them at the end of others; tokens may have been added where it throws.
  ///
  /// - Throws: As `encode(_:)`.
  func encode(_ text: Span<UInt8>, into tokens: inout [Int32]) throws(TextError)

  /// Turns UTF-8 text into ids; the names of special tokens in it are these tokens where they are to be recognised.
  ///
  /// - Throws: As `encode(_:)`, which takes them as text.
  func encode(_ bytes: [UInt8], specialTokens: SpecialTokenTreatment) throws(TextError) -> [Int32]

  /// Where a text may be cut without changing its ids: the first such place at `start` or behind it.
  ///
  /// The answer about a place depends on no more than `cutContext` bytes before and behind it: who gives a part of a text
  /// gives these too, or gets nil.
  ///
  /// - Returns: Nil where there is none.
  func firstCut(in text: Span<UInt8>, from start: Int) -> Int?

  /// Whether `firstCut` may find places; otherwise long texts are encoded whole.
  var cutsTexts: Bool { get }

  /// Turns a part of a text into ids and adds them at the end of others. Parts between places where the text may be cut
  /// have together the ids of the whole.
  ///
  /// - Parameter isFirst: Whether the text begins with it.
  /// - Throws: As `encode(_:)`.
  func encode(part: Span<UInt8>, isFirst: Bool, into tokens: inout [Int32]) throws(TextError)

  /// What belongs before a text and behind it where a model was trained so. Nothing adds them unasked.
  var beginningTokens: [Int32] { get }
  var endTokens: [Int32] { get }

  /// The bytes of one token, which need not be whole characters.
  ///
  /// - Precondition: `token` lies in 0..<`vocabularySize`; otherwise stops and prints it.
  func bytes(of token: Int32) -> ArraySlice<UInt8>

  /// The bytes of a token that may be the first of a text: some vocabularies put a space there that texts do not have.
  func bytes(of token: Int32, isFirst: Bool) -> ArraySlice<UInt8>

  /// Turns ids into bytes, which are UTF-8 where the tokens are whole characters together.
  ///
  /// - Precondition: Every id lies in 0..<`vocabularySize`; otherwise stops and prints it.
  func decode(_ tokens: [Int32]) -> [UInt8]

  /// The vocabulary as a Hugging Face `tokenizer.json`: the same bytes for the same vocabulary.
  func tokenizerJSON() -> [UInt8]

  /// What it is beside its size, for whoever looks at it: its kind first.
  var facts: [JSON.Member] { get }
}

extension Tokenizer {
  public var specialTokens: [SpecialToken] { [] }

  public var encodesCharactersAlone: Bool { false }

  public var facts: [JSON.Member] { [JSON.Member("kind", .string("\(type(of: self))"))] }

  /// Unless a tokenizer knows better, as `encode(_:)`, by arrays of their own.
  public func encode(_ text: Span<UInt8>, into tokens: inout [Int32]) throws(TextError) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    for index in text.indices { bytes.append(text[index]) }
    tokens += try encode(bytes)
  }

  /// Between any two characters where these are encoded alone.
  public var cutsTexts: Bool { encodesCharactersAlone }

  public func firstCut(in text: Span<UInt8>, from start: Int) -> Int? {
    guard encodesCharactersAlone else { return nil }
    return (start..<max(start, text.count)).first { text[$0] & 0xC0 != 0x80 }
  }

  public func encode(part: Span<UInt8>, isFirst: Bool, into tokens: inout [Int32]) throws(TextError) {
    try encode(part, into: &tokens)
  }

  public var beginningTokens: [Int32] { [] }
  public var endTokens: [Int32] { [] }

  public func bytes(of token: Int32, isFirst: Bool) -> ArraySlice<UInt8> { bytes(of: token) }

  /// Unless a tokenizer knows better: looks for names from the left, of those at one place the longest first.
  public func encode(_ bytes: [UInt8], specialTokens treatment: SpecialTokenTreatment) throws(TextError) -> [Int32] {
    // What fills batches is text otherwise.
    let names = treatment == .asText ? [] : specialTokens.filter { $0.role != .padding && !$0.name.isEmpty }
    let sorted = names.map { (id: $0.id, bytes: Array($0.name.utf8)) }.sorted { $0.bytes.count > $1.bytes.count }
    if sorted.isEmpty { return try encode(bytes) }
    var tokens: [Int32] = [], done = 0, index = 0
    while index < bytes.count {
      guard let found = sorted.first(where: { bytes[index...].starts(with: $0.bytes) }) else {
        index += 1
        continue
      }
      if done < index { tokens += try encode(Array(bytes[done..<index])) }
      tokens.append(found.id)
      index += found.bytes.count
      done = index
    }
    if done < index { tokens += try encode(Array(bytes[done...])) }
    return tokens
  }

  /// The token that ends a text; nil where there is none.
  public var endOfText: Int32? { specialTokens.first { $0.role == .endOfText }?.id }

  /// Turns text into ids; see `encode(_:)` for bytes.
  public func encode(_ text: String) throws(TextError) -> [Int32] { try encode(Array(text.utf8)) }

  /// Turns a text that is to be continued into ids: behind those with which the vocabulary begins a text, unless they stand
  /// there already.
  ///
  /// - Throws: As `encode(_:)`.
  public func encodePrompt(_ text: String) throws(TextError) -> [Int32] {
    let tokens = try encode(text)
    return tokens.starts(with: beginningTokens) ? tokens : beginningTokens + tokens
  }

  /// One token's bytes after another's.
  ///
  /// - Complexity: O(bytes); one array.
  public func decode(_ tokens: [Int32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tokens.count)
    for (index, token) in tokens.enumerated() { bytes += self.bytes(of: token, isFirst: index == 0) }
    return bytes
  }

  /// Whether both give the same ids, which is to say the same file.
  public func isSame(as other: any Tokenizer) -> Bool { tokenizerJSON() == other.tokenizerJSON() }
}

/// How many bytes before and behind a place decide whether a text may be cut there.
package let cutContext = 8

/// What is done with the names of special tokens in a text.
public enum SpecialTokenTreatment: Sendable {
  /// They are text: what somebody else wrote has no power over a conversation.
  case asText
  /// They are these tokens, as in a template.
  case recognised
}

/// A token with a meaning beside its text.
public struct SpecialToken: Sendable, Equatable {
  /// What a token can mean.
  public enum Role: String, Sendable, CaseIterable {
    case beginningOfText, endOfText, padding
    /// Something of the text's own, such as who speaks.
    case other
  }

  public let id: Int32
  /// As `tokenizer.json` spells it: `<|endoftext|>`.
  public let name: String
  public let role: Role

  public init(id: Int32, name: String, role: Role) { (self.id, self.name, self.role) = (id, name, role) }
}
