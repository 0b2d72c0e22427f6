public import AutogradEngine
import AutogradKernels
import AutogradNeuralNetwork

// Memory is settled before the first step: worked out, compared with what there is, taken, touched. After that no step
// asks the system for any, so nothing can refuse it and nobody can kill the run for it.
extension Trainer {
  /// The arena and the scratch memory that training and evaluation need: dry runs, exact to the byte.
  public func plan() -> MemoryPlan {
    tape.plan { _ in _ = lossAndBackward() }.union(tape.plan { _ in _ = loss() })
  }

  /// Takes all the memory of the run and touches it. To be called before anything else needs a part of it, as a
  /// fingerprint or a checkpoint does: what is taken already would be counted twice.
  ///
  /// - Throws: `tooLarge` where the run needs more than there is; nothing was taken then. `outOfMemory` where the
  ///   system refuses all the same.
  @discardableResult
  public func takeMemory() throws(TrainingError) -> MemoryPlan {
    if let takenMemory { return takenMemory }
    let plan = plan()
    let planner = MemoryPlanner(
      model: model, isNew: false, training: configuration, batchSize: data.training.batchSize,
      blockSize: data.training.blockSize, dataBytes: data.byteCount, backend: tape.backend)
    try planner.requireMemory()
    guard optimizer.reserve(), tape.reserve(plan) else { throw .outOfMemory(bytes: planner.plan.newMemory) }
    takenMemory = plan
    return plan
  }

  /// Does two steps and one batch of evaluation after them, and times the second step and the evaluation, in seconds.
  ///
  /// - Throws: As `run` before its first step, and `nonFinite`.
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
