public import AutogradText

/// Why a text is not continued.
public enum GenerationError: Error, Sendable {
  /// The prompt cannot be turned into tokens, or has none.
  case text(TextError)
  /// The model's session cannot be made, or cannot go on.
  case model(LanguageModelError)
  case sampling(SamplingError)
  /// More tokens than the context holds, which does not shift; `maximumTokens` nil where any number would do.
  case tooLong(promptTokens: Int, maximumTokens: Int?, contextSize: Int)
}

extension GenerationError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .text(let error): "\(error)"
    case .model(let error): "\(error)"
    case .sampling(let error): "\(error)"
    case .tooLong(let promptTokens, let maximumTokens, let contextSize):
      if let maximumTokens, promptTokens < contextSize {
        "the prompt has \(tokens(promptTokens)) and \(maximumTokens) more are asked for, but the context holds \(contextSize); "
          + "ask for at most \(contextSize - promptTokens), or let the context shift"
      } else {
        "the prompt has \(tokens(promptTokens)), and the context holds \(contextSize), the continuation included; shorten it, "
          + "or let the context shift"
      }
    }
  }

  private func tokens(_ count: Int) -> String { count == 1 ? "1 token" : "\(count) tokens" }
}
