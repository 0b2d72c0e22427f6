public import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradText

/// Continues a text.
///
/// Keys and values of the text are kept: each token costs one pass over the weights, and a text that begins as the one
/// before is not computed again as far as they are the same.
public struct Generator<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let text: KeptText<Scalar>
  public var sampler: Sampler

  /// - Parameters:
  ///   - sampler: Chooses tokens; `Sampler()` draws at temperature 0.8 among the 200 likeliest.
  ///   - tape: Runs the model; one of its own unless given, since nothing may run on it meanwhile.
  public init(model: any LanguageModel<Scalar>, sampler: Sampler, tape: Tape<Scalar> = Tape()) {
    self.model = model
    self.sampler = sampler
    text = KeptText(model, tape)
  }

  /// Draws up to `count` tokens after `prompt` and hands each to `body`, until that returns false.
  ///
  /// A text longer than the context is continued from its last tokens; see `nextLogits`.
  ///
  /// - Parameter stream: Tells apart several samples with one seed.
  /// - Throws: As the sampler.
  /// - Precondition: The prompt has at least one token, all inside the vocabulary, and memory holds the keys and values of
  ///   the text, up to the context length.
  public func generate(
    after prompt: [Int32], count: Int, stream: UInt32 = 0, _ body: (Int32) -> Bool
  ) throws(SamplingError) {
    var text = prompt
    self.text.makeRoom(for: prompt.count + count)
    for _ in 0..<count {
      let token = try sampler.draw(nextLogits(text), after: text, stream: stream)
      text.append(token)
      if !body(token) { return }
    }
  }

  /// Continues `prompt` in characters: hands whole characters to `body` as soon as they are certain, and ends
  /// before the first of `stops`, or where the text does: at the tokenizer's end token.
  ///
  /// - Returns: Why it ended.
  /// - Throws: As the sampler.
  /// - Precondition: As for tokens; the tokenizer is the model's.
  @discardableResult
  public func generate(
    after prompt: [Int32], count: Int, stream: UInt32 = 0, tokenizer: any Tokenizer, stops: [String] = [],
    _ body: (String) -> Bool
  ) throws(SamplingError) -> FinishReason {
    var options = GenerationOptions(sampler: sampler, maximumTokens: count, stops: stops)
    options.stream = stream
    var text = TextContinuation(prompt: prompt, tokenizer: tokenizer, options: options)
    while text.finish == nil {
      if !body(try text.take(nextLogits(text.tokens)).text) { _ = text.end(.cancelled) }
    }
    return text.finish ?? .cancelled
  }

  /// What continuing takes of memory until a text has `count` tokens: its keys and values, up to the context length, and
  /// the longest pass over it.
  public func plan(upTo count: Int) -> SessionPlan { text.plan(upTo: count) }

  /// The logits of the token after `text`.
  ///
  /// A text longer than the model's context C is seen from a later token on, as if it began there: from a multiple of
  /// C / 2, the first with which it fits. So one text in C / 2 tokens is computed afresh, and the others go on.
  ///
  /// Shapes: [V].
  ///
  /// - Precondition: As for `generate`.
  public func nextLogits(_ text: [Int32]) -> [Float] {
    let first = Generator.firstSeen(of: text.count, contextLength: model.configuration.contextLength)
    let row = self.text.logits(after: text[first...])
    // Of a model in Float the cast costs nothing.
    return row as? [Float] ?? row.map { Float($0) }
  }

  /// The first token that is seen of a text of `count`.
  package static func firstSeen(of count: Int, contextLength: Int) -> Int {
    let step = max(1, contextLength / 2), over = count - contextLength
    return over > 0 ? (over + step - 1) / step * step : 0
  }
}
