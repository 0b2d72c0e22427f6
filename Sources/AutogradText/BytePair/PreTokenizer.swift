/// How a text is cut into pre-tokens, across whose bounds nothing is merged.
///
/// The kinds that other tools write as regular expressions are hand-written scanners; files are recognised by the text of
/// their expressions (`regexes`).
public struct PreTokenizer: Sendable, Equatable {
  enum Scanner: Sendable, Equatable { case gpt2, cl100k, o200k, llama3, qwen2, smollm, none, metaspace }

  /// How `tokenizer.ggml.pre` calls it: `gpt-2`; `none` and `metaspace` are of SentencePiece's vocabularies.
  public let name: String
  let scanner: Scanner
  /// The expressions that files have for it, as they stand there.
  public let regexes: [String]
  /// Whether digits are cut off one by one before the expression is used: `Digits` in files.
  public let splitsDigits: Bool
  /// Whether a space is put before what begins without one; for `gpt2`.
  public var addsPrefixSpace = false
  /// For `metaspace`.
  public var prefix = Prefix.always
  /// Whether `metaspace` cuts before each `▁`.
  public var splits = true

  /// Where `metaspace` puts a `▁` before what begins without one.
  public enum Prefix: String, Sendable {
    /// Before the text, unless an added token begins it.
    case first
    /// Before the text, and before what follows an added token.
    case always
    case never
  }

  private init(_ name: String, _ scanner: Scanner, _ regexes: [String], splitsDigits: Bool = false) {
    (self.name, self.scanner, self.regexes, self.splitsDigits) = (name, scanner, regexes, splitsDigits)
  }

  var classes: CharacterClasses { splitsDigits ? .digits : .standard }

  private static let gpt2Regexes = [
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
    #"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
    #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#,
    #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
  ]
  private static let llama3Regex =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// `ByteLevel(use_regex: true)` in files.
  public static let gpt2 = PreTokenizer("gpt-2", .gpt2, gpt2Regexes)
  /// As tiktoken has it: unlike `llama3`, white space at the end of a text is one pre-token, line ends in it or not.
  public static let cl100k = PreTokenizer(
    "cl100k", .cl100k,
    [
      #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"#
    ])
  public static let o200k = PreTokenizer(
    "gpt-4o", .o200k,
    [
      #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
        + #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
        + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    ])
  /// Llama 3, and what conversions of cl100k's files say.
  public static let llama3 = PreTokenizer("llama-bpe", .llama3, [llama3Regex])
  /// As `llama3`, with digits one by one.
  public static let qwen2 = PreTokenizer(
    "qwen2", .qwen2,
    [
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    ])
  /// `Digits(individual_digits: true)`, then `gpt2`.
  public static let smollm = PreTokenizer("smollm", .smollm, gpt2Regexes, splitsDigits: true)
  /// The whole text is one pre-token.
  public static let none = PreTokenizer("none", .none, [])
  /// `Metaspace` in files: `▁` for every space, and in front as `prefix` says; cut before each `▁` where `splits`.
  public static let metaspace = PreTokenizer("metaspace", .metaspace, [])

  public static let all = [gpt2, cl100k, o200k, llama3, qwen2, smollm, none, metaspace]
}
