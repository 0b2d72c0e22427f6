import AutogradEngine
public import AutogradKernels
public import AutogradNeuralNetwork

/// How a model is trained: everything that decides the result, and when a run tells and saves what it has come to.
public struct TrainingConfiguration: Sendable, Equatable {
  /// Batches per step, whose gradients are averaged.
  public var accumulation = 1
  public var maximumSteps = 2000
  /// The rate after warm-up.
  public var learningRate = 1e-3
  /// The rate at the end; nil takes `finalRateShare` of `learningRate`.
  public var minimumLearningRate: Double?
  /// The rate at the end as a share of `learningRate`, where `minimumLearningRate` is nil.
  public var finalRateShare = 0.1
  /// Steps of linear warm-up; nil takes 100, and a tenth of a run that is shorter than 1000 steps.
  public var warmupSteps: Int?
  /// The step at which the minimum is reached, warm-up included; nil takes the end of the run.
  public var decaySteps: Int?
  /// The way from the learning rate to its minimum.
  public var decay = LearningRateSchedule.Decay.cosine
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
  /// Evaluations in a row without a better validation loss after which a run ends; nil goes on to the last step.
  public var patience: Int?
  /// Steps between two lines of progress.
  public var logInterval = 10
  /// How matrix products multiply, in training and in its evaluations.
  public var precision = MatmulPrecision.float32
  /// How the forward pass multiplies by the stored weights of a base, in training and in its evaluations.
  public var baseProducts = BaseProducts.exact
  /// How much a difference between two answers counts against what the base finds, where preference pairs are learnt.
  public var preferenceBeta = 0.1
  /// Decides data order and dropout, and initial weights where the command draws them: a model that is handed to a
  /// trainer has its own.
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

  /// The learning rate of every step. What was left open follows from the number of steps.
  public var schedule: LearningRateSchedule {
    LearningRateSchedule(
      peak: learningRate, minimum: minimumLearningRate ?? learningRate * finalRateShare,
      warmupSteps: warmupSteps ?? min(100, maximumSteps / 10), decaySteps: decaySteps ?? maximumSteps, decay: decay)
  }

  /// What is wrong with the values, in words.
  package var problem: String? {
    var settings = RunSettings()
    settings.configuration = self
    return settings.problem(in: [.training, .saving])
  }

  /// What can be done and is probably not meant, in words: a learning rate that will not go the way of a schedule.
  ///
  /// - Parameter start: Steps done: what is over is not spoken of.
  package func doubts(from start: Int = 0) -> [String] {
    let schedule = schedule, peak = schedule.peak, minimum = schedule.minimum, end = maximumSteps
    guard start < end, peak > 0 else { return [] }
    var doubts: [String] = []
    if schedule.warmupSteps >= end {
      doubts.append(
        "the warm-up takes \(schedule.warmupSteps) steps and the run ends after \(end): the learning rate gets no "
          + "further than \(Int((100 * schedule.rate(at: end - 1) / peak).rounded())) % of \(peak); make the warm-up "
          + "shorter")
    }
    guard decay != .constant else { return doubts }
    if minimum > peak {
      doubts.append("the minimum learning rate, \(minimum), is above the learning rate, \(peak): the rate rises to it")
    }
    if max(start, schedule.decaySteps) < end, schedule.warmupSteps < end {
      let first = max(start, schedule.decaySteps, schedule.warmupSteps)
      if schedule.decaySteps <= schedule.warmupSteps, start <= schedule.warmupSteps {
        doubts.append(
          "the learning rate is to reach its minimum at step \(schedule.decaySteps), when its warm-up of "
            + "\(schedule.warmupSteps) steps is not over: it drops from \(peak) to \(minimum) at once; let it fall for "
            + "more steps")
      } else if start >= schedule.decaySteps || minimum == 0 {
        doubts.append(
          "from step \(first) to the end at \(end) the learning rate stays at its minimum, \(minimum)"
            + (minimum == 0 ? ", and nothing is learnt" : "") + "; let it fall for more steps")
      }
    }
    return doubts
  }
}

/// How a forward pass multiplies by weights that are kept in blocks of small integers; gradients pass through the numbers
/// that these stand for, as `precision` says, either way.
public enum BaseProducts: String, Sendable, CaseIterable {
  /// As `precision` says.
  case exact
  /// In integers: activations are rounded to 8 bits, as `ProductMode.integer` has it. About twice as fast.
  case integer
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
