import ArgumentParser
import AutogradModels

/// How tokens are drawn.
struct SamplingOptions: ParsableArguments {
  @Option(name: [.long, .customLong("temp")], help: ArgumentHelp("Below 1 safer, 0 always the likeliest.", valueName: "x"))
  var temperature = 0.8

  @Option(help: ArgumentHelp("Draw from this many of the likeliest tokens.", valueName: "n"))
  var topK = 200

  @Option(help: ArgumentHelp("Draw from the likeliest tokens that reach this probability.", valueName: "p"))
  var topP = 1.0

  @Option(help: ArgumentHelp("Draw from tokens at least this likely, relative to the likeliest.", valueName: "p"))
  var minP = 0.0

  @Option(
    name: [.customLong("repeat-penalty"), .customLong("repetition-penalty")],
    help: ArgumentHelp("Above 1 makes recent tokens less likely.", valueName: "x"))
  var repeatPenalty = 1.0

  @Option(help: ArgumentHelp("Taken from the logits of recent tokens.", valueName: "x"))
  var presencePenalty = 0.0

  @Option(help: ArgumentHelp("The same, once for each time they came.", valueName: "x"))
  var frequencyPenalty = 0.0

  @Option(help: ArgumentHelp("How many tokens count as recent.", valueName: "n"))
  var repeatLastN = 64

  @Option(help: ArgumentHelp("Add to a token's logit; -inf forbids it.", valueName: "id=x"))
  var logitBias: [LogitBias] = []

  @Option(name: [.long, .short], help: ArgumentHelp("Decides what is drawn.", valueName: "n"))
  var seed: UInt64 = 1337

  func validate() throws {
    func require(_ holds: Bool, _ sentence: String) throws {
      if !holds { throw ValidationError(sentence) }
    }
    try require(temperature >= 0 && temperature.isFinite, "--temperature must be a number of at least 0, got \(temperature)")
    try require(topK >= 1, "--top-k must be at least 1, got \(topK)")
    try require(topP > 0 && topP <= 1, "--top-p must lie above 0 and be at most 1, got \(topP)")
    try require(minP >= 0 && minP <= 1, "--min-p must lie between 0 and 1, got \(minP)")
    try require(
      repeatPenalty > 0 && repeatPenalty.isFinite, "--repeat-penalty must be a number above 0, got \(repeatPenalty)")
    try require(presencePenalty.isFinite, "--presence-penalty must be a number, got \(presencePenalty)")
    try require(frequencyPenalty.isFinite, "--frequency-penalty must be a number, got \(frequencyPenalty)")
    try require(repeatLastN >= 0, "--repeat-last-n must be at least 0, got \(repeatLastN)")
    let tokens = logitBias.map(\.token)
    try require(Set(tokens).count == tokens.count, "--logit-bias names a token twice; add its numbers up")
  }

  var sampler: Sampler {
    var sampler = Sampler()
    sampler.temperature = temperature
    sampler.topK = topK
    sampler.topP = topP
    sampler.minP = minP
    sampler.repetitionPenalty = repeatPenalty
    sampler.presencePenalty = presencePenalty
    sampler.frequencyPenalty = frequencyPenalty
    sampler.penaltyWindow = repeatLastN
    sampler.logitBias = Dictionary(logitBias.map { ($0.token, $0.bias) }) { first, _ in first }
    sampler.seed = seed
    return sampler
  }
}

/// `ID=X`: what is added to the logit of a token.
struct LogitBias: ExpressibleByArgument {
  let token: Int32
  let bias: Float

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let token = Int32(parts[0]), token >= 0, let bias = Float(parts[1]), bias < .infinity
    else { return nil }
    (self.token, self.bias) = (token, bias)
  }
}
