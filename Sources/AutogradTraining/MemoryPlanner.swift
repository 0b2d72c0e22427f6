import AutogradEngine
public import AutogradBase
public import AutogradKernels
public import AutogradModels
import AutogradNeuralNetwork

/// Works out what runs of different sizes need, by dry runs, and what fits a limit.
///
/// A model that was not given weights takes no memory here, so a planner plans what no machine could hold.
public struct MemoryPlanner {
  private let model: any LanguageModel<Float>
  /// Whether the model is made for these windows; one that exists has a context that does not shrink with them.
  private let isNew: Bool
  private let training: TrainingConfiguration
  private let batchSize, blockSize: Int
  private let recomputesBlocks: Bool
  private let tokenBytes: Int
  private let backend: Backend
  private let before: (resident: Int, peak: Int, files: Int, addresses: Int, taken: Int)

  /// What a run grows by while it goes on, beside what is planned: pages of code that it reaches late, lines of the
  /// log, points of the curve. Measured: a good MiB (docs/LOG.md).
  static let growth = 2 << 20
  private static let stackBytes = 512 * 1024 + 4096

  /// - Parameters:
  ///   - model: With weights or without; its `recomputesBlocks` counts.
  ///   - isNew: The model is made for these windows: shorter ones would go with a smaller model.
  ///   - dataBytes: What the data takes, which is there already.
  ///   - backend: Its threads need scratch memory.
  public init(
    model: any LanguageModel<Float>, isNew: Bool, training: TrainingConfiguration, batchSize: Int, blockSize: Int, dataBytes: Int,
    backend: Backend
  ) {
    (self.model, self.isNew) = (model, isNew)
    recomputesBlocks = model.recomputesBlocks
    self.training = training
    (self.batchSize, self.blockSize) = (batchSize, blockSize)
    tokenBytes = dataBytes
    self.backend = backend
    let memory = ProcessMemory.current()
    before = (
      memory?.resident ?? 0, memory?.peakResident ?? 0, memory?.fileBacked ?? 0, memory?.addressSpace ?? 0,
      isNew ? 0 : model.parameters.reduce(0) { $0 + $1.parameter.core.takenBytes }
    )
  }

  /// The plan of the run as it was asked for.
  public var plan: TrainingPlan { plan(batchSize: batchSize, blockSize: blockSize, recomputing: recomputesBlocks) }

  // MARK: One plan

  private func plan(
    batchSize: Int, blockSize: Int, recomputing: Bool, accumulation: Int? = nil
  ) -> TrainingPlan {
    let accumulation = accumulation ?? training.accumulation
    var model = isNew ? self.model.withoutWeights(contextLength: blockSize) : self.model
    model.recomputesBlocks = recomputing
    let memory = training.makeOptimizer(for: model.storedParameters, backend: backend).memory
    let (arena, stages) = dryRun(model, batchSize, blockSize, accumulation)
    let parameters = model.parameters.reduce(0) { $0 + max(64, $1.parameter.count * 4) }
    let sampling = Generator(model: model, sampler: Sampler(), tape: Tape(backend: backend)).plan()
    let passing = max(ModelDirectory.savingBytes(model), sampling.arenaBytes + sampling.workspaceBytes)
    let data = tokenBytes + 2 * batchSize * blockSize * MemoryLayout<Int32>.size
    let new = parameters + memory.gradientBytes + memory.stateBytes + arena.arenaBytes + arena.workspaceBytes + passing
      + (data - tokenBytes) - before.taken
    return TrainingPlan(
      batchSize: batchSize, blockSize: blockSize, accumulation: accumulation, recomputesBlocks: recomputing,
      parameterCount: model.parameterCount, parameters: parameters, gradients: memory.gradientBytes,
      optimizerState: memory.stateBytes, arena: arena.arenaBytes, stages: stages, workspace: arena.workspaceBytes,
      data: data, passing: passing,
      process: max(0, before.resident - tokenBytes - before.taken) + MemoryPlanner.growth,
      // Saving makes and frees large arrays, between which the heap keeps holes: addresses, not memory.
      newAddresses: new + passing + MemoryPlanner.growth
        + (backend.pool.threadCount - 1) * MemoryPlanner.stackBytes,
      residentBefore: before.resident, peakBefore: before.peak, filesBefore: before.files,
      addressesBefore: before.addresses)
  }

