import AutogradEngine
import AutogradTraining

/// Times two steps of a run and one batch of its evaluation.
struct StepProbe {
  /// The second step: the first finds cold caches.
  let secondsPerStep: Double
  let secondsOfRun: Double
  let steps: Int

  init(_ settings: PreparedRun, _ plan: TrainingPlan) throws {
    let settings = try settings.changed(to: plan)
    try settings.planner.requireMemory()
    let trainer = try Trainer(
      model: try settings.makeWeights(), data: settings.data, configuration: settings.configuration,
      backend: settings.backend)
    let (step, evaluation) = try trainer.probe()
    secondsPerStep = step
    let configuration = settings.configuration
    steps = configuration.maximumSteps
    // There is always an evaluation at the end, of batches of both parts.
    let evaluations = (steps + configuration.evaluationInterval - 1) / configuration.evaluationInterval
    secondsOfRun = Double(steps) * step + Double(2 * evaluations * configuration.evaluationBatches) * evaluation
  }
}
