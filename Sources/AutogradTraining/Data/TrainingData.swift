import AutogradBase
public import AutogradText

/// What a model is trained on and judged by.
public struct TrainingData: Sendable {
  /// Where training batches come from.
  public let training: any BatchSampler
  /// Where the training loss is estimated.
  public let trainingCheck: any BatchSampler
  /// Where the validation loss is estimated: text that training never sees.
  public let validationCheck: any BatchSampler
  /// The least loss that any model can have on these windows, in nats per token, where that is known.
  public let optimum: Double?
  /// What there is, in words, for the first line of a run.
  public let summary: String
  /// What of the texts does not come into the windows, in words; empty where everything does.
  public let note: String
  /// What the tokens take.
  public let byteCount: Int

  public init(
    training: any BatchSampler, trainingCheck: any BatchSampler, validationCheck: any BatchSampler,
    optimum: Double? = nil, summary: String, note: String = "", byteCount: Int = 0
  ) {
    self.training = training
    self.trainingCheck = trainingCheck
    self.validationCheck = validationCheck
    self.optimum = optimum
    self.summary = note.isEmpty ? summary : summary + "; " + note
    self.note = note
    self.byteCount = byteCount
  }

  /// Windows from anywhere in a text.
  ///
  /// - Throws: `tooShort` where a part does not hold a window.
  public static func windows(
    of dataset: TokenDataset, blockSize: Int, batchSize: Int, seed: UInt64
  ) throws(TextError) -> TrainingData {
    try dataset.requireWindows(blockSize: blockSize)
    func sampler(_ tokens: any TokenSource, _ purpose: RandomPurpose) -> WindowSampler {
      WindowSampler(tokens: tokens, blockSize: blockSize, batchSize: batchSize, seed: seed, purpose: purpose)
    }
    return TrainingData(
      training: sampler(dataset.training, .dataOrder), trainingCheck: sampler(dataset.training, .evaluation),
      validationCheck: sampler(dataset.validation, .evaluation),
      summary: "\(dataset.training.count) training and \(dataset.validation.count) validation tokens",
      byteCount: dataset.training.byteCount + dataset.validation.byteCount)
  }
}

extension TrainingData {
  /// Windows of several texts, each in its share.
  ///
  /// - Parameter weights: What windows are drawn in proportion to, one for each text; nil takes how many windows each has.
  /// - Precondition: There are 1 to 32 parts of the same sizes.
  static func mixture(
    of parts: [any WindowSource], weights: [Double]?, seed: UInt64, purpose: RandomPurpose
  ) -> any BatchSampler {
    guard parts.count > 1 else { return parts[0] }
    return MixtureSampler(
      parts, weights: weights ?? parts.map { Double($0.windowsPerEpoch) }, seed: seed, purpose: purpose)
  }

  /// What there is of some texts, in words.
  static func summary(_ datasets: [TokenDataset]) -> String {
    func count(_ part: TokenDataset.Part) -> Int { datasets.reduce(0) { $0 + $1[part].count } }
    return "\(count(.training)) training and \(count(.validation)) validation tokens"
  }

  /// Batches of which nothing but the size is known: for plans.
  ///
  /// - Parameter other: Data that has positions or weights where these have.
  static func sizes(batchSize: Int, blockSize: Int, like other: TrainingData? = nil) -> TrainingData {
    let sizes = SizesAlone(
      blockSize: blockSize, batchSize: batchSize, rowsPerWindow: other?.training.rowsPerWindow ?? 1,
      hasPositions: other?.training.hasPositions ?? false,
      hasWeights: other?.training.hasWeights ?? false)
    return TrainingData(training: sizes, trainingCheck: sizes, validationCheck: sizes, summary: "")
  }

  private struct SizesAlone: BatchSampler {
    let blockSize, batchSize, rowsPerWindow: Int
    let hasPositions, hasWeights: Bool
    func fill(_ batch: inout TokenBatch, number: UInt64) {
      fatalError("a plan draws no batches")
    }
  }

  /// Windows of the stories that a grammar tells, each starting where a story starts; no window comes twice.
  ///
  /// - Throws: `unknownCharacter` where the tokenizer lacks one that the grammar uses.
  public static func stories(
    _ grammar: Grammar, tokenizer: any Tokenizer, blockSize: Int, batchSize: Int, seed: UInt64
  ) throws(TextError) -> TrainingData {
    func sampler(_ purpose: RandomPurpose, _ seed: UInt64) throws(TextError) -> DocumentWindowSampler {
      try DocumentWindowSampler(
        generator: CorpusGenerator(grammar: grammar, seed: seed, purpose: purpose), tokenizer: tokenizer,
        blockSize: blockSize, batchSize: batchSize)
    }
    // Nothing is ever seen twice: fresh stories are as good as those of training for judging it.
    return TrainingData(
      training: try sampler(.dataOrder, seed), trainingCheck: try sampler(.evaluation, seed &+ 1),
      validationCheck: try sampler(.evaluation, seed), optimum: grammar.windowOptimum(length: blockSize),
      summary: "stories of \(grammar.words.count) words")
  }
}
