public import Autograd

/// Continues a text token by token.
///
/// Computes the whole window again for every token: quick for the small models that a CPU trains, slow for large.
public struct Generator {
  private let model: GPT<Float>
  private let tape: Tape<Float>
  public var sampler: Sampler

  public init(model: GPT<Float>, sampler: Sampler, tape: Tape<Float> = Tape()) {
    self.model = model
    self.sampler = sampler
    self.tape = tape
  }

  /// Draws up to `count` tokens after `prompt` and hands each to `body`, until that returns false.
  ///
  /// A text longer than the context is continued from its last `contextLength` tokens.
  ///
  /// - Precondition: The prompt has at least one token, all inside the vocabulary.
  public func generate(after prompt: [Int32], count: Int, _ body: (Int32) -> Bool) {
    var text = prompt
    for _ in 0..<count {
      let token = sampler.draw(nextLogits(text), position: text.count)
      text.append(token)
      if !body(token) { return }
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
        return model.logits(tokens).row(window.count - 1)
      }
    }
  }
}
