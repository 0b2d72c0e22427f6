import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing
import AutogradText

@testable import AutogradTraining

/// Windows of which one cannot be drawn.
private struct FailingSampler: BatchSampler {
  struct WornOut: Error, CustomStringConvertible {
    let description = "the tape is worn out"
  }

  let base: any BatchSampler
  let failing: UInt64?
  var blockSize: Int { base.blockSize }
  var batchSize: Int { base.batchSize }

  func fill(_ batch: inout TokenBatch, number: UInt64) throws {
    try base.fill(&batch, number: number)
    if number == failing { throw WornOut() }
  }
}

/// Runs on a disk in memory that suites save, put aside and take up again.
protocol SavedRuns {}

/// A run, and what saves it.
struct SavedRun {
  let trainer: Trainer
  let checkpointer: Checkpointer
}

private let text = Array(String(repeating: "sphinx of black quartz, judge my vow. ", count: 30).utf8)

extension SavedRuns {
  func configuration(_ change: (inout TrainingConfiguration) -> Void = { _ in }) -> TrainingConfiguration {
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = 6
    configuration.accumulation = 3
    configuration.learningRate = 1e-2
    configuration.minimumLearningRate = 1e-3
    configuration.warmupSteps = 2
    configuration.decaySteps = 6
    configuration.evaluationInterval = 2
    configuration.evaluationBatches = 2
    configuration.logInterval = 2
    configuration.saveInterval = 0
    change(&configuration)
    return configuration
  }

  /// A new run over a store; `seed` decides the weights that it starts with.
  func run(
    _ disk: CrashingFileSystem, _ configuration: TrainingConfiguration, seed: UInt64 = 7, threads: Int = 1,
    recomputing: Bool = false, failingAt failing: UInt64? = nil
  ) throws -> SavedRun {
    let tokenizer = try CharacterTokenizer(training: text)
    var model = Decoder<Float>(
      try DecoderConfiguration(
        vocabularySize: tokenizer.vocabularySize, contextLength: 8, layerCount: 1, headCount: 2, channelCount: 8,
        hasBias: true, dropout: 0.2), seed: seed)
    model.recomputesBlocks = recomputing
    let data = try TrainingData.windows(
      of: try TokenDataset(tokens: try tokenizer.encode(text)), blockSize: 8, batchSize: 2, seed: configuration.seed)
    func sampler(_ sampler: any BatchSampler, _ failing: UInt64?) -> any BatchSampler {
      FailingSampler(base: sampler, failing: failing)
    }
    let failingData = TrainingData(
      training: sampler(data.training, failing), trainingCheck: data.trainingCheck,
      validationCheck: sampler(data.validationCheck, failing.map { $0 % 2 }), summary: data.summary)
    return SavedRun(
      trainer: try Trainer(
        model: model, data: failing == nil ? data : failingData, configuration: configuration, backend: Backend(pool: ThreadPool(threads: threads))),
      checkpointer: Checkpointer(
        store: CheckpointStore(folder: "run/checkpoints", fileSystem: disk), tokenizer: tokenizer,
        data: DataIdentity(path: nil, bytes: text)))
  }

  func disk() -> CrashingFileSystem { CrashingFileSystem(folders: ["run"]) }

  /// Runs until it was asked `limit` times whether to stop; returns whether it came to its end.
  func go(_ run: SavedRun, limit: Int = .max, _ report: (TrainingEvent) -> Void = { _ in }) throws -> Bool {
    var asked = 0
    do {
      try run.trainer.run(
        checkpointer: run.checkpointer,
        isInterrupted: {
          asked += 1
          return asked == limit
        }
      ) { event throws(TrainingError) in report(event) }
      return true
    } catch TrainingError.cancelled {
      return false
    }
  }

  func resume(_ run: SavedRun) throws {
    let (entry, _) = try #require(try run.checkpointer.store.newestVerified())
    let checkpoint = try Checkpoint(run.checkpointer.store.path(entry), fileSystem: run.checkpointer.store.fileSystem)
    try checkpoint.restore(into: run.trainer)
    run.checkpointer.noteResume(checkpoint.record.progress)
  }

  func losses(_ curve: LossCurve) -> [[LossCurve.Point]] { [curve.training, curve.validation] }
}
