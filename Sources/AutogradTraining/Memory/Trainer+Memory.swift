public import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork

// Memory is seen to before the first step: worked out, compared with what there is, taken, touched. After that no step
// asks the system for any, so nothing can refuse it and nobody can kill the run for it.
extension Trainer {
  /// The arena and the scratch memory that training and evaluation need, exact to the byte.
  public func plan() -> MemoryPlan { need.steps }

  /// Runs a step and an evaluation dry: the trainer's own code, with a simulated arena and without kernels. Neither the
  /// model nor the optimiser takes memory for it.
  func dryRun() -> RunNeed {
    isPlanning = true
    defer { isPlanning = false }
    var stages: [TrainingPlan.Stage] = [], used = 0
    func note(_ name: String) {
      stages.append(TrainingPlan.Stage(name: name, bytes: tape.statistics.used - used))
      used = tape.statistics.used
    }
    let training = tape.plan { _ in
      _ = lossAndBackward({ note($0.description) }, forwardIsDone: { note("loss") })
    }
    let evaluation = tape.plan { _ in _ = loss() }
    let sampling = Generator(model: model, sampler: Sampler(), tape: Tape(backend: tape.backend))
      .plan(upTo: Trainer.longestSample)
    return RunNeed(
      steps: training.union(evaluation), stages: stages, optimizer: optimizer.memory,
      saving: max(weights.savingBytes, sampling.cacheBytes + sampling.arenaBytes + sampling.workspaceBytes))
  }

  /// Tokens of the longest text that a run's plan has room to draw as a sample, its beginning included.
  public static var longestSample: Int { 512 }

  /// Takes all the memory of the run and touches it. To be called before anything else needs a part of it, as a
  /// fingerprint or a checkpoint does: what is taken already would be counted twice.
  ///
  /// - Throws: `tooLarge` where the run needs more than there is; nothing was taken then. `outOfMemory` where the
  ///   system refuses all the same.
  @discardableResult
  public func takeMemory() throws(TrainingError) -> MemoryPlan {
    if hasMemory { return need.steps }
    let planner = MemoryPlanner(self, isNew: false)
    try planner.requireMemory()
    guard optimizer.reserve(), tape.reserve(need.steps), model.reserveTables(positions: model.configuration.contextLength) else { throw .outOfMemory(bytes: planner.plan.newMemory) }
    makeRoomForBatch()
    hasMemory = true
    return need.steps
  }

  /// Does two steps and one batch of evaluation after them, and times the second step and the evaluation, in seconds.
  ///
  /// - Throws: As `run` before its first step, `nonFinite` and `data`.
  public func probe() throws(TrainingError) -> (secondsPerStep: Double, secondsPerEvaluationBatch: Double) {
    try takeMemory()
    _ = try step()
    let watch = Stopwatch(.wall)
    _ = try step()
    let secondsPerStep = watch.seconds
    _ = tape.step { _ in loss() }
    return (secondsPerStep, watch.seconds - secondsPerStep)
  }
}

/// What a run takes beside its weights and its text: found once, by dry runs.
struct RunNeed {
  /// Arena and scratch of training and evaluation, whichever takes more.
  let steps: MemoryPlan
  /// What the stages of the forward pass keep.
  let stages: [TrainingPlan.Stage]
  let optimizer: OptimizerMemory
  /// While a model is saved or samples are drawn: whichever takes more.
  let saving: Int
}
