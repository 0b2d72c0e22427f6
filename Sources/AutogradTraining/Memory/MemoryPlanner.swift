import AutogradBase
import AutogradModels
import AutogradNeuralNetwork

/// Works out what a run and runs of other sizes need, and what fits a limit.
///
/// The need itself comes from the trainer, by dry runs that are made once for each size. A model that was not given
/// weights takes no memory for them, so a planner plans what no machine could hold.
public struct MemoryPlanner {
  private let trainer: Trainer
  /// Whether the model is made for these windows: shorter ones go with a smaller model.
  private let isNew: Bool
  private let before: (resident: Int, peak: Int, files: Int, addresses: Int, taken: Int)
  /// The plan of the run as it was asked for.
  public let plan: TrainingPlan

  /// What a run grows by while it goes on, beside what is planned: pages of code that it reaches late, lines of the
  /// log, points of the curve. Measured: a good MiB (docs/LOG.md).
  static let growth = 2 << 20
  private static let stackBytes = 512 * 1024 + 4096

  /// Plans a trainer's run, with what the process has taken by now.
  ///
  /// - Parameters:
  ///   - trainer: Its model has weights or none yet.
  ///   - isNew: The model is made for the run's windows: shorter ones would go with a smaller model.
  public init(_ trainer: Trainer, isNew: Bool) {
    (self.trainer, self.isNew) = (trainer, isNew)
    let memory = ProcessMemory.current()
    before = (
      memory?.resident ?? 0, memory?.peakResident ?? 0, memory?.fileBacked ?? 0, memory?.addressSpace ?? 0,
      isNew ? 0 : trainer.weights.memory.taken
    )
    plan = MemoryPlanner.plan(of: trainer, dataBytes: trainer.data.byteCount, before)
  }

  // MARK: One plan

  /// The same run in other sizes.
  private func plan(
    batchSize: Int, blockSize: Int, recomputing: Bool, accumulation: Int? = nil
  ) -> TrainingPlan {
    let data = trainer.data.training, accumulation = accumulation ?? trainer.configuration.accumulation
    if (batchSize, blockSize) == (data.batchSize, data.blockSize), recomputing == trainer.model.recomputesBlocks,
      accumulation == trainer.configuration.accumulation
    {
      return plan
    }
    let other = trainer.resized(
      batchSize: batchSize, blockSize: blockSize, accumulation: accumulation, recomputing: recomputing,
      model: isNew ? trainer.model.withoutWeights(contextLength: blockSize) : trainer.model)
    return MemoryPlanner.plan(of: other, dataBytes: trainer.data.byteCount, before)
  }

  private static func plan(
    of trainer: Trainer, dataBytes: Int, _ before: (resident: Int, peak: Int, files: Int, addresses: Int, taken: Int)
  ) -> TrainingPlan {
    let need = trainer.need, memory = need.optimizer, steps = need.steps, backend = trainer.tape.backend
    let parameters = trainer.weights.memory.bytes
    let batch = trainer.batchByteCount
    let new = parameters + memory.gradientBytes + memory.stateBytes + steps.arenaBytes + steps.workspaceBytes
      + trainer.model.tableBytes + need.saving + batch - before.taken
    return TrainingPlan(
      batchSize: trainer.data.training.batchSize, blockSize: trainer.T, accumulation: trainer.configuration.accumulation,
      recomputesBlocks: trainer.model.recomputesBlocks, parameterCount: trainer.model.parameterCount,
      trainedCount: trainer.weights.parameterCount,
      parameters: parameters, gradients: memory.gradientBytes, optimizerState: memory.stateBytes,
      arena: steps.arenaBytes, stages: need.stages, workspace: steps.workspaceBytes, data: dataBytes + batch,
      tables: trainer.model.tableBytes,
      saving: need.saving,
      process: max(0, before.resident - dataBytes - before.taken) + MemoryPlanner.growth,
      // Saving makes and frees large arrays, between which the heap keeps holes: addresses, not memory.
      newAddresses: new + need.saving + MemoryPlanner.growth
        + (backend.pool.threadCount - 1) * MemoryPlanner.stackBytes,
      residentBefore: before.resident, peakBefore: before.peak, filesBefore: before.files,
      addressesBefore: before.addresses)
  }

  // MARK: Against limits

  /// Asks whether the machine has what the run needs.
  ///
  /// - Throws: `tooLarge`, with the limit that is missed by most.
  public func requireMemory(_ limits: [MemoryLimit] = MemoryLimit.all()) throws(TrainingError) {
    let missed = limits.filter { !plan.fits($0) }
    let worst = missed.max { plan.need(of: $0) - $0.remaining < plan.need(of: $1) - $1.remaining }
    guard let worst else { return }
    func fits(_ plan: TrainingPlan) -> Bool { limits.allSatisfy { plan.fits($0) } }
    throw .tooLarge(
      MemoryShortage(
        plan: plan, limit: worst,
        largestBatch: largest(below: plan.batchSize) {
          fits(self.plan(batchSize: $0, blockSize: plan.blockSize, recomputing: plan.recomputesBlocks))
        },
        largestContext: largest(below: plan.blockSize) {
          fits(self.plan(batchSize: plan.batchSize, blockSize: $0, recomputing: plan.recomputesBlocks))
        },
        recomputingFits: !plan.recomputesBlocks
          && fits(self.plan(batchSize: plan.batchSize, blockSize: plan.blockSize, recomputing: true))))
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
    let (batchSize, blockSize, recomputesBlocks) = (plan.batchSize, plan.blockSize, plan.recomputesBlocks)
    let effective = batchSize * plan.accumulation
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
