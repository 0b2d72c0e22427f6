import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

/// What the options of `train` come to. Nothing large is in memory yet but the text, and the weights of a model that
/// training goes on from.
struct PreparedRun {
  let source: TextSource
  private(set) var configuration: TrainingConfiguration
  private(set) var data: TrainingData
  let backend: Backend
  let trace: String?
  /// The model directory, from the root, whose weights the run begins with; nil where they are new.
  let initFrom: String?
  private var model: any LanguageModel<Float>
  private let isNew: Bool

  /// A new run.
  init(data path: String?, model options: ModelOptions, training: TrainingOptions, configuration: TrainingConfiguration)
    throws
  {
    if let problem = configuration.problem { throw TrainingError.invalidConfiguration(problem) }
    let preset = try options.resolvedPreset(forStories: path == nil)
    let start = try training.initFrom.map { folder in
      let directory = ModelDirectory(folder)
      try options.requireSizes(try directory.configuration(), of: folder, preset)
      return try directory.load(dropout: options.dropout(preset))
    }
    let source = try TextSource(path: path, tokenizer: start?.tokenizer)
    let model = try start?.model ?? options.network(preset, vocabularySize: source.tokenizer.vocabularySize)
    try self.init(
      source, model, isNew: start == nil, configuration, batchSize: training.batchSize ?? preset.batchSize,
      blockSize: options.blockSize(preset) ?? model.configuration.contextLength,
      recomputes: training.recompute ?? false, initFrom: training.initFrom.map { absolutePath($0) ?? $0 }, training)
  }

  /// A run that was begun before, with settings that may have changed since.
  ///
  /// - Parameter weights: What it begins again with, where that is a model; nil where weights are drawn anew, or are
  ///   yet to be read from a checkpoint.
  init(
    _ source: TextSource, _ setup: RunSetup, _ settings: RunSettings, weights: (any LanguageModel<Float>)? = nil,
    _ training: TrainingOptions
  ) throws {
    try self.init(
      source, weights ?? Decoder<Float>(setup.model), isNew: weights == nil, settings.configuration,
      batchSize: settings.batchSize, blockSize: settings.blockSize, recomputes: settings.recomputesBlocks,
      initFrom: setup.initFrom, training)
  }

  private init(
    _ source: TextSource, _ model: any LanguageModel<Float>, isNew: Bool, _ configuration: TrainingConfiguration, batchSize: Int,
    blockSize: Int, recomputes: Bool, initFrom: String?, _ training: TrainingOptions
  ) throws {
    try PreparedRun.check(model.configuration, batchSize, blockSize)
    (self.source, self.model, self.isNew, self.configuration) = (source, model, isNew, configuration)
    self.model.recomputesBlocks = recomputes
    (trace, self.initFrom) = (training.trace, initFrom)
    data = try source.trainingData(blockSize: blockSize, batchSize: batchSize, seed: configuration.seed)
    backend = Backend(pool: training.threads.map { ThreadPool(threads: $0) } ?? .shared)
  }

  private static func check(_ sizes: DecoderConfiguration, _ batchSize: Int, _ blockSize: Int) throws {
    guard blockSize >= 1, batchSize >= 1 else {
      throw InputError(sentence: "--block-size and --batch-size must be at least 1, got \(blockSize) and \(batchSize)")
    }
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

  var planner: MemoryPlanner {
    MemoryPlanner(
      model: model, isNew: isNew, training: configuration, batchSize: data.training.batchSize,
      blockSize: data.training.blockSize, dataBytes: data.byteCount, backend: backend)
  }

  /// The same run, its steps cut into batches as a plan says.
  func changed(to plan: TrainingPlan) throws -> PreparedRun {
    var result = self
    result.configuration.accumulation = plan.accumulation
    result.model.recomputesBlocks = plan.recomputesBlocks
    result.data = try source.trainingData(
      blockSize: plan.blockSize, batchSize: plan.batchSize, seed: configuration.seed)
    return result
  }

  /// The model, whose weights have memory; new ones are drawn.
  ///
  /// - Throws: `outOfMemory` where the system refuses it.
  func makeWeights(drawing: Bool = true) throws(TrainingError) -> any LanguageModel<Float> {
    guard isNew else { return model }
    guard model.reserve() else { throw .outOfMemory(bytes: planner.plan.newMemory) }
    if drawing { model.initialize(seed: configuration.seed) }
    return model
  }

  /// The run itself. Asks for memory before the weights are made: they may be what does not fit.
  func run(drawing: Bool = true) throws -> TrainingRun {
    try planner.requireMemory()
    return try TrainingRun(
      source: source, model: try makeWeights(drawing: drawing), configuration: configuration, data: data,
      backend: backend, trace: trace, initFrom: initFrom)
  }
}
