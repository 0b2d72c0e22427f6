/// How far a run has come: everything that a resume needs besides weights, moments and settings.
///
/// Random numbers need nothing of their own: they are drawn by counters that follow from the seed and from these.
public struct TrainingProgress: Sendable, Equatable {
  /// Steps done, skipped ones among them.
  public internal(set) var step = 0
  /// Batches of the step under way whose gradients have been added up.
  public internal(set) var accumulated = 0
  /// The sum of their losses.
  public internal(set) var accumulatedLoss = 0.0
  /// The sums of what is told beside the loss.
  public internal(set) var accumulatedMeasures: [Double] = []
  /// Batches that rollbacks left out: step s begins with batch s · accumulation + this.
  public internal(set) var abandonedBatches = 0
  /// Steps in a row, up to now, whose loss or gradient was not finite and which changed nothing.
  public internal(set) var skippedInARow = 0
  /// Rollbacks since a step was last saved.
  public internal(set) var rollbacks = 0
  /// Tokens that the weights were trained on.
  public internal(set) var tokens = 0
  /// The evaluation under way.
  public internal(set) var evaluation: EvaluationProgress?
  public internal(set) var lastEvaluation: EvaluationLosses?
  /// The evaluation with the least validation loss, the earliest of equals.
  public internal(set) var bestEvaluation: EvaluationLosses?
  /// Evaluations since that one.
  public internal(set) var evaluationsSinceBest = 0

  public init() {}

  /// No evaluation has been better for so many that a run of this patience ends.
  func hasRunOut(_ patience: Int?) -> Bool { patience.map { evaluationsSinceBest >= $0 } ?? false }

  /// Between two steps, with no evaluation under way.
  var isBetweenSteps: Bool { accumulated == 0 && evaluation == nil }
}

/// An evaluation that is not done yet.
public struct EvaluationProgress: Sendable, Equatable {
  /// 0 while the training loss is measured, 1 while the validation loss is.
  public internal(set) var part = 0
  /// Batches of this part that were measured, and the sum of their losses.
  public internal(set) var batches = 0
  public internal(set) var lossSum = 0.0
  /// The sums of what is told beside it.
  public internal(set) var measureSums: [Double] = []
  /// The training loss, once its part is done.
  public internal(set) var trainingLoss = 0.0
}

/// What an evaluation found.
public struct EvaluationLosses: Sendable, Equatable {
  public let step: Int
  public let trainingLoss: Double
  public let validationLoss: Double
}

extension [Double] {
  /// Adds numbers place by place; nothing is there before the first.
  mutating func add(_ numbers: [Double]) {
    if isEmpty { self = numbers } else { for index in indices { self[index] += numbers[index] } }
  }
}
