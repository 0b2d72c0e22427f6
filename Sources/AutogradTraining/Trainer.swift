public import AutogradEngine
import AutogradBase
public import AutogradKernels
public import AutogradModels
import AutogradNeuralNetwork
import AutogradText

/// Trains a language model on windows of a text.
///
/// The way of the data: the sampler draws windows of token ids; a step of the tape turns them into a loss and, by
/// backward, into gradients; norm and clip factor go into the optimiser's one pass over the weights. After the first
/// step nothing is allocated any more, except while logging, evaluating and saving.
///
/// Everything that a run has come to is in weights, optimiser, `progress` and `curve`; it can be put aside after any
/// batch, also in the middle of a step that accumulates several and of an evaluation.
public final class Trainer {
  public let model: any LanguageModel<Float>
  public let configuration: TrainingConfiguration
  public private(set) var progress = TrainingProgress()
  /// The losses so far.
  public private(set) var curve: LossCurve

  let tape: Tape<Float>
  let optimizer: any Optimizer<Float>
  let data: TrainingData
  /// What was asked for and taken; nil before.
  var takenMemory: MemoryPlan?
  private var inputs: [Int32]
  private var targets: [Int32]

  /// The step to profile, counted from 1; nil profiles none. See `lastProfile`.
  public var profiledStep: Int?

  /// Steps done.
  public var stepCount: Int { progress.step }

  private var T: Int { data.training.blockSize }
  private var B: Int { data.training.batchSize }

  /// - Throws: `invalidConfiguration` where settings, or windows and model, do not fit.
  public init(
    model: any LanguageModel<Float>, data: TrainingData, configuration: TrainingConfiguration, backend: Backend = Backend()
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
    curve = LossCurve(optimum: data.optimum)
    tape = Tape(backend: backend)
    tape.seed = configuration.seed
    tape.matmulPrecision = configuration.precision
    optimizer = configuration.makeOptimizer(for: model.storedParameters, backend: backend)
    inputs = [Int32](repeating: 0, count: data.training.batchSize * data.training.blockSize)
    targets = inputs
  }

  // MARK: Running

  /// Trains until `maximumSteps` are done.
  ///
  /// - Parameters:
  ///   - keeper: Saves checkpoints on the way and at the end; nil keeps none.
  ///   - isInterrupted: Asked after every batch, of training and of evaluation; true ends the run there.
  ///   - report: Called before the first step, for each line of progress and after each evaluation; what it throws ends
  ///     the run.
  /// - Throws: `cancelled` where `isInterrupted` said so, after the keeper has saved; `nonFinite`; `tooLarge` and
  ///   `outOfMemory` before the first step; `checkpoint` where the last save failed: earlier ones only give a warning.
  public func run(
    keeper: RunKeeper? = nil, isInterrupted: () -> Bool = { Task.isCancelled },
    _ report: (TrainingEvent) throws(TrainingError) -> Void
  ) throws(TrainingError) {
    let plan = try takeMemory()
    func tell(_ event: TrainingEvent) throws(TrainingError) {
      curve.add(event)
      try report(event)
    }
    try tell(.started(parameterCount: model.parameterCount, arenaBytes: plan.arenaBytes, data: data.summary))
    try keeper?.begin(self, tell)
    var meter = Meter()
    while let unit = advance() {
      switch unit {
      case .batch: break
      case .step(let metrics):
        meter.count(B * configuration.accumulation * T)
        if stepCount == configuration.maximumSteps || stepCount % configuration.logInterval == 0 {
          try tell(.step(line(metrics, meter.rate())))
          meter = Meter()
        }
      case .nonFinite(let bad): try handle(bad, keeper, tell)
      case .evaluation(let metrics):
        try tell(.evaluation(metrics))
        meter = Meter()
      }
      if let keeper, try keeper.saveIfDue(self, tell) { meter = Meter() }
      if isInterrupted() {
        try keeper?.saveInterrupted(self, tell)
        throw .cancelled(steps: stepCount)
      }
    }
    try keeper?.saveLast(self, tell)
  }

