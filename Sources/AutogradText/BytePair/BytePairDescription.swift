/// Everything that decides which ids a text has with a byte-pair encoding: what files hold, and nothing derived.
///
/// `BytePairTokenizer` checks it and encodes by it.
public struct BytePairDescription: Sendable, Equatable {
  /// The bytes of every id. Where the vocabulary is byte-level, those are the bytes of the text; otherwise UTF-8 in which a
  /// space is `▁`, and byte tokens are spelt `<0x0A>`. An added token has the UTF-8 of its content.
  public var tokens: TokenTable
  /// Which tokens are joined, the most urgent first.
  public var merges: [MergePair]
  public var normalizer: TextNormalizer
  public var preTokenizer: PreTokenizer
  public var coding: Coding
  /// How ids become text.
  public var decoding: Decoding
  /// Whether a pre-token that is a token as a whole is taken as that, even where merges do not lead to it.
  public var ignoresMerges: Bool
  /// Tokens that are looked for in a text before anything else.
  public var addedTokens: [AddedToken]
  /// What a post-processor puts before and behind a text, where a caller asks for it.
  public var beginning: [Int32]
  public var end: [Int32]

  /// What merging begins with.
  public enum Coding: Sendable, Equatable {
    /// Each byte is a token. `unknown` stands for a byte that has none; without it such a byte is left out.
    case byteLevel(unknown: Int32?)
    /// Each character is a token, or else its bytes are: `byteTokens` has an id for each of the 256 bytes, or is empty where
    /// the vocabulary has none. `unknown` stands for what has neither, and, where `fusesUnknown`, once for all such
    /// characters in a row; without it such a character is left out.
    case byteFallback(byteTokens: [Int32], unknown: Int32?, fusesUnknown: Bool)
  }

  /// What becomes of tokens in a text again.
  public enum Decoding: Sendable, Equatable {
    /// Their bytes, one after another.
    case bytes
    /// `▁` is a space, byte tokens are bytes, and one space at the beginning of the text is left out where
    /// `stripsFirstSpace`.
    case spaces(stripsFirstSpace: Bool)
    /// `▁` is a space, but left out in the first token where `stripsFirstToken`; byte tokens are bytes.
    case metaspace(stripsFirstToken: Bool)
  }

  public init(
    tokens: TokenTable, merges: [MergePair], normalizer: TextNormalizer = .none, preTokenizer: PreTokenizer,
    coding: Coding = .byteLevel(unknown: nil), decoding: Decoding = .bytes, ignoresMerges: Bool = false,
    addedTokens: [AddedToken] = [], beginning: [Int32] = [], end: [Int32] = []
  ) {
    (self.tokens, self.merges, self.normalizer, self.preTokenizer) = (tokens, merges, normalizer, preTokenizer)
    (self.coding, self.decoding, self.ignoresMerges) = (coding, decoding, ignoresMerges)
    (self.addedTokens, self.beginning, self.end) = (addedTokens, beginning, end)
  }
}

/// Two tokens that are joined where they meet; the result is the token with the bytes of both.
public struct MergePair: Sendable, Hashable {
  public var left: Int32
  public var right: Int32

  public init(_ left: Int32, _ right: Int32) { (self.left, self.right) = (left, right) }
}

/// A token that is looked for in texts before they are cut and merged.
public struct AddedToken: Sendable, Equatable {
  public var id: Int32
  public var content: String
  /// Whether it is left alone where special tokens are asked to be taken as text; others are always looked for.
  public var isSpecial: Bool
  /// Whether white space before or behind it is taken with it.
  public var lstrip: Bool
  public var rstrip: Bool
  /// Whether it is no part of a longer word.
  public var singleWord: Bool
  /// Whether it is looked for in the normalised text, itself normalised.
  public var normalized: Bool
  public var role: SpecialToken.Role

  public init(
    id: Int32, content: String, isSpecial: Bool, lstrip: Bool = false, rstrip: Bool = false, singleWord: Bool = false,
    normalized: Bool = false, role: SpecialToken.Role = .other
  ) {
    (self.id, self.content, self.isSpecial, self.lstrip, self.rstrip) = (id, content, isSpecial, lstrip, rstrip)
    (self.singleWord, self.normalized, self.role) = (singleWord, normalized, role)
  }
}

/// What is done to a text before it is cut: steps, in order.
public struct TextNormalizer: Sendable, Equatable {
  public enum Step: Sendable, Equatable {
    /// Unicode's normalisation form C.
    case nfc
    /// Puts a string before a text, and before what follows an added token; nothing before what is empty.
    case prepend(String)
    /// Replaces every occurrence of a string, from the left.
    case replace(String, with: String)
  }

  public var steps: [Step]

  public init(_ steps: [Step]) { self.steps = steps }

  public static let none = TextNormalizer([])
  public static let nfc = TextNormalizer([.nfc])
  /// As Llama 2 and TinyLlama have it: `▁` in front and for every space.
  public static let llama = TextNormalizer([.prepend("▁"), .replace(" ", with: "▁")])
}
