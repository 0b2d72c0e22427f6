public import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradText

/// Continues a text.
///
/// Computes the whole window again for every token: quick for the small models that a CPU trains, slow for large.
public struct Generator<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let tape: Tape<Scalar>
  public var sampler: Sampler

  /// - Parameters:
  ///   - sampler: Chooses tokens; `Sampler()` draws at temperature 0.8 among the 200 likeliest.
  ///   - tape: Runs the model; one of its own unless given, since nothing may run on it meanwhile.
  public init(model: any LanguageModel<Scalar>, sampler: Sampler, tape: Tape<Scalar> = Tape()) {
    self.model = model
    self.sampler = sampler
    self.tape = tape
  }

  /// Draws up to `count` tokens after `prompt` and hands each to `body`, until that returns false.
  ///
  /// A text longer than the context is continued from its last `contextLength` tokens.
  ///
  /// - Parameter stream: Tells apart several samples with one seed.
  /// - Throws: As the sampler.
  /// - Precondition: The prompt has at least one token, all inside the vocabulary.
  public func generate(
    after prompt: [Int32], count: Int, stream: UInt32 = 0, _ body: (Int32) -> Bool
  ) throws(SamplingError) {
    var text = prompt
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

  /// The memory that drawing tokens needs once a text fills the window.
  public func plan() -> MemoryPlan {
    tape.plan { tape in
      tape.inference { _ = model.logits(tape.plannedTokens(shape: [1, model.configuration.contextLength])) }
    }
  }

  /// The logits of the token after `text`.
  ///
  /// Shapes: [V].
  public func nextLogits(_ text: [Int32]) -> [Float] {
    let window = Array(text.suffix(model.configuration.contextLength))
    return tape.step { tape in
      tape.inference {
        let tokens = tape.tokens(window.span, shape: [1, window.count])
        let row = model.logits(tokens).row(window.count - 1)
        // Of a model in Float the cast costs nothing.
        return row as? [Float] ?? row.map { Float($0) }
      }
    }
  }
}
