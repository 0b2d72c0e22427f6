import AutogradEngine
import AutogradTraining

/// Times two steps of a run and one batch of its evaluation.
struct StepProbe {
  /// The second step: the first finds cold caches.
  let secondsPerStep: Double
  let secondsOfRun: Double
  let steps: Int

  init(_ run: TrainingRun, _ plan: TrainingPlan) throws {
    let trainer = try run.changed(to: plan).prepare().trainer
    try run.source.prepare(in: nil)
    let (step, evaluation) = try trainer.probe()
    secondsPerStep = step
    let configuration = trainer.configuration
    steps = configuration.maximumSteps
    // There is always an evaluation at the end, of batches of both parts.
    let evaluations = (steps + configuration.evaluationInterval - 1) / configuration.evaluationInterval
    secondsOfRun = Double(steps) * step
      + 2 * Double(evaluations) * Double(configuration.evaluationBatches) * evaluation
  }
}
