import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

/// A run of `train`, or of `plan`: what the options come to. Nothing large is in memory at first but the text, and the
/// weights of a model that training goes on from.
struct TrainingRun {
  let source: TextSource
  /// Its model has no weights yet where they are new; see `prepare`.
  let trainer: Trainer
  /// Where a trace of one step goes.
  let trace: String?
  let settings: RunSettings
  /// What the run's folder says of the model that it began from; empty where it began from nothing.
  let card: ModelCard
  private let isNew: Bool

  /// A new run.
  init(_ data: GivenData?, _ asked: AskedSettings, _ training: TrainingOptions) throws {
    var settings = asked.settings, card = ModelCard()
    if let problem = settings.problem { throw TrainingError.invalidConfiguration(problem) }
    if settings.initFrom != nil, !asked.askedKeys.contains("warmup_iters") {
      // A tenth of a short run: who goes on with a model may want few steps.
      settings.configuration.warmupSteps = nil
    }
    let start = try asked.given["init_from"]?.stringValue.map { folder in
      let base = try openModel(folder), sizes = try base.configuration()
      card = try base.card().inherited()
      var own = RunSettings()
      own.takeSizes(of: sizes)
      try asked.requireSizes(of: own, contextLength: sizes.contextLength, in: folder)
      let asksForDropout = asked.askedKeys.contains("dropout")
      if !asksForDropout { settings.dropout = own.dropout }
      if !asked.askedKeys.contains("block_size") { settings.blockSize = sizes.contextLength }
      return try TrainingRun.beginning(base, settings, dropout: asksForDropout ? settings.dropout : nil)
    }
    let template = settings.chatTemplate?.choice ?? card.chatTemplate.map { .recognised($0) } ?? .none
    let source = try TextSource(
      data, tokenizer: try start?.tokenizer ?? TextSource.vocabulary(settings), template: template,
      pool: training.backend.pool)
    if source.texts?.haveAnswers == true {
      settings.chatTemplate = ChatTemplateName(template)
    } else {
      try asked.refuseAnswerOptions()
    }
    if source.texts?.sources.contains(where: \.hasPairs) == true {
      guard settings.adapterRank != nil else {
        throw ValidationError(
          "preference pairs are learnt by an adapter, against the model without it; name a model (--init-from) and a rank "
            + "(--lora-rank 16)")
      }
    } else if asked.given.contains("dpo_beta") {
      throw ValidationError("--dpo-beta means nothing without preference pairs; leave it out, or name some with --data")
    }
    if asked.given.contains("val_fraction"), source.texts?.sources.allSatisfy({ $0.validation != nil }) == true {
      throw ValidationError(
        "--val-fraction means nothing here: \(source.identity.path ?? "") comes with tokens to validate with; leave it out")
    }
    let weights = try start?.weights
      ?? WholeModel(TrainingRun.network(settings, vocabularySize: source.tokenizer.vocabularySize))
    try self.init(source, weights, isNew: start == nil, card, settings, training, countsEpochs: true)
  }

  /// A run that was begun before, with settings that may have changed since.
  ///
  /// - Parameter weights: What it begins again with, where that is read from somewhere; nil where weights are drawn anew, or
  ///   are yet to be read from a checkpoint.
  init(
    _ source: TextSource, _ record: RunRecord, _ settings: RunSettings, weights: (any TrainedWeights)? = nil,
    _ training: TrainingOptions
  ) throws {
    try self.init(
      source, weights ?? WholeModel(Decoder<Float>(record.model)), isNew: weights == nil, ModelCard(), settings, training)
  }

  private init(
    _ source: TextSource, _ weights: any TrainedWeights, isNew: Bool, _ card: ModelCard, _ settings: RunSettings,
    _ training: TrainingOptions, countsEpochs: Bool = false
  ) throws {
    try self.init(
      source, weights, isNew: isNew, card, settings, trace: training.trace, backend: training.backend,
      countsEpochs: countsEpochs)
  }

  private init(
    _ source: TextSource, _ weights: any TrainedWeights, isNew: Bool, _ card: ModelCard, _ settings: RunSettings,
    trace: String?, backend: Backend, countsEpochs: Bool = false
  ) throws {
    try TrainingRun.check(weights.model.configuration, settings.batchSize, settings.blockSize)
    var weights = weights
    weights.model.recomputesBlocks = settings.recomputesBlocks
    if let frozen = settings.frozen { try weights.freeze(frozen) }
    var settings = settings
    let data = try source.trainingData(settings)
    if countsEpochs { try settings.takeEpochs(of: data) }
    (self.source, self.trace, self.isNew, self.card, self.settings) = (source, trace, isNew, card, settings)
    trainer = try Trainer(weights, data: data, configuration: settings.configuration, backend: backend)
  }

