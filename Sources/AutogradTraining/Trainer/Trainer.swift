public import AutogradEngine
import AutogradBase
public import AutogradKernels
public import AutogradModels
public import AutogradNeuralNetwork
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
  /// What training changes of the model.
  public let weights: any TrainedWeights
  public let configuration: TrainingConfiguration
  public private(set) var progress = TrainingProgress()
  /// The losses so far.
  public private(set) var curve: LossCurve

  let tape: Tape<Float>
  let optimizer: any Optimizer<Float>
  let data: TrainingData
  let objective: any TrainingObjective
  /// What the run takes; see `takeMemory`.
  private(set) lazy var need = dryRun()
  /// Whether the memory was taken.
  var hasMemory = false
  /// Inside `dryRun`: steps look at no tokens.
  var isPlanning = false
  /// The current batch. Empty until the first is drawn.
  private var batch = TokenBatch(rowCount: 0, blockSize: 0)

  /// The step to profile, counted from 1; nil profiles none. See `lastProfile`.
  public var profiledStep: Int?

  /// Called once a step, between its last backward and the norm: it may change the gradients by
  /// `Optimizer.changeGradients`, as several processes do that add theirs up. What it throws ends the run.
  public var beforeNorm: ((any Optimizer<Float>) throws(TrainingError) -> Void)?

  public var model: any LanguageModel<Float> { weights.model }

  /// What runs its kernels.
  public var backend: Backend { tape.backend }

  /// Steps done.
  public var stepCount: Int { progress.step }

  var T: Int { data.training.blockSize }
  /// Rows of a batch.
  var B: Int { data.training.rowCount }

  /// - Throws: `invalidConfiguration` where settings, or windows and model, do not fit.
  public convenience init(
    model: any LanguageModel<Float>, data: TrainingData, configuration: TrainingConfiguration,
    backend: Backend = Backend()
  ) throws(TrainingError) {
    try self.init(WholeModel(model), data: data, configuration: configuration, backend: backend)
  }

  /// - Parameter weights: What is trained: all of a model, or an adapter.
  /// - Throws: As above.
  public convenience init(
    _ weights: any TrainedWeights, data: TrainingData, configuration: TrainingConfiguration,
    backend: Backend = Backend()
  ) throws(TrainingError) {
    let model = weights.model
    if let problem = configuration.problem { throw .invalidConfiguration(problem) }
    guard data.training.blockSize <= model.configuration.contextLength else {
      throw .invalidConfiguration(
        "windows of \(data.training.blockSize) tokens do not fit a model with a context of "
          + "\(model.configuration.contextLength)")
    }
    guard !data.holdsPairs || weights.base != nil else {
      throw .invalidConfiguration(
        "preference pairs are compared with the model without its adapter, so they train an adapter (--lora-rank)")
    }
    self.init(sized: weights, data: data, configuration: configuration, backend: backend)
  }

  /// Trains for a number of steps; everything else is as `TrainingConfiguration` has it, and the learning rate falls
  /// until the last step.
  ///
  /// - Throws: `invalidConfiguration` as above.
  public convenience init(
    model: any LanguageModel<Float>, data: TrainingData, maximumSteps: Int, learningRate: Double = 1e-3,
    backend: Backend = Backend()
  ) throws(TrainingError) {
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = maximumSteps
    configuration.learningRate = learningRate
    try self.init(model: model, data: data, configuration: configuration, backend: backend)
  }

  /// Whatever fits is known to fit.
  private init(
    sized weights: any TrainedWeights, data: TrainingData, configuration: TrainingConfiguration, backend: Backend
  ) {
    self.weights = weights
    self.configuration = configuration
    self.data = data
    objective = data.objective(configuration)
    curve = LossCurve(optimum: data.optimum)
    tape = Tape(backend: backend)
    tape.seed = configuration.seed
    tape.matmulPrecision = configuration.precision
    tape.multipliesIntegers = configuration.baseProducts == .integer
    optimizer = configuration.makeOptimizer(for: weights.parameters, backend: backend)
  }

  /// A trainer of other sizes: to plan with, since its data has no tokens.
  func resized(
    batchSize: Int, blockSize: Int, accumulation: Int, recomputing: Bool, model: any LanguageModel<Float>
  ) -> Trainer {
    var weights = weights, configuration = configuration
    weights.model = model
    weights.model.recomputesBlocks = recomputing
    configuration.accumulation = accumulation
    return Trainer(
      sized: weights, data: .sizes(batchSize: batchSize, blockSize: blockSize, like: data),
      configuration: configuration,
      backend: tape.backend)
  }

  // MARK: One batch after another

  typealias StepResult = (loss: Double, gradientNorm: Double, learningRate: Double, measures: [Measure])

  /// What a batch came to.
  typealias BatchResult = (loss: Double, measures: [Double])

  /// What one call of `advance` came to.
  enum Unit {
    /// A batch of a step or of an evaluation that needs more of them.
    case batch
    case step(StepResult)
    /// Nothing was changed; somebody must decide what to do.
    case nonFinite(NonFiniteStep)
    case evaluation(EvaluationMetrics)
  }

  /// Does one batch's work, of the evaluation under way or of training; nil when the run is done.
  ///
  /// - Throws: `data`; nothing was changed then.
  func advance() throws(TrainingError) -> Unit? {
    if progress.evaluation != nil { return try evaluateBatch() }
    guard !hasEnded else { return nil }
    try accumulateBatch()
    guard progress.accumulated == configuration.accumulation else { return .batch }
    let unit = try finishStep()
    if case .step = unit { scheduleEvaluation() }
    return unit
  }

  /// The run has done its steps, or its patience has run out.
  var hasEnded: Bool { stepCount >= configuration.maximumSteps || hasRunOutOfPatience }

  /// Whether the run ended because no evaluation was better for as many as its patience says.
  public var hasRunOutOfPatience: Bool { progress.hasRunOut(configuration.patience) }

  private func scheduleEvaluation() {
    if stepCount == configuration.maximumSteps || stepCount % configuration.evaluationInterval == 0 {
      progress.evaluation = EvaluationProgress()
    }
  }

  /// Loss, gradients, clipping, update.
  ///
  /// - Throws: `nonFinite` before the weights are touched, whatever the policy, and `data`; the next call tries the same
  ///   step anew.
  public func step() throws(TrainingError) -> (loss: Double, gradientNorm: Double, learningRate: Double) {
    while progress.accumulated < configuration.accumulation { try accumulateBatch() }
    switch try finishStep() {
    case .step(let result): return (result.loss, result.gradientNorm, result.learningRate)
    case .nonFinite(let bad):
      let explained = explained(bad)
      restartStep()
      throw .nonFinite(explained)
    case .batch, .evaluation: fatalError("a step ends in a step")
    }
  }

  /// The number of the next batch to train on, or of an earlier one of the step under way.
  private func batchNumber(_ index: Int) -> UInt64 {
    UInt64(stepCount * configuration.accumulation + index + progress.abandonedBatches)
  }

  private func accumulateBatch() throws(TrainingError) {
    tape.isProfiling = profiledStep == stepCount + 1
    // In units of equal batches, which the mean is taken of.
    let share = share(ofBatch: progress.accumulated) * Double(configuration.accumulation)
    let result = try lossOfBatch(progress.accumulated)
    progress.accumulatedLoss += result.loss * (data.training.hasWeights ? share : 1)
    progress.accumulatedMeasures.add(result.measures)
    progress.accumulated += 1
  }

  /// Adds the gradients of a batch of this step to those before it; returns its loss.
  private func lossOfBatch(_ index: Int) throws(TrainingError) -> BatchResult {
    let batch = batchNumber(index)
    try fill(data.training, batch: batch)
    data.training.willFill(number: batch + 1)
    tape.randomStep = batch
    let seed = data.training.hasWeights ? Float(share(ofBatch: index)) : nil
    return tape.step(accumulating: index > 0) { _ in lossAndBackward(seed: seed) }
  }

  /// What a batch's mean loss counts in that of its step: every target of the step counts by its weight alone.
  private func share(ofBatch index: Int) -> Double {
    let count = configuration.accumulation
    guard data.training.hasWeights, count > 1 else { return 1 / Double(count) }
    let all = (0..<count).reduce(0) { $0 + data.training.weight(ofBatch: batchNumber($1)) }
    return data.training.weight(ofBatch: batchNumber(index)) / all
  }

  private func finishStep() throws(TrainingError) -> Unit {
    try beforeNorm?(optimizer)
    let loss = progress.accumulatedLoss / Double(configuration.accumulation), norm = optimizer.gradientNorm()
    guard loss.isFinite, norm.isFinite else {
      return .nonFinite(NonFiniteStep(step: stepCount + 1, loss: loss, gradientNorm: norm))
    }
    let rate = configuration.schedule.rate(at: stepCount)
    optimizer.step(
      learningRate: rate, gradientScale: GradientClipping.factor(norm: norm, limit: configuration.gradientClip))
    let measures = measures(progress.accumulatedMeasures, configuration.accumulation)
    progress.step += 1
    progress.skippedInARow = 0
    progress.tokens += B * T * configuration.accumulation
    restartStep()
    return .step((loss, norm, rate, measures))
  }

  private func restartStep() {
    progress.accumulated = 0
    progress.accumulatedLoss = 0
    progress.accumulatedMeasures = []
  }

  /// Means over batches, of which all hold the same.
  private func measures(_ sums: [Double], _ count: Int) -> [Measure] {
    zip(objective.measures, sums).map { Measure(name: $0, value: $1 / Double(count)) }
  }

  // MARK: Numbers that are not finite

  /// Explains a bad step and decides what becomes of it. A step that is skipped is over then; going back
  /// (`goBack(to:)`) and stopping are left to the caller.
  func handle(
    _ bad: NonFiniteStep, canGoBack: Bool
  ) -> (step: NonFiniteStep, action: NonFinitePolicy) {
    let bad = explained(bad)
    restartStep()
    switch configuration.nonFinitePolicy {
    case .skip where progress.skippedInARow < NonFinitePolicy.patience:
      progress.step += 1
      progress.skippedInARow += 1
      scheduleEvaluation()
      return (bad, .skip)
    case .rollback where progress.rollbacks < NonFinitePolicy.patience && canGoBack: return (bad, .rollback)
    default: return (bad, .stop)
    }
  }

  /// Goes back to the last checkpoint, and on from there with the batches after those of this step.
  func goBack(to checkpointer: Checkpointer) throws(TrainingError) {
    let next = Int(batchNumber(configuration.accumulation)), rollbacks = progress.rollbacks
    try checkpointer.restoreLast(into: self)
    progress.abandonedBatches = next - stepCount * configuration.accumulation
    progress.rollbacks = rollbacks + 1
  }

  /// Runs the step again, watching every operation: the same batches and random numbers give the same numbers.
  private func explained(_ bad: NonFiniteStep) -> NonFiniteStep {
    var result = bad
    result.cause = tape.firstNonFinite {
      // A batch that cannot be read again explains nothing.
      for index in 0..<configuration.accumulation { _ = try? lossOfBatch(index) }
    }?.description
    return result
  }

  // MARK: Saving and restoring

  /// A hash of the weights and of what the optimiser remembers.
  public func fingerprint() -> Fingerprint { Fingerprint(weights.parameters, optimizer) }

  /// What the optimiser remembers, with the gradients that wait for more batches, as a file.
  func optimizerFile() throws(ModuleFileError) -> any Sequence<[UInt8]> {
    try OptimizerFile.pieces(
      optimizer, gradients: progress.accumulated == 0 ? [] : weights.parameters.filter(\.parameter.isTrainable))
  }

  /// Takes over weights that were loaded into `model`, and the rest.
  func restore(
    optimizerFile path: String, progress: TrainingProgress, curve: LossCurve, fileSystem: any FileSystem
  ) throws(ModuleFileError) {
    let parameters = weights.parameters
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

  func note(_ event: TrainingEvent) { curve.add(event) }

  /// The instructions that the bits of this run depend on.
  var instructionSet: String {
    let usesPairs = configuration.precision == .bfloat16 && tape.backend.multipliesPairs
    return tape.backend.instructionSet.rawValue + (usesPairs ? " with bfloat16" : "")
  }

  // MARK: A batch

  func makeRoomForBatch() {
    if batch.inputs.isEmpty { batch = data.training.makeBatch() }
  }

  /// What the current batch takes.
  var batchByteCount: Int {
    4 * B * T * (2 + (data.training.hasPositions ? 1 : 0) + (data.training.hasWeights ? 1 : 0))
  }

  private func fill(_ sampler: any BatchSampler, batch number: UInt64) throws(TrainingError) {
    makeRoomForBatch()
    do {
      try sampler.fill(&batch, number: number)
    } catch {
      throw .data(step: stepCount + 1, error)
    }
  }

  /// Inside a step: the loss of the current batch, its gradients left in the parameters.
  ///
  /// - Parameters:
  ///   - seed: What the batch's loss counts in that of its step; nil where batches are equal.
  ///   - stage: Called after each stage of the forward pass through the model.
  ///   - forwardIsDone: Called between loss and backward.
  func lossAndBackward(
    seed: Float? = nil, _ stage: (ModelStage) -> Void = { _ in }, forwardIsDone: () -> Void = {}
  ) -> BatchResult {
    let seed = seed ?? 1 / Float(configuration.accumulation)
    let (loss, measures) = lossVariable(of: model, expectedSeed: seed, stage)
    forwardIsDone()
    loss.backward(seed: seed)
    return (Double(loss.value), measures)
  }

  private func lossVariable(
    of model: some LanguageModel<Float>, expectedSeed: Float = 1, _ stage: (ModelStage) -> Void = { _ in }
  ) -> (loss: Variable<Float>, measures: [Double]) {
    let sampler = data.training
    let operands = BatchOperands(
      tokens: tokens(batch.inputs), targets: tokens(batch.targets),
      positions: sampler.hasPositions ? tokens(batch.positions) : nil,
      weights: sampler.hasWeights ? numbers(batch.weights) : nil)
    return objective.loss(of: operands, by: model, on: tape, expectedSeed: expectedSeed, passing: stage)
  }

  private func tokens(_ ids: [Int32]) -> Tokens {
    let shape: InlineArray<2, Int> = [B, T]
    return isPlanning ? tape.plannedTokens(shape: shape) : tape.tokens(ids.span, shape: shape)
  }

  private func numbers(_ values: [Float]) -> Variable<Float> {
    let shape: InlineArray<2, Int> = [B, T]
    return isPlanning ? tape.plannedInput(shape: shape) : tape.input(values.span, shape: shape)
  }

  // MARK: Evaluation

  /// Measures one batch. An evaluation is over `evaluationBatches` batches of each part: the same windows every time,
  /// so that evaluations of one run differ by the weights alone.
  private func evaluateBatch() throws(TrainingError) -> Unit {
    var evaluation = progress.evaluation ?? EvaluationProgress()
    // The profile is that of the step.
    tape.isProfiling = false
    let sampler = evaluation.part == 0 ? data.trainingCheck : data.validationCheck
    try fill(sampler, batch: UInt64(evaluation.batches))
    let result = tape.step { _ in loss() }
    evaluation.lossSum += result.loss * share(of: sampler, evaluationBatch: evaluation.batches)
    evaluation.measureSums.add(result.measures)
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
    progress.evaluationsSinceBest += 1
    if mean < progress.bestEvaluation?.validationLoss ?? .infinity {
      (progress.bestEvaluation, progress.evaluationsSinceBest) = (losses, 0)
    }
    return .evaluation(
      EvaluationMetrics(
        step: stepCount, trainingLoss: losses.trainingLoss, validationLoss: mean,
        validationMeasures: measures(evaluation.measureSums, configuration.evaluationBatches),
        fingerprint: fingerprint()))
  }

  /// What a batch counts in the mean of an evaluation's batches: 1 where they are equal.
  private func share(of sampler: any BatchSampler, evaluationBatch index: Int) -> Double {
    guard sampler.hasWeights else { return 1 }
    let count = configuration.evaluationBatches
    let all = (0..<count).reduce(0) { $0 + sampler.weight(ofBatch: UInt64($1)) }
    return sampler.weight(ofBatch: UInt64(index)) * Double(count) / all
  }

  /// Inside a step: the loss of the current batch, nothing recorded.
  func loss() -> BatchResult {
    tape.inference {
      let (loss, measures) = lossVariable(of: model)
      return (Double(loss.value), measures)
    }
  }

  /// Time and memory by operation of the step that was profiled last: of its last batch.
  public var lastProfile: StepProfile? { tape.lastProfile }

  /// What the arena holds.
  public var arenaStatistics: ArenaStatistics { tape.statistics }
}
