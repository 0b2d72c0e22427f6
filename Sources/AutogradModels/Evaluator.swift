import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a model thinks of a text.
public struct Evaluation: Sendable, Equatable {
  /// Mean negative log-likelihood per predicted token, in nats.
  public let loss: Double
  /// Predicted tokens: all but the first.
  public let tokenCount: Int
  /// Bytes of the predicted tokens.
  public let byteCount: Int

  /// e^loss: the number of tokens that the model hesitates between.
  public var perplexity: Double { exp(loss) }
  /// What a byte of the text would take when compressed with the model.
  public var bitsPerByte: Double { loss * Double(tokenCount) / (log(2) * Double(byteCount)) }
}

/// Measures a model's loss on whole texts.
public struct Evaluator<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let tape: Tape<Scalar>

  /// - Parameter tape: Runs the model; one of its own unless given, since nothing may run on it meanwhile. Evaluating
  ///   maps its arena for a whole window.
  public init(model: any LanguageModel<Scalar>, tape: Tape<Scalar> = Tape()) {
    self.model = model
    self.tape = tape
  }

  /// Measures a text.
  ///
  /// - Throws: What the tokenizer does not know, and texts of fewer than two tokens.
  public func evaluate(_ text: [UInt8], _ tokenizer: any Tokenizer) throws(TextError) -> Evaluation {
    let tokens = try tokenizer.encode(text)
    guard let result = loss(of: tokens) else {
      throw .nothingToPredict(tokenCount: tokens.count)
    }
    return Evaluation(
      loss: result.loss, tokenCount: result.tokenCount, byteCount: text.count - tokenizer.bytes(of: tokens[0]).count)
  }

  /// The mean loss over every token of `tokens` but the first.
  ///
  /// Neighbouring windows of the context length, each predicting one token more than the last one ended with; the
  /// last may be shorter. A token sees what its own window holds before it.
  ///
  /// - Parameter progress: Called after each window with the share done; false ends the evaluation early.
  /// - Returns: Loss and number of the predicted tokens; nil where there are fewer than two tokens.
  /// - Precondition: Tokens lie inside the vocabulary.
  /// - Complexity: one forward pass per window; memory for two layers' activations.
  public func loss(
    of tokens: [Int32], progress: (Double) -> Bool = { _ in true }
  ) -> (loss: Double, tokenCount: Int)? {
    guard tokens.count >= 2 else { return nil }
    let T = model.configuration.contextLength, last = tokens.count - 1
    var sum = CompensatedSum(), counted = 0
    // Mapped at once: growing on the way would leave pages behind.
    tape.reserve(tape.plan { _ in _ = windowLoss(tokens[0...min(T, last)]) })
    for start in stride(from: 0, to: last, by: T) {
      let count = min(T, last - start)
      let loss = tape.step { _ in windowLoss(tokens[start...start + count]) }
      sum.add(loss * Double(count))
      counted += count
      if !progress(Double(counted) / Double(last)) { break }
    }
    return (sum.total / Double(counted), counted)
  }

  /// Inside a step: the mean loss of a window, whose last token is a target only.
  private func windowLoss(_ window: ArraySlice<Int32>) -> Double {
    let count = window.count - 1
    return tape.inference {
      let inputs = tape.tokens(Array(window.dropLast()).span, shape: [1, count])
      let targets = tape.tokens(Array(window.dropFirst()).span, shape: [1, count])
      return Double(model.loss(inputs, targets: targets).value)
    }
  }
}
