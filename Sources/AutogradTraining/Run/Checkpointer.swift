import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
public import AutogradText

/// Saves a run's checkpoints: when, which stay, and what happens when a disk will not have one.
///
/// A save that fails is a warning, and the next interval tries again; only the last one of a run is an error.
public final class Checkpointer {
  public let store: CheckpointStore
  private let tokenizer: any Tokenizer
  private let data: DataIdentity
  private let settings: RunSettings
  /// The step of the last attempt to save, and what is on the disk.
  private var lastAttempt: Int?
  private var saved: TrainingProgress?
  /// Checkpoints of a run that had ended before this one began: removed once this run has one of its own.
  private var superseded: [String] = []

  /// - Parameter settings: For records: what the trainer does not know itself, as where the weights came from.
  public init(
    store: CheckpointStore, tokenizer: any Tokenizer, data: DataIdentity, settings: RunSettings = RunSettings()
  ) {
    self.store = store
    self.tokenizer = tokenizer
    (self.data, self.settings) = (data, settings)
  }

  /// What a run has come to.
  public func record(of trainer: Trainer) -> RunRecord {
    RunRecord(of: trainer, data: data, settings: settings)
  }

  /// Notes what a run goes on from, which need not be saved again.
  public func noteResume(_ progress: TrainingProgress) {
    saved = progress
    if progress.isBetweenSteps { lastAttempt = progress.step }
  }

  /// Notes folders that the first save makes superfluous.
  public func noteSuperseded(_ paths: [String]) { superseded = paths }

  // MARK: When to save

  /// Before the first step: a policy that goes back needs something to go back to.
  func begin(_ trainer: Trainer) -> [TrainingEvent] {
    guard trainer.configuration.nonFinitePolicy == .rollback, saved == nil else { return [] }
    return save(trainer)
  }

  /// Saves where the interval says so, and where a run with patience is as good as never before: it may end there. The end
  /// is for `saveLast`.
  ///
  /// - Returns: What came of it; nil where it did not try.
  func saveIfDue(_ trainer: Trainer) -> [TrainingEvent]? {
    let interval = trainer.configuration.saveInterval, step = trainer.stepCount
    let isBest = trainer.configuration.patience != nil && trainer.progress.bestEvaluation?.step == step
    guard step > 0, interval > 0 && step % interval == 0 || isBest, !trainer.hasEnded,
      trainer.progress.isBetweenSteps, lastAttempt != step
    else { return nil }
    return save(trainer)
  }

  /// Saves a run that ends early, in whatever state.
  func saveInterrupted(_ trainer: Trainer) -> [TrainingEvent] {
    saved == trainer.progress ? [] : save(trainer, afterwards: "What came after the last one is lost")
  }

  /// Saves the end of a run.
  ///
  /// - Throws: `checkpoint` where that fails.
  func saveLast(_ trainer: Trainer) throws(TrainingError) -> [TrainingEvent] {
    guard saved != trainer.progress else { return [] }
    do throws(CheckpointError) {
      return [try write(trainer)] + prune(trainer)
    } catch {
      throw .checkpoint(error)
    }
  }

  private func save(
    _ trainer: Trainer, afterwards: String = "The run goes on and will try again"
  ) -> [TrainingEvent] {
    do throws(CheckpointError) {
      return [try write(trainer)] + prune(trainer)
    } catch {
      return [.warning(step: trainer.stepCount, "no checkpoint was saved: \(error). \(afterwards)")]
    }
  }

  // MARK: Saving

  private func write(_ trainer: Trainer) throws(CheckpointError) -> TrainingEvent {
    lastAttempt = trainer.stepCount
    let record = record(of: trainer), progress = record.progress
    let files: [CheckpointStore.File]
    do {
      files = try trainer.weights.checkpointFiles(tokenizer: tokenizer, metadata: [("step", "\(progress.step)")])
        + [
          (Checkpoint.optimizerFile, try trainer.optimizerFile()),
          (RunRecord.checkpointFile, CollectionOfOne(record.json.serialized())),
        ]
    } catch {
      throw .unfit("\(error)")
    }
    do throws(FileError) {
      let entry = try store.save(step: progress.step, files)
      saved = progress
      trainer.noteSave()
      return .saved(path: store.path(entry), step: progress.step, fingerprint: record.fingerprint)
    } catch {
      throw .file(error)
    }
  }

  /// Removes what is not to stay; what cannot be removed stays until the next time.
  private func prune(_ trainer: Trainer) -> [TrainingEvent] {
    do throws(FileError) {
      try store.prune(keeping: trainer.configuration.keptCheckpoints)
      for path in superseded { try store.fileSystem.removeTree(path) }
      superseded = []
      return []
    } catch {
      return [.warning(step: trainer.stepCount, "an old checkpoint was not removed: \(error)")]
    }
  }

  // MARK: Going back

  /// Puts a run back to its newest checkpoint.
  func restoreLast(into trainer: Trainer) throws(TrainingError) {
    do throws(CheckpointError) {
      guard let (entry, _) = try store.newestVerified() else { throw CheckpointError.none(path: store.folder) }
      let checkpoint = try Checkpoint(verified: store.path(entry), fileSystem: store.fileSystem)
      try checkpoint.restore(into: trainer)
      noteResume(checkpoint.record.progress)
    } catch {
      throw .checkpoint(error)
    }
  }
}
