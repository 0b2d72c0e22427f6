public import AutogradBase

/// Turns text into numbers, the ids of tokens, and back.
///
/// Text is bytes: a token may be a part of a character. What `encode` gives, `decode` turns back into the same bytes.
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

  /// The bytes of one token, which need not be whole characters.
  ///
  /// - Precondition: `token` lies in 0..<`vocabularySize`; otherwise stops and prints it.
  func bytes(of token: Int32) -> ArraySlice<UInt8>

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

  /// The token that ends a text; nil where there is none.
  public var endOfText: Int32? { specialTokens.first { $0.role == .endOfText }?.id }

  /// Turns text into ids; see `encode(_:)` for bytes.
  public func encode(_ text: String) throws(TextError) -> [Int32] { try encode(Array(text.utf8)) }

  /// Turns ids into bytes, which are UTF-8 where the tokens are whole characters together.
  ///
  /// - Precondition: Every id lies in 0..<`vocabularySize`; otherwise stops and prints it.
  /// - Complexity: O(bytes); one array.
  public func decode(_ tokens: [Int32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tokens.count)
    for token in tokens { bytes += self.bytes(of: token) }
    return bytes
  }

  /// Whether both give the same ids, which is to say the same file.
  public func isSame(as other: any Tokenizer) -> Bool { tokenizerJSON() == other.tokenizerJSON() }
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