  private func dryRun(
    _ model: any LanguageModel<Float>, _ batchSize: Int, _ blockSize: Int, _ accumulation: Int
  ) -> (memory: MemoryPlan, stages: [TrainingPlan.Stage]) {
    let tape = Tape<Float>(backend: backend), seed = 1 / Float(accumulation)
    var stages: [TrainingPlan.Stage] = [], used = 0
    func note(_ name: String) {
      stages.append(TrainingPlan.Stage(name: name, bytes: tape.statistics.used - used))
      used = tape.statistics.used
    }
    func loss(_ tape: Tape<Float>, _ passing: (ModelStage) -> Void = { _ in }) -> Variable<Float> {
      let tokens = tape.plannedTokens(shape: [batchSize, blockSize])
      return model.loss(
        tokens, targets: tape.plannedTokens(shape: [batchSize, blockSize]), ignoring: nil, expectedSeed: seed,
        passing: passing)
    }
    let training = tape.plan { tape in
      let loss = loss(tape) { note($0.description) }
      note("loss")
      loss.backward(seed: seed)
    }
    let evaluation = tape.plan { tape in tape.inference { _ = loss(tape) } }
    return (training.union(evaluation), stages)
  }

  // MARK: Against limits

  /// Asks whether the machine has what the run needs.
  ///
  /// - Throws: `tooLarge`, with the limit that is missed by most.
  public func requireMemory(_ limits: [MemoryLimit] = MemoryLimit.all()) throws(TrainingError) {
    let plan = plan
    let missed = limits.filter { !plan.fits($0) }
    let worst = missed.max { plan.need(of: $0) - $0.remaining < plan.need(of: $1) - $1.remaining }
    guard let worst else { return }
    func fits(_ plan: TrainingPlan) -> Bool { limits.allSatisfy { plan.fits($0) } }
    throw .tooLarge(
      MemoryShortage(
        plan: plan, limit: worst,
        largestBatch: largest(below: batchSize) {
          fits(self.plan(batchSize: $0, blockSize: blockSize, recomputing: recomputesBlocks))
        },
        largestContext: largest(below: blockSize) {
          fits(self.plan(batchSize: batchSize, blockSize: $0, recomputing: recomputesBlocks))
        },
        recomputingFits: !recomputesBlocks
          && fits(self.plan(batchSize: batchSize, blockSize: blockSize, recomputing: true))))
  }

  /// The largest number below `limit` for which `fits` holds, where it holds for every smaller one, too.
  private func largest(below limit: Int, _ fits: (Int) -> Bool) -> Int? {
    var low = 0, high = limit
    while high - low > 1 {
      let middle = (low + high) / 2
      if fits(middle) { low = middle } else { high = middle }
    }
    return low == 0 ? nil : low
  }

  /// The way to train within `bytes` of resident memory: the same windows per step, cut into as many batches as it
  /// takes. Nil where nothing fits.
  ///
  /// Smaller batches cost little as long as each has `efficientTokens`, recomputation about a third of the time: so
  /// first batches down to that size, then the same with recomputation, then smaller ones.
  public func fitting(_ bytes: Int) -> TrainingPlan? {
    let effective = batchSize * training.accumulation
    let batches = stride(from: batchSize, through: 1, by: -1).filter { effective % $0 == 0 }
    let efficient = batches.filter { $0 == batchSize || $0 * blockSize >= MemoryPlanner.efficientTokens }
    for candidates in [efficient, batches] {
      for recomputing in recomputesBlocks ? [true] : [false, true] {
        for batch in candidates {
          let plan = plan(
            batchSize: batch, blockSize: blockSize, recomputing: recomputing, accumulation: effective / batch)
          if plan.total <= bytes { return plan }
        }
      }
    }
    return nil
  }

  /// Tokens per batch from which on a step's time hardly depends on how it is cut into batches (docs/LOG.md).
  static let efficientTokens = 256
}
