public import AutogradText

/// A text on its way: from logits to a token, from tokens to whole characters, to the end.
///
/// Knows nothing of where logits come from: whoever computes them takes `tokens`, of which all but the last are in a cache
/// already, and hands over the logits of what follows.
public struct TextContinuation: Sendable {
  public let options: GenerationOptions
  /// The prompt, and behind it what was drawn; a token that ends the text is not among them.
  public private(set) var tokens: [Int32]
  public let promptCount: Int
  /// Nil while the text goes on.
  public private(set) var finish: FinishReason?
  /// How many tokens were drawn, with one that ended the text.
  public private(set) var drawnCount = 0
  private let ends: Set<Int32>
  private let vocabularySize: Int
  private var decoder: StreamingDecoder
  private var matcher: StopMatcher

  /// - Parameters:
  ///   - prompt: Tokens inside the model's vocabulary.
  ///   - ends: Tokens that end the text, beside the tokenizer's own.
  public init(
    prompt: [Int32], tokenizer: any Tokenizer, options: GenerationOptions = GenerationOptions(), ends: Set<Int32> = []
  ) {
    tokens = prompt
    promptCount = prompt.count
    self.options = options
    self.ends = ends.union(tokenizer.endOfText.map { [$0] } ?? [])
    vocabularySize = tokenizer.vocabularySize
    decoder = StreamingDecoder(tokenizer, continuesText: !prompt.isEmpty)
    matcher = StopMatcher(options.stops)
    if options.maximumTokens == 0 { finish = .length }
  }

  /// Draws the next token.
  ///
  /// Shapes: `logits` [V], those of the token after `tokens`.
  ///
  /// - Throws: As the sampler.
  /// - Precondition: The text has not ended.
  public mutating func take(_ logits: [Float]) throws(SamplingError) -> GeneratedPiece {
    precondition(finish == nil, "the text has ended; begin another")
    let sampler = options.sampler, token: Int32, choice: TokenChoice?
    if let top = options.topLogprobs {
      let chosen = try sampler.choose(logits, after: tokens, stream: options.stream, top: top)
      (token, choice) = (chosen.token, chosen)
    } else {
      token = try sampler.draw(logits, after: tokens, stream: options.stream)
      choice = nil
    }
    drawnCount += 1
    if ends.contains(token) {
      return GeneratedPiece(token: token, choice: choice, text: end(.endToken(token)), finish: finish)
    }
    tokens.append(token)
    // A vocabulary may be wider than its tokenizer: such a token has no text.
    var text = matcher.push(Int(token) < vocabularySize ? decoder.push(token) : "")
    if matcher.hasStopped { finish = .stopString } else if drawnCount == options.maximumTokens { text += end(.length) }
    return GeneratedPiece(token: token, choice: choice, text: text, finish: finish)
  }

  /// Ends the text, unless it has ended.
  ///
  /// - Returns: The text that waited, since nothing follows it now.
  public mutating func end(_ reason: FinishReason) -> String {
    guard finish == nil else { return "" }
    finish = reason
    return matcher.push(decoder.finish()) + matcher.finish()
  }
}
