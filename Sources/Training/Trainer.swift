public import Autograd
import Base
public import Kernels
public import LanguageModel
import NeuralNetwork
import Text

/// Trains a GPT on windows of a text.
///
/// The way of the data: the sampler draws windows of token ids; a step of the tape turns them into a loss and, by
/// backward, into gradients; norm and clip factor go into the optimiser's one pass over the weights. After the first
/// step nothing is allocated any more, except while logging and evaluating.
public final class Trainer {
  public let model: GPT<Float>
  public let configuration: TrainingConfiguration
  /// Steps done.
  public private(set) var stepCount = 0

  let tape: Tape<Float>
  let optimizer: any Optimizer<Float>
  let data: TrainingData
  /// The run's memory was asked for and taken.
  var hasMemory = false
  private var inputs: [Int32]
  private var targets: [Int32]

  /// The step to profile, counted from 1; nil profiles none. See `lastProfile`.
  public var profiledStep: Int?

  private var T: Int { data.training.blockSize }
  private var B: Int { data.training.batchSize }

  /// - Throws: `invalidConfiguration` where settings, or windows and model, do not fit.
  public init(
    model: GPT<Float>, data: TrainingData, configuration: TrainingConfiguration, backend: Backend = Backend()
  ) throws(TrainingError) {
    if let problem = configuration.problem { throw .invalidConfiguration(problem) }
    guard data.training.blockSize <= model.configuration.contextLength else {
      throw .invalidConfiguration(
        "windows of \(data.training.blockSize) tokens do not fit a model with a context of "
          + "\(model.configuration.contextLength)")
    }
    self.model = model
    self.configuration = configuration
    self.data = data
    tape = Tape(backend: backend)
    tape.seed = configuration.seed
    tape.matmulPrecision = configuration.precision
    optimizer = configuration.makeOptimizer(for: model.parameters, backend: backend)
    inputs = [Int32](repeating: 0, count: data.training.batchSize * data.training.blockSize)
    targets = inputs
  }

  // MARK: Running

  /// Trains until `maximumSteps` are done.
  ///
  /// - Parameter report: Called before the first step, for each line of progress and after each evaluation; what it
  ///   throws ends the run.
  /// - Throws: `cancelled` after a step during which the current task was cancelled; `nonFinite`; `tooLarge` and
  ///   `outOfMemory` before the first step.
  public func run(_ report: (TrainingEvent) throws(TrainingError) -> Void) throws(TrainingError) {
    let plan = try takeMemory()
    try report(
      .started(parameterCount: model.parameterCount, arenaBytes: plan.arenaBytes, data: data.summary))
    var meter = Meter()
    while stepCount < configuration.maximumSteps {
      if Task.isCancelled { throw .cancelled(steps: stepCount) }
      let metrics = try step()
      meter.count(B * configuration.accumulation * T)
      let isLast = stepCount == configuration.maximumSteps
      if isLast || stepCount % configuration.logInterval == 0 {
        try report(.step(line(metrics, meter.rate())))
        meter = Meter()
      }
      if isLast || stepCount % configuration.evaluationInterval == 0 {
        try report(.evaluation(evaluate()))
        meter = Meter()
      }
    }
  }

  private func line(
    _ metrics: (loss: Double, gradientNorm: Double, learningRate: Double), _ tokensPerSecond: Double
  ) -> StepMetrics {
    StepMetrics(
      step: stepCount, loss: metrics.loss, learningRate: metrics.learningRate, gradientNorm: metrics.gradientNorm,
      tokensPerSecond: tokensPerSecond, arenaBytes: tape.statistics.peak)
  }

  // MARK: One step

  /// Loss, gradients, clipping, update.
  ///
  /// - Throws: `nonFinite` before the weights are touched.
  public func step() throws(TrainingError) -> (loss: Double, gradientNorm: Double, learningRate: Double) {
    tape.isProfiling = profiledStep == stepCount + 1
    var loss = 0.0
    for microBatch in 0..<configuration.accumulation {
      let batch = UInt64(stepCount * configuration.accumulation + microBatch)
      fill(data.training, batch: batch)
      tape.randomStep = batch
      loss += tape.step(accumulating: microBatch > 0) { _ in lossAndBackward() }
    }
    loss /= Double(configuration.accumulation)
    let norm = optimizer.gradientNorm()
    guard loss.isFinite, norm.isFinite else {
      throw .nonFinite(step: stepCount + 1, loss: loss, gradientNorm: norm)
    }
    let rate = configuration.schedule.rate(at: stepCount)
    optimizer.step(
      learningRate: rate, gradientScale: GradientClipping.factor(norm: norm, limit: configuration.gradientClip))
    stepCount += 1
    return (loss, norm, rate)
  }

  private func fill(_ sampler: any BatchSampler, batch: UInt64) {
    unsafe inputs.withUnsafeMutableBufferPointer { inputs in
      unsafe targets.withUnsafeMutableBufferPointer { targets in
        // INVARIANT: both hold B·T ids, which the sampler checks.
        unsafe sampler.fill(batch: batch, inputs: inputs, targets: targets)
      }
    }
  }

  /// Inside a step: the loss of the current batch, its gradients left in the parameters.
  func lossAndBackward() -> Double {
    let seed = 1 / Float(configuration.accumulation), loss = lossVariable(expectedSeed: seed)
    loss.backward(seed: seed)
    return Double(loss.value)
  }

  private func lossVariable(expectedSeed: Float = 1) -> Variable<Float> {
    let shape: InlineArray<2, Int> = [B, T], inputs = inputs, targets = targets
    return model.loss(
      tape.tokens(inputs.span, shape: shape), targets: tape.tokens(targets.span, shape: shape),
      expectedSeed: expectedSeed)
  }

  // MARK: Evaluation

  /// The loss over `evaluationBatches` batches of each part: the same windows every time, so that evaluations of one
  /// run differ by the weights alone.
  public func evaluate() -> EvaluationMetrics {
    var losses: [Double] = []
    for sampler in [data.trainingCheck, data.validationCheck] {
      var sum = 0.0
      for batch in 0..<configuration.evaluationBatches {
        fill(sampler, batch: UInt64(batch))
        sum += tape.step { _ in loss() }
      }
      losses.append(sum / Double(configuration.evaluationBatches))
    }
    return EvaluationMetrics(step: stepCount, trainingLoss: losses[0], validationLoss: losses[1])
  }

  /// Inside a step: the loss of the current batch, nothing recorded.
  func loss() -> Double { tape.inference { Double(lossVariable().value) } }

  /// Time and memory by operation of the step that was profiled last: of its last batch.
  public var lastProfile: StepProfile? { tape.lastProfile }

  /// What the arena holds.
  public var arenaStatistics: ArenaStatistics { tape.statistics }
}

/// Tokens per second since it was made.
private struct Meter {
  private let start = ContinuousClock.now
  private var tokens = 0

  mutating func count(_ tokens: Int) { self.tokens += tokens }

  func rate() -> Double {
    let elapsed = start.duration(to: .now)
    return Double(tokens) / (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
  }
}
