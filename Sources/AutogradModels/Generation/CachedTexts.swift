/// A decoder's sequences, and the tokens that each of them holds: gives the logits after any text, and computes no token
/// that is there already.
struct CachedTexts {
  /// Long texts go in pieces of so many tokens, between which somebody may have had enough.
  static let pieceCount = 512

  private let decoder: any SequenceDecoder
  private var texts: [[Int32]]
  /// Tokens that went through the model.
  private(set) var computedCount = 0

  init(_ decoder: any SequenceDecoder) {
    self.decoder = decoder
    texts = Array(repeating: [], count: decoder.sequenceCount)
  }

  /// The logits after a text that one sequence takes.
  ///
  /// Shapes: [V]; nil where `isCancelled` said so.
  ///
  /// - Precondition: The text has tokens and fits, or the context shifts.
  mutating func logits(
    after text: [Int32], in window: ContextWindow, sequence: Int = 0, isCancelled: () -> Bool = { false }
  ) throws(LanguageModelError) -> [Float]? {
    let wanted = window.tokens(of: text)
    keepCommonPrefix(of: wanted, sequence)
    while wanted.count - texts[sequence].count > Self.pieceCount {
      if isCancelled() { return nil }
      let piece = wanted[texts[sequence].count..<texts[sequence].count + Self.pieceCount]
      _ = try advance([SequenceFeed(sequence: sequence, tokens: piece, logits: .none)])
    }
    if isCancelled() { return nil }
    let rest = wanted[texts[sequence].count...]
    return try advance([SequenceFeed(sequence: sequence, tokens: rest, logits: .last)])[0]
  }

  /// The logits after several texts, each on a sequence of its own, in one pass.
  ///
  /// Shapes: [V] each, in order.
  ///
  /// - Precondition: As for one.
  mutating func logits(
    after texts: [(sequence: Int, text: [Int32])], in window: ContextWindow
  ) throws(LanguageModelError) -> [[Float]] {
    var feeds: [SequenceFeed] = []
    for (sequence, text) in texts {
      let wanted = window.tokens(of: text)
      keepCommonPrefix(of: wanted, sequence)
      feeds.append(SequenceFeed(sequence: sequence, tokens: wanted[self.texts[sequence].count...], logits: .last))
    }
    return try advance(feeds)
  }

  /// Gives a sequence all that another holds.
  mutating func copy(_ source: Int, to target: Int) {
    decoder.truncate(target, to: 0)
    decoder.copyPrefix(of: source, to: target, count: texts[source].count)
    texts[target] = texts[source]
  }

  /// How many tokens of a text need not be computed.
  func reusedCount(of text: [Int32], in window: ContextWindow, sequence: Int = 0) -> Int {
    commonCount(window.tokens(of: text), sequence)
  }

  private func commonCount(_ wanted: [Int32], _ sequence: Int) -> Int {
    // The last token is computed even where it is there: its logits are not.
    let most = min(wanted.count - 1, texts[sequence].count)
    return (0..<most).first { wanted[$0] != texts[sequence][$0] } ?? most
  }

  private mutating func keepCommonPrefix(of wanted: [Int32], _ sequence: Int) {
    let count = commonCount(wanted, sequence)
    guard count < texts[sequence].count else { return }
    decoder.truncate(sequence, to: count)
    texts[sequence].removeLast(texts[sequence].count - count)
  }

  private mutating func advance(_ feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]] {
    let logits = try decoder.advance(feeds: feeds)
    for feed in feeds {
      texts[feed.sequence] += feed.tokens
      computedCount += feed.tokens.count
    }
    return logits
  }
}