  /// What a run begins with: all weights of a stored model, or an adapter over it as it lies.
  ///
  /// - Parameter dropout: What share to drop in training, instead of the model's own.
  static func beginning(
    _ base: any StoredModel, _ settings: RunSettings, dropout: Double?
  ) throws -> (weights: any TrainedWeights, tokenizer: any Tokenizer) {
    guard let configuration = settings.adapter else {
      let (model, tokenizer) = try base.load(dropout: dropout)
      return (WholeModel(model), tokenizer)
    }
    if base is AdaptedStoredModel {
      throw InputError(
        sentence: "\(base.path) is an adapter, and a new one cannot be trained over it; merge it into its base first "
          + "(autograd merge), or train all weights, without --lora-rank")
    }
    let (model, tokenizer) = try base.load(weights: settings.baseWeights)
    if settings.configuration.baseProducts == .integer, !model.hasQuantizedWeights {
      throw InputError(
        sentence: "\(base.path) has no weights of small integers to multiply (--base-products integer); quantise them "
          + "as they are read (--base-weights q8_0), or leave the option out")
    }
    let adapter = try ModelAdapter<Float>(configuration, for: model)
    adapter.initialize(seed: settings.configuration.seed)
    let origin = AdapterBase(path: settings.initFrom, sha256: try base.weightsDigest())
    return (AdaptedModel(model, adapter: adapter, base: origin), tokenizer)
  }

  /// A new model that has no weights yet.
  static func network(_ settings: RunSettings, vocabularySize: Int) throws -> Decoder<Float> {
    let configuration: DecoderConfiguration
    do {
      configuration = try DecoderConfiguration(settings, vocabularySize: vocabularySize)
    } catch {
      guard settings.channelCount % settings.headCount != 0, settings.headSize == nil else { throw error }
      throw InputError(sentence: "\(error) (--n-embd, --n-head)")
    }
    return Decoder(configuration)
  }

  private static func check(_ sizes: DecoderConfiguration, _ batchSize: Int, _ blockSize: Int) throws {
    guard batchSize <= largestBatch / blockSize else {
      throw InputError(
        sentence: "a batch of \(batchSize) windows of \(blockSize) tokens is larger than any; "
          + "make --batch-size smaller")
    }
    let activations = Double(batchSize * blockSize) * Double(sizes.channelCount) * Double(sizes.layerCount)
    guard activations < mostActivations else {
      throw InputError(
        sentence: "not enough memory: no machine has enough for a batch of \(batchSize) × \(blockSize) tokens in "
          + "\(sizes.layerCount) layers of \(sizes.channelCount) channels; make them smaller", exit: .outOfMemory)
    }
  }

  /// Tokens: far above what any machine trains on at once, far below what sizes overflow at.
  private static let largestBatch = 1 << 28
  /// Numbers that one pass from layer to layer makes: some dozen times that many bytes are what sizes can express.
  private static let mostActivations = 0x1p50

  /// What the run needs beyond what the process has by now. The need itself is worked out once.
  var planner: MemoryPlanner { MemoryPlanner(trainer, isNew: isNew) }

  /// The same run, its steps cut into batches as a plan says.
  func changed(to plan: TrainingPlan) throws -> TrainingRun {
    var settings = settings
    (settings.batchSize, settings.blockSize) = (plan.batchSize, plan.blockSize)
    settings.configuration.accumulation = plan.accumulation
    settings.recomputesBlocks = plan.recomputesBlocks
    if settings == self.settings { return self }
    return try TrainingRun(
      source, trainer.weights, isNew: isNew, card, settings, trace: trace, backend: trainer.backend)
  }

  /// Makes the weights of a new model. Asks for memory before: they may be what does not fit.
  ///
  /// - Throws: `tooLarge`; `outOfMemory` where the system refuses it.
  func prepare(drawing: Bool = true) throws -> TrainingRun {
    let planner = planner
    try planner.requireMemory()
    guard isNew else { return self }
    guard trainer.model.reserve() else { throw TrainingError.outOfMemory(bytes: planner.plan.newMemory) }
    if drawing { trainer.model.initialize(seed: settings.configuration.seed) }
    return self
  }
}

extension RunSettings {
  /// Works out the number of steps where epochs were asked for.
  fileprivate mutating func takeEpochs(of data: TrainingData) throws {
    guard let epochs else { return }
    guard let windows = data.training.epochLength else {
      throw InputError(sentence: "--epochs means nothing for stories, which are told anew without end; give --max-iters")
    }
    let perStep = Double(batchSize) * Double(configuration.accumulation)
    let steps = (epochs * Double(windows) / perStep).rounded(.up)
    guard steps <= 1e12 else { throw InputError(sentence: "--epochs \(epochs) are more steps than any run has") }
    configuration.maximumSteps = Int(steps)
  }
}
