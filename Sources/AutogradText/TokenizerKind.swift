/// A kind of tokenizer: how one is made from a text, and how one is read from a `tokenizer.json`.
///
/// Whoever adds a kind writes a folder of its own and one line here, in `all`. Nothing else asks which kinds there are.
public struct TokenizerKind: Sendable {
  /// What its vocabularies are, in words: `character vocabulary`.
  public let name: String
  /// Makes the vocabulary of a text.
  public let train: @Sendable ([UInt8]) throws(TextError) -> any Tokenizer
  /// Reads a vocabulary; throws `notTokenizer` where the file holds none of this kind.
  public let read: @Sendable (TokenizerFile) throws(TextError) -> any Tokenizer

  public init(
    name: String, train: @escaping @Sendable ([UInt8]) throws(TextError) -> any Tokenizer,
    read: @escaping @Sendable (TokenizerFile) throws(TextError) -> any Tokenizer
  ) {
    (self.name, self.train, self.read) = (name, train, read)
  }

  /// Every kind, in the order in which a file is tried: a file of characters is one of byte pairs, too.
  public static let all: [TokenizerKind] = [.character, .bytePair]

  /// What a text gets where nobody chose.
  public static let standard = TokenizerKind.character
}

/// Reads a `tokenizer.json`, whatever kind it holds.
///
/// - Parameter roles: What a file beside it says of special tokens.
/// - Throws: `tokenizerNotJSON`; what the last kind refuses where none takes it.
public func readTokenizer(
  _ bytes: [UInt8], roles: SpecialTokenNames = SpecialTokenNames(), kinds: [TokenizerKind] = TokenizerKind.all
) throws(TextError) -> any Tokenizer {
  try readTokenizer(TokenizerFile(bytes, roles: roles), kinds: kinds)
}

/// The same of a file that was taken apart.
func readTokenizer(_ file: TokenizerFile, kinds: [TokenizerKind]) throws(TextError) -> any Tokenizer {
  var refusal = TextError.notTokenizer(kind: "vocabulary", reason: "no kind of tokenizer is known")
  for kind in kinds {
    do throws(TextError) {
      return try kind.read(file)
    } catch {
      refusal = error
    }
  }
  throw refusal
}
