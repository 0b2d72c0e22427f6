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
    makeRoom(for: prompt, count)
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
    makeRoom(for: prompt, count)
    var text = TextContinuation(prompt: prompt, tokenizer: tokenizer, options: options)
    while text.finish == nil {
      if !body(try text.take(nextLogits(text.tokens)).text) { _ = text.end(.cancelled) }
    }
    return text.finish ?? .cancelled
  }

  /// Takes memory once for all that is to come.
  private func makeRoom(for prompt: [Int32], _ count: Int) {
    text.makeRoom(for: prompt.count + min(count, model.configuration.contextLength))
  }

  /// What continuing takes of memory until a text has `count` tokens: its keys and values, up to the context length, and
  /// the longest pass over it.
  public func plan(upTo count: Int) -> SessionPlan { text.plan(upTo: count) }

  /// The logits of the token after `text`.
  ///
  /// A text that has grown beyond the context C loses tokens at its beginning, half of the context at a time: what is left
  /// of it follows from its length alone and is seen as if it began there. So one text in C / 2 tokens is computed afresh,
  /// and the others go on.
  ///
  /// Shapes: [V].
  ///
  /// - Precondition: As for `generate`.
  public func nextLogits(_ text: [Int32]) -> [Float] { self.text.logits(after: text) }
}
