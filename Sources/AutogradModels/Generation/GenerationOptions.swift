/// How a text is continued, and where it ends.
public struct GenerationOptions: Sendable, Equatable {
  /// Chooses tokens.
  public var sampler = Sampler()
  /// The most tokens to draw; nil takes as many as the context has room for.
  public var maximumTokens: Int?
  /// The text ends before the first of these.
  public var stops: [String] = []
  /// Tells apart several samples with one seed.
  public var stream: UInt32 = 0
  /// Lets the text grow beyond the context: so many tokens at its beginning stay there, and with them the newest. Nil
  /// refuses what does not fit.
  public var keptTokens: Int?
  /// How many of the likeliest tokens to name beside each that is drawn; nil asks for no probabilities at all.
  public var topLogprobs: Int?

  public init() {}

  public init(sampler: Sampler = Sampler(), maximumTokens: Int? = nil, stops: [String] = []) {
    (self.sampler, self.maximumTokens, self.stops) = (sampler, maximumTokens, stops)
  }
}

/// Why a text ended.
public enum FinishReason: Sendable, Equatable {
  /// The model drew a token that ends a text or an answer.
  case endToken(Int32)
  /// A stop string came.
  case stopString
  /// As many tokens were drawn as were asked for, or as the context has room for.
  case length
  /// Nobody wanted more.
  case cancelled
}

/// A token that was drawn, and the text that is certain now.
public struct GeneratedPiece: Sendable, Equatable {
  public let token: Int32
  /// The token with its probability, where that was asked for.
  public let choice: TokenChoice?
  /// Whole characters, which need not be this token's: what may become a character or a stop string waits.
  public let text: String
  /// Set with the last piece.
  public let finish: FinishReason?
}

/// What a text took, or several together.
public struct GenerationReport: Sendable, Equatable {
  public internal(set) var textCount = 1
  /// Tokens of the prompt, and how many of them needed not be computed because the cache held them.
  public internal(set) var promptTokens = 0, reusedTokens = 0
  /// Tokens that were drawn, with those that ended texts.
  public internal(set) var generatedTokens = 0
  /// From the beginning to the first token, and to the last.
  public internal(set) var secondsToFirstToken = 0.0, seconds = 0.0
  public internal(set) var finish = FinishReason.cancelled

  public init() {}

  /// Of texts that were drawn from one prompt in the same passes.
  public init(together reports: [GenerationReport]) {
    self = reports.first ?? GenerationReport()
    textCount = reports.count
    generatedTokens = reports.reduce(0) { $0 + $1.generatedTokens }
    seconds = reports.map(\.seconds).max() ?? 0
  }

  /// Tokens of the prompt that were computed, per second; nil where none were.
  public var promptTokensPerSecond: Double? {
    secondsToFirstToken > 0 ? Double(promptTokens - reusedTokens) / secondsToFirstToken : nil
  }

  /// Tokens after the first of each text, per second; nil where there are none.
  public var tokensPerSecond: Double? {
    generatedTokens > textCount && seconds > secondsToFirstToken
      ? Double(generatedTokens - textCount) / (seconds - secondsToFirstToken) : nil
  }

  /// Takes in what came after it.
  public static func += (report: inout GenerationReport, other: GenerationReport) {
    report.textCount += other.textCount
    report.promptTokens += other.promptTokens
    report.reusedTokens += other.reusedTokens
    report.generatedTokens += other.generatedTokens
    report.secondsToFirstToken += other.secondsToFirstToken
    report.seconds += other.seconds
    report.finish = other.finish
  }
}
