import AutogradBase
public import AutogradModels

/// What a run is, how far it has come, and the proof: settings, model, data, progress, losses, fingerprint.
///
/// Every checkpoint has one, beside weights, moments and tokenizer (`training.json`), and so has the beginning of a run
/// (`run.json`), where nothing has been done yet.
public struct RunRecord: Sendable {
  public internal(set) var settings: RunSettings
  public let model: DecoderConfiguration
  public let data: DataIdentity
  public let progress: TrainingProgress
  public internal(set) var curve: LossCurve
  /// Of weights and optimiser.
  public let fingerprint: Fingerprint
  /// Another set of instructions gives other bits from here on.
  public let instructionSet: String
  /// SHA-256 of the files under an adapter, of which no bit may change; nil where all of a model is trained.
  public let baseDigest: String?

  static let checkpointFile = "training.json"

  /// What a trainer has come to.
  ///
  /// - Parameter settings: The run's; what the trainer knows itself is taken from there.
  public init(of trainer: Trainer, data: DataIdentity, settings: RunSettings) {
    var settings = settings
    settings.configuration = trainer.configuration
    (settings.batchSize, settings.blockSize) = (trainer.data.training.batchSize, trainer.data.training.blockSize)
    settings.recomputesBlocks = trainer.model.recomputesBlocks
    settings.takeSizes(of: trainer.model.configuration)
    (self.settings, self.data, model) = (settings, data, trainer.model.configuration)
    var progress = trainer.progress
    progress.rollbacks = 0
    (self.progress, curve) = (progress, trainer.curve)
    (fingerprint, instructionSet) = (trainer.fingerprint(), trainer.instructionSet)
    baseDigest = trainer.weights.base?.sha256
  }

  /// The validation loss of exactly these weights, where it was measured.
  public var validationLoss: Double? {
    progress.lastEvaluation.flatMap { $0.step == progress.step ? $0.validationLoss : nil }
  }

  /// Whether the run had come to its end.
  public var isFinished: Bool {
    progress.isBetweenSteps
      && (progress.step >= settings.configuration.maximumSteps || progress.hasRunOut(settings.configuration.patience))
  }

  // MARK: Going on

  /// Makes sure that a run begins where this one began.
  ///
  /// - Returns: What the user should know where other instructions begin it; nil where they are the same.
  /// - Throws: `unfit` where the weights are others.
  public func checkBeginning(of trainer: Trainer) throws(CheckpointError) -> String? {
    let found = trainer.fingerprint(), difference = otherInstructions(than: trainer, whose: "the run")
    if let problem = otherBase(than: trainer.weights, whose: "the run") { throw .unfit(problem) }
    if found == fingerprint { return difference }
    if let source = settings.initFrom {
      throw .unfit(
        "the weights in \(source.escapedForDisplay) are not those that the run began with (\(found.short), not "
          + "\(fingerprint.short)); start a new run instead of resuming this one")
    }
    if let difference { return difference }
    throw .unfit(
      "new weights are not those that the run began with (\(found.short), not \(fingerprint.short)): another version "
        + "began it; start a new run instead of resuming this one")
  }

  /// What is wrong with the model under an adapter, in words; nil where it is the one that this was made with.
  func otherBase(than weights: any TrainedWeights, whose: String) -> String? {
    guard let found = weights.base?.sha256, let baseDigest, found != baseDigest else { return nil }
    return "\(whose) has an adapter over weights with the SHA-256 \(baseDigest.prefix(12))…, and those in "
      + "\((weights.base?.path ?? "the base").escapedForDisplay) have \(found.prefix(12))…; put the base back that the run "
      + "began with"
  }

  /// What the user should know where other instructions go on: nil where they are the same.
  func otherInstructions(than trainer: Trainer, whose: String) -> String? {
    let now = trainer.instructionSet
    if now == instructionSet { return nil }
    return "\(whose) was made with \(instructionSet) instructions and this run has \(now): its results will differ in "
      + "the last bits"
  }
}

extension RunSettings {
  /// Sizes and choices as a model has them.
  package mutating func takeSizes(of model: DecoderConfiguration) {
    (layerCount, headCount, channelCount) = (model.layerCount, model.headCount, model.channelCount)
    (dropout, hasBias) = (model.dropout.residual, model.hasBias)
    (family, keyValueHeadCount, headSize) = (model.family, model.keyValueHeadCount, model.headSize)
    (feedForwardWidth, rotaryBase) = (model.feedForwardWidth, model.rotaryBase)
    (window, tiesHead) = (model.window?.size ?? 0, model.tiesHead)
  }
}

extension DecoderConfiguration {
  /// The new model that settings ask for.
  ///
  /// - Throws: `invalidConfiguration` where they make no model, or one that the family's files cannot describe.
  package init(_ settings: RunSettings, vocabularySize: Int) throws(LanguageModelError) {
    try self.init(
      vocabularySize: vocabularySize, contextLength: settings.blockSize, layerCount: settings.layerCount,
      headCount: settings.headCount, channelCount: settings.channelCount,
      keyValueHeadCount: settings.keyValueHeadCount, headSize: settings.headSize,
      feedForwardWidth: settings.feedForwardWidth, hasBias: settings.hasBias, dropout: settings.dropout,
      family: settings.family)
    if hasBias != settings.hasBias {
      throw .invalidConfiguration("models of the family \(family.modelType) have no biases; leave them out")
    }
    if let base = settings.rotaryBase {
      guard rotaryBase != nil else {
        throw .invalidConfiguration(
          "models of the family \(family.modelType) learn their positions, which have no base; leave it out, or choose a "
            + "family with rotary positions")
      }
      rotaryBase = base
    }
    if let size = settings.window { window = size == 0 ? nil : Window(size: size) }
    if let isTied = settings.tiesHead { head = isTied ? .tied : .own }
    if let problem = problem ?? unwritable { throw .invalidConfiguration(problem) }
  }
}
