import ArgumentParser
import AutogradEngine
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

/// What train's settings decide about one step, beside sizes.
enum StepPart: SettingPart {
  static let settings = ["batch_size", "precision"].compactMap(Setting.named)
}

/// A training step to measure: train's model on tokens drawn at random.
struct StepOptions: ParsableArguments {
  @OptionGroup(title: "Model") var model: ModelOptions

  @Option(help: ArgumentHelp("Tokens in the vocabulary (65; preset gpt2: 50257).", valueName: "n"))
  var vocabSize: Int?

  @OptionGroup private var settings: SettingOptions<StepPart>

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  @Option(help: ArgumentHelp("Steps to measure, after two that are not.", valueName: "n"))
  var steps = 20

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try checkThreads(threads)
    guard steps >= 1 else { throw ValidationError("--steps must be at least 1, got \(steps)") }
    guard steps <= 1_000_000_000 else { throw ValidationError("--steps must be at most 1000000000, got \(steps)") }
  }

  /// A step that can be made again and again.
  struct Bench {
    let trainer: Trainer
    let plan: MemoryPlan
    let backend: Backend
    let batchSize, blockSize: Int

    var tokens: Int { batchSize * blockSize }
    var flopsPerToken: Double { trainer.model.configuration.trainingFlopsPerToken(sequenceLength: blockSize) }
  }

  /// A trainer that has made its first two steps: arena and moments are there, the workers awake.
  func prepare() throws -> Bench {
    let preset = try model.resolvedPreset(forStories: false)
    let settings = RunSettings(preset, model.given + settings.given)
    if let problem = settings.problem { throw TrainingError.invalidConfiguration(problem) }
    let network = try TrainingRun.network(
      settings, vocabularySize: vocabSize ?? (preset.name == "gpt2" ? 50257 : 65))
    let B = settings.batchSize, T = settings.blockSize
    guard B <= (1 << 28) / T else {
      throw InputError(sentence: "a batch of \(B) windows of \(T) tokens is larger than any; make --batch-size smaller")
    }
    var configuration = TrainingConfiguration(), random = RandomStream(seed: 1, purpose: .dataOrder)
    configuration.maximumSteps = steps + 2
    configuration.precision = settings.configuration.precision
    let tokens = (0..<(T + 1) * max(8, 2 * B)).map { _ in
      Int32(random.integer(below: network.configuration.vocabularySize))
    }
    let sampler = WindowSampler(tokens: tokens, blockSize: T, batchSize: B, seed: 1, purpose: .dataOrder)
    let data = TrainingData(
      training: sampler, trainingCheck: sampler, validationCheck: sampler, summary: "random tokens")
    let backend = Backend(pool: threads.map { ThreadPool(threads: $0) } ?? .shared)
    let trainer = try Trainer(model: network, data: data, configuration: configuration, backend: backend)
    let plan = try trainer.takeMemory()
    network.initialize(seed: 1)
    for _ in 0..<2 { _ = try trainer.step() }
    return Bench(trainer: trainer, plan: plan, backend: backend, batchSize: B, blockSize: T)
  }
}

extension Report {
  mutating func addModel(_ bench: StepOptions.Bench) {
    let precision = bench.trainer.configuration.precision
    let sizes = bench.trainer.model.configuration, threads = bench.backend.pool.threadCount
    addMachine(bench.backend)
    add("family", sizes.family.modelType, .string(sizes.family.modelType))
    add("threads", "\(threads)", .integer(Int64(threads)))
    add("precision", precision.rawValue, .string(precision.rawValue))
    add(
      "parameters",
      "\(bench.trainer.model.parameterCount.grouped) (\(sizes.layerCount) layers, \(sizes.headCount) heads, "
        + "\(sizes.channelCount) channels, vocabulary \(sizes.vocabularySize))",
      .integer(Int64(bench.trainer.model.parameterCount)))
    let batch = "\(bench.batchSize) x \(bench.blockSize) tokens"
    add("batch_size", label: "batch", batch, .integer(Int64(bench.batchSize)))
    add("block_size", .integer(Int64(bench.blockSize)))
  }
}
