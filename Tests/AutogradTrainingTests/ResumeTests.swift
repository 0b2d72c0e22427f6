import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing
import AutogradText

@testable import AutogradTraining

/// Runs that are put aside and taken up again, against the same runs undisturbed.
@Suite("Resuming") struct ResumeTests: SavedRuns {
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
}
