/// What a run tells while it goes on.
public enum TrainingEvent: Sendable {
  /// Once, before the first step. What is trained may be an adapter beside the model's parameters.
  case started(parameterCount: Int, trainedCount: Int, arenaBytes: Int, data: String)
  case step(StepMetrics)
  case evaluation(EvaluationMetrics)
  /// The run goes on from a checkpoint.
  case resumed(path: String, step: Int, fingerprint: Fingerprint)
  /// A checkpoint is on the disk, whatever happens now.
  case saved(path: String, step: Int, fingerprint: Fingerprint)
  /// A step went wrong, and what is done about it.
  case nonFinite(NonFiniteStep, NonFinitePolicy)
  /// Something failed that the run can do without.
  case warning(step: Int, String)
}

/// One logged step.
public struct StepMetrics: Sendable {
  /// Steps done, this one included.
  public let step: Int
  /// The step's own loss, before its update, in nats per token or, of preference pairs, per pair.
  public let loss: Double
  public let learningRate: Double
  /// Before clipping.
  public let gradientNorm: Double
  /// What is told beside the loss; empty for texts.
  public let measures: [Measure]
  /// Over the steps since the last line, evaluation excluded.
  public let tokensPerSecond: Double
  public let arenaBytes: Int
}

/// Losses over evaluation batches, in nats per token or, of preference pairs, per pair.
public struct EvaluationMetrics: Sendable {
  /// Steps done.
  public let step: Int
  public let trainingLoss: Double
  public let validationLoss: Double
  /// What is told beside the validation loss; empty for texts.
  public let validationMeasures: [Measure]
  /// Of the weights and the optimiser's state that were measured.
  public let fingerprint: Fingerprint
}
