import Kernels
import LanguageModel
import Text
import Training

/// What the options of `train` come to. Nothing large is in memory yet but the text, and the weights of a model that
/// training goes on from.
struct RunSettings {
  let source: TextSource
  private(set) var configuration: TrainingConfiguration
  private(set) var data: TrainingData
  let backend: Backend
  private var model: GPT<Float>
  private let isNew: Bool

  init(data path: String?, model options: ModelOptions, training: TrainingOptions) throws {
    let preset = try options.resolvedPreset(forStories: path == nil)
    configuration = training.configuration(preset)
    if let problem = configuration.problem { throw TrainingError.invalidConfiguration(problem) }
    let start = try training.initFrom.map { try ModelDirectory($0).load() }
    source = try TextSource(path: path, tokenizer: start?.tokenizer)
    var model = try start?.model ?? options.network(preset, vocabularySize: source.tokenizer.vocabularySize)
    model.recomputesBlocks = training.recompute
    self.model = model
    isNew = start == nil
    let blockSize = options.blockSize ?? model.configuration.contextLength
    let batchSize = training.batchSize ?? preset.batchSize
    guard blockSize >= 1, batchSize >= 1 else {
      throw InputError(sentence: "--block-size and --batch-size must be at least 1, got \(blockSize) and \(batchSize)")
    }
    guard batchSize <= RunSettings.largestBatch / blockSize else {
      throw InputError(
        sentence: "a batch of \(batchSize) windows of \(blockSize) tokens is larger than any; "
          + "make --batch-size smaller")
    }
    let sizes = model.configuration
    let activations = Double(batchSize * blockSize) * Double(sizes.channelCount) * Double(sizes.layerCount)
    guard activations < RunSettings.mostActivations else {
      throw InputError(
        sentence: "not enough memory: no machine has enough for a batch of \(batchSize) × \(blockSize) tokens in "
          + "\(sizes.layerCount) layers of \(sizes.channelCount) channels; make them smaller", exit: .outOfMemory)
    }
    data = try source.trainingData(blockSize: blockSize, batchSize: batchSize, seed: configuration.seed)
    backend = Backend(pool: training.threads.map { ThreadPool(threads: $0) } ?? .shared)
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
  func changed(to plan: TrainingPlan) throws -> RunSettings {
    var result = self
    result.configuration.accumulation = plan.accumulation
    result.model.recomputesBlocks = plan.recomputesBlocks
    result.data = try source.trainingData(
      blockSize: plan.blockSize, batchSize: plan.batchSize, seed: configuration.seed)
    return result
  }

  /// The model with its weights.
  ///
  /// - Throws: `outOfMemory` where the system refuses them.
  func makeWeights() throws(TrainingError) -> GPT<Float> {
    guard isNew else { return model }
    guard model.reserve() else { throw .outOfMemory(bytes: planner.plan.newMemory) }
    model.initialize(seed: configuration.seed)
    return model
  }
}
