import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing
import AutogradText

@testable import AutogradTraining

/// What a run does where a loss or a gradient is no number.
@Suite("Numbers that are not finite") struct NonFiniteTests: SavedRuns {
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
    func train(limit: Int) throws -> (SavedRun, Bool) {
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
}
