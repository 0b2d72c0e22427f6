import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing
import AutogradText

@testable import AutogradTraining

/// When a run saves, what stays, and what its checkpoints and records say.
@Suite("Saving a run") struct CheckpointerTests: SavedRuns {
  @Test("saves by the interval, keeps the newest and the best, and saves the end once")
  func intervals() throws {
    let configuration = configuration {
      $0.saveInterval = 2
      $0.keptCheckpoints = 1
      // The rate is so high that later evaluations are worse than the first.
      $0.learningRate = 3
      $0.minimumLearningRate = 3
    }
    let run = try run(disk(), configuration)
    var saved: [Int] = []
    #expect(try go(run) { if case .saved(_, let step, _) = $0 { saved.append(step) } })
    #expect(saved == [2, 4, 6])
    let best = try #require(run.trainer.progress.bestEvaluation).step
    #expect(best != 6)
    #expect(try run.checkpointer.store.entries().map(\.step) == [best, 6])
    #expect(try run.checkpointer.store.best()?.step == best)
  }

  @Test("of checkpoints that are equally good the oldest is the best")
  func equallyGood() throws {
    let configuration = configuration {
      $0.saveInterval = 2
      $0.keptCheckpoints = 3
      $0.learningRate = 0
      $0.minimumLearningRate = 0
      $0.weightDecay = 0
    }
    let run = try run(disk(), configuration)
    #expect(try go(run))
    #expect(try run.checkpointer.store.entries().map(\.step) == [2, 4, 6])
    #expect(try run.checkpointer.store.best()?.step == 2)
  }

  @Test("a disk that fails gives warnings, the run goes on; only the last save is an error")
  func failingDisk() throws {
    let configuration = configuration { $0.saveInterval = 2 }, whole = try run(disk(), configuration)
    #expect(try go(whole))
    var warnings: [Int] = []
    func note(_ event: TrainingEvent) {
      if case .warning(let step, let sentence) = event {
        warnings.append(step)
        #expect(sentence.hasPrefix("no checkpoint was saved: "))
      }
    }
    let failing = try run(CrashingFileSystem(folders: ["run"], failure: .from(0)), configuration)
    do {
      _ = try go(failing, note)
      Issue.record("the last save did not fail")
    } catch TrainingError.checkpoint(.file) {}
    #expect(warnings == [2, 4])
    #expect(failing.trainer.fingerprint() == whole.trainer.fingerprint())
    // One failure only: the next interval succeeds.
    warnings = []
    let disk = CrashingFileSystem(folders: ["run"], failure: .at(3)), once = try run(disk, configuration)
    #expect(try go(once, note))
    #expect(warnings == [2])
    #expect(try once.checkpointer.store.entries().map(\.step) == [4, 6])
    #expect(!disk.names.contains { $0.contains("/.") })
  }

  @Test("a checkpoint of another model or optimiser is refused and changes nothing")
  func unfit() throws {
    let disk = disk(), first = try run(disk, configuration())
    #expect(try go(first))
    let other = try run(disk, configuration { $0.optimizer = .sgd })
    #expect(throws: CheckpointError.self) { try resume(other) }
    #expect(other.trainer.progress == TrainingProgress())
  }

  @Test("the record comes back as it was written, for any seed and for losses that are no numbers")
  func record() throws {
    let disk = disk(), configuration = configuration {
      $0.seed = .max
      $0.nonFinitePolicy = .rollback
      $0.beta2 = 0.1 + 0.2
    }
    let run = try run(disk, configuration)
    #expect(try go(run))
    let entry = try #require(try run.checkpointer.store.entries().last)
    let record = try Checkpoint(run.checkpointer.store.path(entry), fileSystem: disk).record
    #expect(record.settings.configuration == configuration)
    #expect(record.progress == run.trainer.progress)
    #expect(record.isFinished && record.fingerprint == run.trainer.fingerprint())
    var progress = TrainingProgress()
    progress.accumulatedLoss = .infinity
    progress.lastEvaluation = EvaluationLosses(
      step: 1, trainingLoss: -.infinity, validationLoss: .leastNonzeroMagnitude)
    let json = try JSON(parsing: progress.json.serialized())
    #expect(try TrainingProgress(Fields(json)) == progress)
  }