  private func line(_ metrics: StepResult, _ tokensPerSecond: Double) -> StepMetrics {
    StepMetrics(
      step: stepCount, loss: metrics.loss, learningRate: metrics.learningRate, gradientNorm: metrics.gradientNorm,
      tokensPerSecond: tokensPerSecond, arenaBytes: tape.statistics.peak)
  }

  // MARK: One batch after another

  typealias StepResult = (loss: Double, gradientNorm: Double, learningRate: Double)

  /// What one call of `advance` came to.
  private enum Unit {
    /// A batch of a step or of an evaluation that needs more of them.
    case batch
    case step(StepResult)
    /// Nothing was changed; somebody must decide what to do.
    case nonFinite(NonFiniteStep)
    case evaluation(EvaluationMetrics)
  }

  /// Does one batch's work, of the evaluation under way or of training; nil when the run is done.
  private func advance() -> Unit? {
    if progress.evaluation != nil { return evaluateBatch() }
    guard stepCount < configuration.maximumSteps else { return nil }
    accumulateBatch()
    guard progress.accumulated == configuration.accumulation else { return .batch }
    let unit = finishStep()
    if case .step = unit { scheduleEvaluation() }
    return unit
  }

  private func scheduleEvaluation() {
    if stepCount == configuration.maximumSteps || stepCount % configuration.evaluationInterval == 0 {
      progress.evaluation = EvaluationProgress()
    }
  }

  /// Loss, gradients, clipping, update.
  ///
  /// - Throws: `nonFinite` before the weights are touched, whatever the policy; the next call tries the same step anew.
  public func step() throws(TrainingError) -> (loss: Double, gradientNorm: Double, learningRate: Double) {
    while progress.accumulated < configuration.accumulation { accumulateBatch() }
    switch finishStep() {
    case .step(let result): return result
    case .nonFinite(let bad):
      let explained = explained(bad)
      restartStep()
      throw .nonFinite(explained)
    case .batch, .evaluation: fatalError("a step ends in a step")
    }
  }

  /// The number of the next batch to train on, or of an earlier one of the step under way.
  private func batchNumber(_ index: Int) -> UInt64 {
    UInt64(stepCount * configuration.accumulation + index + progress.passedBatches)
  }

  private func accumulateBatch() {
    tape.isProfiling = profiledStep == stepCount + 1
    progress.accumulatedLoss += lossOfBatch(progress.accumulated)
    progress.accumulated += 1
  }

  /// Adds the gradients of a batch of this step to those before it; returns its loss.
  private func lossOfBatch(_ index: Int) -> Double {
    let batch = batchNumber(index)
    fill(data.training, batch: batch)
    tape.randomStep = batch
    return tape.step(accumulating: index > 0) { _ in lossAndBackward() }
  }

  private func finishStep() -> Unit {
    let loss = progress.accumulatedLoss / Double(configuration.accumulation), norm = optimizer.gradientNorm()
    guard loss.isFinite, norm.isFinite else {
      return .nonFinite(NonFiniteStep(step: stepCount + 1, loss: loss, gradientNorm: norm))
    }
    let rate = configuration.schedule.rate(at: stepCount)
    optimizer.step(
      learningRate: rate, gradientScale: GradientClipping.factor(norm: norm, limit: configuration.gradientClip))
    progress.step += 1
    progress.skippedInARow = 0
    progress.tokens += B * T * configuration.accumulation
    restartStep()
    return .step((loss, norm, rate))
  }

  private func restartStep() {
    progress.accumulated = 0
    progress.accumulatedLoss = 0
  }

  // MARK: Numbers that are not finite

  private func handle(
    _ bad: NonFiniteStep, _ keeper: RunKeeper?, _ tell: (TrainingEvent) throws(TrainingError) -> Void
  ) throws(TrainingError) {
    let bad = explained(bad)
    restartStep()
    switch configuration.nonFinitePolicy {
    case .skip where progress.skippedInARow < NonFinitePolicy.patience:
      try tell(.nonFinite(bad, .skip))
      progress.step += 1
      progress.skippedInARow += 1
      scheduleEvaluation()
    case .rollback where progress.rollbacks < NonFinitePolicy.patience && keeper != nil:
      try tell(.nonFinite(bad, .rollback))
      let next = Int(batchNumber(configuration.accumulation)), rollbacks = progress.rollbacks
      try keeper?.restoreLast(into: self)
      progress.passedBatches = next - stepCount * configuration.accumulation
      progress.rollbacks = rollbacks + 1
    default:
      try tell(.nonFinite(bad, .stop))
      try keeper?.saveInterrupted(self, tell)
      throw .nonFinite(bad)
    }
  }

