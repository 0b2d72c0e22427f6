/// How a byte-level vocabulary is made of a text.
///
/// It is the one that `tokenizers` makes with `BpeTrainer` and its byte-level alphabet: special tokens first, then the 256
/// bytes in the order of their spelling, then what is merged.
public struct BytePairTraining: Sendable {
  /// All tokens, special ones and bytes among them: at least 256 more than the special ones.
  public var vocabularySize = 8192
  /// A pair that occurs less often becomes no token.
  public var minimumFrequency = 0
  public var preTokenizer = PreTokenizer.gpt2
  /// Names of tokens that no text has; the first ends a text where its name is usual for that.
  public var specialTokens: [String] = ["<|endoftext|>"]

  public init() {}

  /// What is wrong with the values, in words; nil where nothing is.
  public var problem: String? {
    let least = 256 + specialTokens.count
    if vocabularySize < least || vocabularySize > 1 << 24 {
      return "the vocabulary must have between \(least) and \(1 << 24) tokens, got \(vocabularySize)"
    }
    if minimumFrequency < 0 { return "the least frequency must be at least 0, got \(minimumFrequency)" }
    if specialTokens.contains("") { return "a special token is empty" }
    if Set(specialTokens.map { Array($0.utf8) }).count != specialTokens.count { return "a special token stands there twice" }
    guard preTokenizer != .metaspace, preTokenizer.scanner != .none else {
      return "the pre-tokenizer \(preTokenizer.name) cuts no text into words; choose another"
    }
    return nil
  }

  /// Learns the merges of counted words.
  ///
  /// - Parameter progress: Called now and then with the number of tokens so far; false interrupts.
  /// - Throws: `interrupted`.
  /// - Complexity: about the number of bytes of distinct words times the logarithm of the longest word, for all merges
  ///   together; some 30 bytes of memory for each.
  /// - Precondition: `problem` is nil.
  public func description(
    of words: WordCounts, progress: (Int) -> Bool = { _ in true }
  ) throws(TextError) -> BytePairDescription {
    if let problem { fatalError(problem) }
    var alphabet = SpelledTokens()
    for (id, name) in specialTokens.enumerated() {
      // As text it could be met only where each of its characters spells a byte.
      _ = alphabet.append(ByteLevel.bytes(name) ?? [0xFF, 0xFE] + Array(name.utf8), id: Int32(id))
    }
    for byte in ByteLevel.bytesBySpelling where alphabet.id([byte], 0..<1) == nil {
      _ = alphabet.append([byte], id: Int32(alphabet.count))
    }
    var learner = MergeLearner(alphabet, words: words)
    guard learner.learn(upTo: vocabularySize, minimumFrequency: minimumFrequency, progress: progress) else {
      throw .interrupted
    }
    var tokens = TokenTable()
    for id in 0..<learner.tokens.count {
      if id < specialTokens.count { tokens.append(specialTokens[id].utf8) } else { tokens.append(learner.tokens[id]) }
    }
    let added = specialTokens.enumerated().map { AddedToken(id: Int32($0), content: $1, isSpecial: true) }
    var description = BytePairDescription(
      tokens: tokens, merges: learner.distinctMerges, preTokenizer: preTokenizer, addedTokens: added)
    description.takeRoles(SpecialTokenNames())
    return description
  }
}