  @Test("settings that contradict a checkpoint are named; those that decide no numbers may change")
  func contradictions() throws {
    let disk = disk(), run = try run(disk, configuration())
    #expect(try go(run))
    let entry = try #require(try run.checkpointer.store.entries().last)
    let settings = try Checkpoint(run.checkpointer.store.path(entry), fileSystem: disk).record.settings
    var asked = settings
    asked.configuration.learningRate = 0.5
    asked.configuration.maximumSteps = 99
    asked.configuration.seed = 3
    asked.layerCount = 5
    asked.recomputesBlocks = true
    asked.initFrom = "/a/model"
    let given: Set = ["learning_rate", "n_layer", "max_iters", "recompute", "init_from"]
    #expect(
      settings.contradictions(to: asked, given: given)
        == ["--learning-rate 0.01 (not 0.5)", "--n-layer 1 (not 5)", "no --init-from (not /a/model)"])
    let changed = settings.changed(by: asked, given: given)
    #expect(changed.configuration.maximumSteps == 99 && changed.recomputesBlocks)
    #expect(changed.configuration.seed == settings.configuration.seed && changed.layerCount == 1)
  }

  @Test("a record says whether blocks are computed again and where weights came from; older ones say neither")
  func laterKeys() throws {
    let model = try DecoderConfiguration(vocabularySize: 3, contextLength: 8, layerCount: 1, headCount: 2, channelCount: 8)
    var record = try JSON(parsing: try recordJSON(recomputing: true))
    func settings() throws -> RunSettings { try RunRecord(json: record, model: model).settings }
    #expect(try settings().recomputesBlocks)
    #expect(try settings().initFrom == nil)
    record = .object((record.objectValue ?? []).filter { !["recompute", "init_from"].contains($0.key) })
    #expect(record["recompute"] == nil)
    #expect(try settings().recomputesBlocks == false)
    #expect(try settings().initFrom == nil)
  }

  @Test("what a run begins with comes back as it was written; what lies is refused as damaged")
  func start() throws {
    try temporaryDirectory { path in
      let run = try run(disk(), configuration { $0.seed = .max }), start = run.checkpointer.record(of: run.trainer)
      let directory = try RunDirectory(path)
      #expect(try directory.start() == nil)
      try directory.begin(with: start)
      let read = try #require(try directory.start())
      #expect(read.beginningBytes == start.beginningBytes)
      #expect(read.settings.configuration == run.trainer.configuration)
      #expect(read.model == run.trainer.model.configuration)
      #expect(try read.checkBeginning(of: run.trainer) == nil)
      let other = try self.run(disk(), configuration { $0.seed = .max }, seed: 8)
      #expect(throws: CheckpointError.self) { try read.checkBeginning(of: other.trainer) }
      let whole = String(decoding: start.beginningBytes, as: UTF8.self)
      for (old, new) in [("\"batch_size\": 2", "\"batch_size\": 0"), ("\"version\": 1", "\"version\": 2"), ("{", "[")] {
        try #require(whole.contains(old))
        #expect(throws: CheckpointError.self) {
          try RunRecord(beginning: Array(whole.replacing(old, with: new, maxReplacements: 1).utf8), path: "run.json")
        }
      }
    }
  }

  /// The record of the last checkpoint of a whole run.
  private func recordJSON(recomputing: Bool) throws -> [UInt8] {
    let disk = disk(), run = try run(disk, configuration(), recomputing: recomputing)
    #expect(try go(run))
    let entry = try #require(try run.checkpointer.store.entries().last)
    return try disk.read(run.checkpointer.store.path(entry) + "/training.json", byteLimit: 1 << 20)
  }

}
