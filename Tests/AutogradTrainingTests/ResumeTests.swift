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

/// Runs that are put aside and taken up again, against the same runs undisturbed.
@Suite("Resuming") struct ResumeTests {
  private let text = Array(String(repeating: "sphinx of black quartz, judge my vow. ", count: 30).utf8)

  private func configuration(_ change: (inout TrainingConfiguration) -> Void = { _ in }) -> TrainingConfiguration {
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

  private struct Run {
    let trainer: Trainer
    let checkpointer: Checkpointer
  }

  /// A new run over a store; `seed` decides the weights that it starts with.
  private func run(
    _ disk: CrashingFileSystem, _ configuration: TrainingConfiguration, seed: UInt64 = 7, threads: Int = 1,
    recomputing: Bool = false, failingAt failing: UInt64? = nil
  ) throws -> Run {
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
    return Run(
      trainer: try Trainer(
        model: model, data: failing == nil ? data : failingData, configuration: configuration, backend: Backend(pool: ThreadPool(threads: threads))),
      checkpointer: Checkpointer(
        store: CheckpointStore(folder: "run/checkpoints", fileSystem: disk), tokenizer: tokenizer,
        data: DataIdentity(path: nil, bytes: text)))
  }

  private func disk() -> CrashingFileSystem { CrashingFileSystem(folders: ["run"]) }

  /// Runs until it was asked `limit` times whether to stop; returns whether it came to its end.
  private func go(_ run: Run, limit: Int = .max, _ report: (TrainingEvent) -> Void = { _ in }) throws -> Bool {
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

  private func resume(_ run: Run) throws {
    let (entry, _) = try #require(try run.checkpointer.store.newestVerified())
    let checkpoint = try Checkpoint(run.checkpointer.store.path(entry), fileSystem: run.checkpointer.store.fileSystem)
    try checkpoint.restore(into: run.trainer)
    run.checkpointer.noteResume(checkpoint.record.progress)
  }

  private func losses(_ curve: LossCurve) -> [[LossCurve.Point]] { [curve.training, curve.validation] }

  @Test("interrupted after any batch, of a step that accumulates or of an evaluation: the same bits, losses and curve",
    arguments: OptimizerKind.allCases)
  func anyBatch(optimizer: OptimizerKind) throws {
    let configuration = configuration { $0.optimizer = optimizer }, whole = try run(disk(), configuration)
    #expect(try go(whole))
    // 6 steps of 3 batches and 3 evaluations of 4.
    let batches = 6 * 3 + 3 * 4
    for limit in 1...batches {
      let disk = disk(), first = try run(disk, configuration)
      #expect(try go(first, limit: limit) == false)
      let second = try run(disk, configuration, seed: 99, threads: 2)
      try resume(second)
      #expect(second.trainer.progress == first.trainer.progress)
      #expect(try go(second))
      #expect(second.trainer.fingerprint() == whole.trainer.fingerprint(), "interrupted after \(limit) batches")
      #expect(second.trainer.progress == whole.trainer.progress)
      #expect(losses(second.trainer.curve) == losses(whole.trainer.curve))
    }
  }

  @Test("interrupted after every single batch, again and again")
  func everyBatch() throws {
    let configuration = configuration(), whole = try run(disk(), configuration), disk = disk()
    #expect(try go(whole))
    var current = try run(disk, configuration), restarts = 0
    while try !go(current, limit: 1) {
      restarts += 1
      current = try run(disk, configuration, seed: UInt64(restarts))
      try resume(current)
    }
    #expect(restarts == 30)
    #expect(current.trainer.fingerprint() == whole.trainer.fingerprint())
    #expect(current.trainer.progress == whole.trainer.progress)
  }

  @Test("data that cannot be read ends the run after a save, whichever batch it is; it goes on with the same bits")
  func failingData() throws {
    let configuration = configuration(), whole = try run(disk(), configuration)
    #expect(try go(whole))
    for batch in 0..<UInt64(18) {
      let disk = disk(), first = try run(disk, configuration, failingAt: batch)
      var saved: [Int] = []
      do {
        _ = try go(first) { if case .saved(_, let step, _) = $0 { saved.append(step) } }
        Issue.record("batch \(batch) did not fail")
      } catch TrainingError.data(let step, let error) {
        #expect(step == first.trainer.stepCount + 1 && "\(error)" == "the tape is worn out")
        let isNothingLost = saved == [first.trainer.stepCount] || first.trainer.progress == TrainingProgress()
        #expect(isNothingLost, "\(saved) at batch \(batch)")
      }
      let second = try run(disk, configuration, seed: 99)
      try resume(second)
      #expect(try go(second))
      #expect(second.trainer.fingerprint() == whole.trainer.fingerprint(), "batch \(batch)")
      #expect(losses(second.trainer.curve) == losses(whole.trainer.curve))
    }
  }

  // MARK: As a sequence of events

  private func words(_ event: TrainingEvent) -> String {
    switch event {
    case .started: "started"
    case .step(let metrics): "step \(metrics.step) \(metrics.loss)"
    case .evaluation(let metrics): "evaluation \(metrics.step) \(metrics.validationLoss)"
    case .saved(_, let step, let fingerprint): "saved \(step) \(fingerprint)"
    default: "\(event)"
    }
  }

  @Test("the sequence of events is what run reports, and ends once")
  func events() async throws {
    let configuration = configuration { $0.saveInterval = 2 }, whole = try run(disk(), configuration)
    var reported: [String] = []
    #expect(try go(whole) { reported.append(words($0)) })
    let run = try run(disk(), configuration)
    var told: [String] = []
    for try await event in run.trainer.events(checkpointer: run.checkpointer) { told.append(words(event)) }
    #expect(told == reported && told.count > 8)
    #expect(run.trainer.fingerprint() == whole.trainer.fingerprint())
    var over = run.trainer.events().makeAsyncIterator()
    while try await over.next() != nil {}
    #expect(try await over.next() == nil)
  }

  @Test("a cancelled task finishes its step, saves, and throws; another run goes on with the same bits")
  func cancelledEvents() async throws {
    let configuration = configuration(), whole = try run(disk(), configuration), disk = disk()
    #expect(try go(whole))
    nonisolated(unsafe) let first = try run(disk, configuration)
    let task = Task {
      var last = ""
      do {
        for try await event in first.trainer.events(checkpointer: first.checkpointer) {
          if case .step(let metrics) = event, metrics.step == 4 { withUnsafeCurrentTask { $0?.cancel() } }
          last = words(event)
        }
        Issue.record("it came to its end")
      } catch TrainingError.cancelled(let steps) {
        #expect(steps == first.trainer.stepCount)
      }
      return last
    }
    let last = try await task.value
    #expect(first.trainer.progress.accumulated == 0 && first.trainer.stepCount == 4)
    #expect(last == "saved 4 \(first.trainer.fingerprint())")
    let second = try run(disk, configuration, seed: 99)
    try resume(second)
    for try await _ in second.trainer.events(checkpointer: second.checkpointer) {}
    #expect(second.trainer.fingerprint() == whole.trainer.fingerprint())
  }

  @Test("who breaks off the loop has stopped the run there, and can go on with it")
  func brokenOff() async throws {
    let configuration = configuration(), whole = try run(disk(), configuration), run = try run(disk(), configuration)
    #expect(try go(whole))
    for try await event in run.trainer.events() {
      if case .step = event { break }
    }
    #expect(run.trainer.stepCount == 2)
    for try await _ in run.trainer.events() {}
    #expect(run.trainer.fingerprint() == whole.trainer.fingerprint())
  }

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

  // MARK: Numbers that are not finite

  /// Makes a run's loss infinite as long as the position of token 5 holds a number that is none.
  private func poison(_ trainer: Trainer, _ value: Float) -> Float {
    let weight = trainer.model["positionEmbedding.weight"]!
    var values = weight.array
    defer { weight.set(values) }
    let old = values[5 * 8 + 3]
    values[5 * 8 + 3] = value
    return old
  }

  @Test("a bad step is replayed and names operation, place and index; the weights stay")
  func cause() throws {
    let run = try run(disk(), configuration { $0.nonFinitePolicy = .stop })
    _ = poison(run.trainer, .nan)
    let before = run.trainer.fingerprint()
    do {
      _ = try go(run)
      Issue.record("trained on NaN")
    } catch TrainingError.nonFinite(let bad) {
      #expect(bad.step == 1 && bad.loss.isNaN)
      let cause = try #require(bad.cause)
      #expect(cause.hasPrefix("embedding: the first number that is not finite: nan at index 43 of its result [8, 8]"))
      #expect(cause.contains("with positionEmbedding.weight"))
    }
    #expect(run.trainer.fingerprint() == before)
    #expect(try run.checkpointer.store.entries().count == 1, "the state before the bad step is saved")
  }

  @Test("three bad steps in a row are skipped, the fourth ends the run")
  func skipping() throws {
    let run = try run(disk(), configuration())
    _ = poison(run.trainer, .infinity)
    var actions: [NonFinitePolicy] = []
    do {
      _ = try go(run) { if case .nonFinite(_, let action) = $0 { actions.append(action) } }
      Issue.record("trained on infinity")
    } catch TrainingError.nonFinite(let bad) {
      #expect(bad.step == 4)
    }
    #expect(actions == [.skip, .skip, .skip, .stop])
  }

  @Test("after a skipped step training goes on, and a resume in between changes nothing")
  func skippingOnce() throws {
    func train(limit: Int) throws -> (Run, Bool) {
      let disk = disk()
      var run = try run(disk, configuration()), isPoisoned = true
      let old = poison(run.trainer, .nan)
      // The first step is bad; then the number is put back.
      func cure(_ event: TrainingEvent) {
        if isPoisoned, case .nonFinite = event {
          _ = poison(run.trainer, old)
          isPoisoned = false
        }
      }
      var isDone = try go(run, limit: limit, cure)
      if !isDone {
        run = try self.run(disk, configuration(), seed: 3)
        try resume(run)
        isDone = try go(run)
      }
      return (run, isDone)
    }
    let (whole, isDone) = try train(limit: .max), (parted, isPartedDone) = try train(limit: 5)
    #expect(isDone && isPartedDone)
    #expect(whole.trainer.progress.tokens == 5 * 3 * 2 * 8, "the skipped step's tokens were not learnt from")
    #expect(whole.trainer.fingerprint() == parted.trainer.fingerprint())
  }

  @Test("rollback goes back to the last checkpoint and on with batches that have not been seen")
  func rollback() throws {
    let run = try run(disk(), configuration {
      $0.nonFinitePolicy = .rollback
      $0.saveInterval = 2
    })
    var rollbacks: [Int] = [], isPoisoned = false, old: Float = 0
    #expect(
      try go(run) { event in
        switch event {
        case .saved(_, let step, _) where step == 4 && rollbacks.isEmpty:
          old = poison(run.trainer, .nan)
          isPoisoned = true
        case .nonFinite(let bad, .rollback):
          rollbacks.append(bad.step)
          if isPoisoned { _ = poison(run.trainer, old) }
          isPoisoned = false
        default: break
        }
      })
    #expect(rollbacks == [5])
    #expect(run.trainer.stepCount == 6)
    // Back from step 5 to the checkpoint of step 4, past the 3 batches of step 5.
    #expect(run.trainer.progress.abandonedBatches == 3)
  }

  @Test("a curve of any length stays small, keeps its first and latest point, and comes back from JSON")
  func curve() throws {
    var points = ThinnedPoints()
    for step in 1...100_000 { points.add(LossCurve.Point(step: step, loss: Double(step))) }
    #expect(points.kept.count <= ThinnedPoints.limit && points.kept.count >= ThinnedPoints.limit / 2)
    #expect(points.withLatest.first?.step == 1 && points.withLatest.last?.step == 100_000)
    let gaps = zip(points.kept.dropFirst(), points.kept).map { $0.step - $1.step }
    #expect(Set(gaps) == [points.stride])
    var again = try ThinnedPoints(Fields(try JSON(parsing: points.json.serialized())))
    #expect(again == points)
    for step in 100_001...200_000 {
      points.add(LossCurve.Point(step: step, loss: 0))
      again.add(LossCurve.Point(step: step, loss: 0))
    }
    #expect(again == points)
  }
}