  /// Runs the step again, watching every operation: the same batches and random numbers give the same numbers.
  private func explained(_ bad: NonFiniteStep) -> NonFiniteStep {
    var result = bad
    result.cause = tape.firstNonFinite {
      for index in 0..<configuration.accumulation { _ = lossOfBatch(index) }
    }?.description
    return result
  }

  // MARK: Saving and restoring

  /// A hash of the weights and of what the optimiser remembers.
  public func fingerprint() -> Fingerprint { Fingerprint(model.storedParameters, optimizer) }

  /// What the optimiser remembers, with the gradients that wait for more batches, as a file.
  func optimizerFile() throws(ModuleFileError) -> any Sequence<[UInt8]> {
    try OptimizerFile.pieces(
      optimizer, gradients: progress.accumulated == 0 ? [] : model.storedParameters.filter(\.parameter.isTrainable))
  }

  /// Takes over weights that were loaded into `model`, and the rest.
  func restore(
    optimizerFile path: String, progress: TrainingProgress, curve: LossCurve, fileSystem: any FileSystem
  ) throws(ModuleFileError) {
    let parameters = model.storedParameters
    let contents = try OptimizerFile<Float>.read(path, for: optimizer, parameters, fileSystem: fileSystem)
    do throws(OptimizerStateError) {
      try optimizer.restore(contents.state)
    } catch {
      throw .mismatch(path: path, error.problems)
    }
    let byPath = Dictionary(parameters.map { ($0.path, $0.parameter) }) { first, _ in first }
    if !contents.gradients.isEmpty {
      tape.restoreGradients(contents.gradients.map { (byPath[$0.path]!, $0.tensor.elements) })
    }
    self.progress = progress
    self.curve = curve
  }

  func noteSave() { progress.rollbacks = 0 }

  /// The instructions that the bits of this run depend on.
  var instructionSet: String {
    let usesPairs = configuration.precision == .bfloat16 && tape.backend.multipliesPairs
    return tape.backend.instructionSet.rawValue + (usesPairs ? " with bfloat16" : "")
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

  /// Measures one batch. An evaluation is over `evaluationBatches` batches of each part: the same windows every time,
  /// so that evaluations of one run differ by the weights alone.
  private func evaluateBatch() -> Unit {
    var evaluation = progress.evaluation ?? EvaluationProgress()
    fill(evaluation.part == 0 ? data.trainingCheck : data.validationCheck, batch: UInt64(evaluation.batches))
    evaluation.lossSum += tape.step { _ in loss() }
    evaluation.batches += 1
    progress.evaluation = evaluation
    guard evaluation.batches == configuration.evaluationBatches else { return .batch }
    let mean = evaluation.lossSum / Double(configuration.evaluationBatches)
    if evaluation.part == 0 {
      progress.evaluation = EvaluationProgress(part: 1, trainingLoss: mean)
      return .batch
    }
    let losses = EvaluationLosses(step: stepCount, trainingLoss: evaluation.trainingLoss, validationLoss: mean)
    progress.evaluation = nil
    progress.lastEvaluation = losses
    if mean < progress.bestEvaluation?.validationLoss ?? .infinity { progress.bestEvaluation = losses }
    return .evaluation(
      EvaluationMetrics(
        step: stepCount, trainingLoss: losses.trainingLoss, validationLoss: mean, fingerprint: fingerprint()))
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
  private let watch = Stopwatch(.wall)
  private var tokens = 0

  mutating func count(_ tokens: Int) { self.tokens += tokens }

  func rate() -> Double { Double(tokens) / watch.seconds }
}
