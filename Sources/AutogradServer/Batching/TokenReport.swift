import AutogradModels

/// A token of a text and, unless it is the first, how likely the model found it after those before.
public struct TokenReport: Sendable, Equatable {
  public let token: Int32
  private let choice: TokenChoice?

  init(_ choice: TokenChoice) {
    token = choice.token
    self.choice = choice
  }

  /// The first token of a text follows nothing.
  init(first token: Int32) {
    self.token = token
    choice = nil
  }

  /// Natural logarithm of the probability, before temperature and whatever else chooses.
  public var logprob: Double? { choice?.logprob }

  /// The likeliest, in order.
  public var top: [TokenChoice.Alternative] { choice?.top ?? [] }
}
