import AutogradEngine
public import AutogradKernels
public import AutogradNeuralNetwork

/// How a model is trained: everything that decides the result, and when a run tells and saves what it has come to.
public struct TrainingConfiguration: Sendable, Equatable {
  /// Batches per step, whose gradients are averaged.
  public var accumulation = 1
  public var maximumSteps = 2000
  public var schedule = LearningRateSchedule(peak: 1e-3, minimum: 1e-4, warmupSteps: 100, decaySteps: 2000)
  public var optimizer = OptimizerKind.adamw
  public var beta1 = 0.9
  public var beta2 = 0.99
  /// On matrices only.
  public var weightDecay = 0.1
  /// The gradient norm above which gradients are scaled down; 0 never clips.
  public var gradientClip = 1.0
  /// Steps between two evaluations; there is always one at the end.
  public var evaluationInterval = 250
  /// Batches per part and evaluation.
  public var evaluationBatches = 20
  /// Steps between two lines of progress.
  public var logInterval = 10
  /// How matrix products multiply, in training and in its evaluations.
  public var precision = MatmulPrecision.float32
  /// Decides initial weights, data order and dropout.
  public var seed: UInt64 = 1337
  /// What becomes of a step whose loss or gradient is not finite.
  public var nonFinitePolicy = NonFinitePolicy.skip
  /// Steps between two checkpoints, where a run keeps any; 0 saves at the end and when interrupted.
  public var saveInterval = 250
  /// The number of checkpoints that stay, the best one apart.
  public var keptCheckpoints = 2

  public init() {}

  func makeOptimizer(for parameters: [NamedParameter<Float>], backend: Backend) -> any Optimizer<Float> {
    let groups = ParameterGroup.decayingMatrices(parameters, weightDecay: weightDecay)
    return switch optimizer {
    case .adamw, .adam:
      Adam(groups, beta1: beta1, beta2: beta2, decoupledDecay: optimizer == .adamw, backend: backend)
    case .sgd: SGD(groups, momentum: beta1, backend: backend)
    }
  }

  /// What is wrong with the values, in words.
  package var problem: String? {
    let counts = [
      ("number of accumulated batches", accumulation, 1), ("number of steps", maximumSteps, 0),
      ("evaluation interval", evaluationInterval, 1), ("number of evaluation batches", evaluationBatches, 1),
      ("log interval", logInterval, 1), ("number of warm-up steps", schedule.warmupSteps, 0),
      ("number of decay steps", schedule.decaySteps, 0), ("save interval", saveInterval, 0),
      ("number of kept checkpoints", keptCheckpoints, 1),
    ]
    for (name, value, least) in counts where value < least { return "the \(name) must be at least \(least), got \(value)" }
    let rates = [
      ("learning rate", schedule.peak), ("minimum learning rate", schedule.minimum), ("weight decay", weightDecay),
      ("gradient clip", gradientClip),
    ]
    for (name, value) in rates where !(value >= 0 && value.isFinite) {
      return "the \(name) must be a number of at least 0, got \(value)"
    }
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(value >= 0 && value < 1) {
      return "\(name) must be at least 0 and below 1, got \(value)"
    }
    return nil
  }
}

/// The optimisers that a run can choose.
public enum OptimizerKind: String, Sendable, CaseIterable {
  /// Adam with decoupled weight decay.
  case adamw
  /// Adam with weight decay inside the gradient.
  case adam
  /// Gradient descent; `beta1` is its momentum.
  case sgd
}
