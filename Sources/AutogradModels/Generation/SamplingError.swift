/// Why no token can be drawn from logits.
public enum SamplingError: Error, Equatable, Sendable {
  /// A logit, or what settings made of it, is NaN or +∞.
  case notANumber(token: Int, value: Float)
  /// Every token has the logit −∞.
  case nothingToDraw
  /// A bias on a token that the vocabulary does not have.
  case biasOutside(token: Int32, vocabularySize: Int)

  public static func == (a: SamplingError, b: SamplingError) -> Bool { a.description == b.description }
}

extension SamplingError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notANumber(let token, let value):
      "the logit of token \(token) is \(value), so no token can be drawn: the model's numbers overflow; take weights from "
        + "before that, or a smaller bias"
    case .nothingToDraw:
      "every token has the logit -inf, so none can be drawn; take biases away"
    case .biasOutside(let token, let vocabularySize):
      "a bias is for token \(token), and the vocabulary has the tokens 0 to \(vocabularySize - 1); name one of these"
    }
  }
}
