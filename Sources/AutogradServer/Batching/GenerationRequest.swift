import AutogradModels

/// One answer that is asked for: everything that decides its bytes.
public struct GenerationRequest: Sendable {
  /// At least one token.
  public var prompt: [Int32]
  /// What is drawn, how many tokens at most, where it ends, and what is told of it.
  public var options: GenerationOptions
  /// Tokens that end the answer and are not shown.
  public var ends: Set<Int32>
  /// Whether the probabilities of the prompt's tokens are told, too.
  public var tellsPrompt = false

  public init(prompt: [Int32], options: GenerationOptions, ends: Set<Int32> = []) {
    self.prompt = prompt
    self.options = options
    self.ends = ends
  }
}

/// What an answer took.
public struct GenerationUsage: Sendable, Equatable {
  public var promptTokens = 0
  /// Those of the prompt that were in memory already.
  public var reusedTokens = 0
  /// Tokens drawn, the one that ended the text included.
  public var answerTokens = 0
}

/// Why there is no answer, or only half of one.
public enum GenerationFailure: Error, Sendable, Equatable {
  /// It took longer than it may.
  case tooLong
  /// The server ends.
  case ending
  /// The decoder's or the sampler's sentence.
  case model(String)
}

/// What comes of an answer under way, in order.
public enum GenerationEvent: Sendable {
  /// The prompt's tokens; the first has no probability.
  case prompt([TokenReport])
  /// Whole characters, and what is told of tokens. Text that may become a stop text comes later than its tokens.
  case text(String, [TokenReport])
  /// The last event of an answer that was given.
  case finished(FinishReason, GenerationUsage)
  /// The last event of one that was not.
  case failed(GenerationFailure)

  /// Whether nothing follows it.
  var isLast: Bool {
    switch self {
    case .finished, .failed: true
    case .prompt, .text: false
    }
  }
}
