public import AutogradBase

/// A kind of tokenizer: how one is made from a text, and how one is read from a `tokenizer.json`.
///
/// Whoever adds a kind writes a folder of its own and one line here, in `all`. Nothing else asks which kinds there are.
public struct TokenizerKind: Sendable {
  /// What its vocabularies are, in words: `character vocabulary`.
  public let name: String
  /// Makes the vocabulary of a text.
  public let train: @Sendable ([UInt8]) throws(TextError) -> any Tokenizer
  /// Reads a vocabulary; throws `notTokenizer` where the file holds none of this kind.
  public let read: @Sendable (JSON) throws(TextError) -> any Tokenizer

  public init(
    name: String, train: @escaping @Sendable ([UInt8]) throws(TextError) -> any Tokenizer,
    read: @escaping @Sendable (JSON) throws(TextError) -> any Tokenizer
  ) {
    (self.name, self.train, self.read) = (name, train, read)
  }

  /// Every kind, in the order in which a file is tried.
  public static let all: [TokenizerKind] = [.character]

  /// What a text gets where nobody chose.
  public static let standard = TokenizerKind.character
}

/// Reads a `tokenizer.json`, whatever kind it holds.
///
/// - Throws: `tokenizerNotJSON`; what the last kind refuses where none takes it.
public func readTokenizer(
  _ bytes: [UInt8], kinds: [TokenizerKind] = TokenizerKind.all
) throws(TextError) -> any Tokenizer {
  let json = try tokenizerJSON(parsing: bytes)
  var refusal = TextError.notTokenizer(kind: "vocabulary", reason: "no kind of tokenizer is known")
  for kind in kinds {
    do throws(TextError) {
      return try kind.read(json)
    } catch {
      refusal = error
    }
  }
  throw refusal
}

/// A file with every character there is has 1.1 million keys, and 5.7 million values and keys.
private let fileLimits = JSON.Limits(maximumValues: 6_000_000, maximumKeys: 1_200_000)

func tokenizerJSON(parsing bytes: [UInt8]) throws(TextError) -> JSON {
  do {
    return try JSON(parsing: bytes, limits: fileLimits)
  } catch {
    throw .tokenizerNotJSON(error)
  }
}
