import ArgumentParser
import AutogradKernels
import AutogradNeuralNetwork
import AutogradTraining

extension OptimizerKind: ExpressibleByArgument {}
extension LearningRateSchedule.Decay: ExpressibleByArgument {}
extension MatmulPrecision: ExpressibleByArgument {}

struct TrainingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Start from a saved model.", valueName: "dir"))
  var initFrom: String?

  @Option(help: ArgumentHelp("Windows per batch (12).", valueName: "n"))
  var batchSize: Int?

  @Option(help: ArgumentHelp("Batches per step (1).", valueName: "n"))
  var gradAccum: Int?

  @Flag(inversion: .prefixedNo, help: "Compute activations again in backward: less memory, more time (no).")
  var recompute: Bool?

  @Option(help: ArgumentHelp("Steps (2000); also --iters.", valueName: "n"))
  var maxIters: Int?

  @Option(help: ArgumentHelp("Which optimiser (adamw).", valueName: "name"))
  var optimizer: OptimizerKind?

  @Option(help: ArgumentHelp("Learning rate after warm-up (1e-3).", valueName: "x"))
  var learningRate: Double?

  @Option(help: ArgumentHelp("Learning rate at the end (a tenth).", valueName: "x"))
  var minLr: Double?

  @Option(help: ArgumentHelp("The way to the minimum rate (cosine).", valueName: "name"))
  var schedule: LearningRateSchedule.Decay?

  @Option(help: ArgumentHelp("Steps of linear warm-up (100).", valueName: "n"))
  var warmupIters: Int?

  @Option(help: ArgumentHelp("Steps until the minimum rate (all).", valueName: "n"))
  var lrDecayIters: Int?

  @Option(help: ArgumentHelp("Weight decay, on matrices (0.1).", valueName: "x"))
  var weightDecay: Double?

  @Option(help: ArgumentHelp("Adam's decay of the mean; SGD's momentum (0.9).", valueName: "x"))
  var beta1: Double?

  @Option(help: ArgumentHelp("Adam's decay of the square (0.99).", valueName: "x"))
  var beta2: Double?

  @Option(help: ArgumentHelp("Largest gradient norm; 0 never clips (1).", valueName: "x"))
  var gradClip: Double?

  @Option(help: ArgumentHelp("Steps between evaluations (250).", valueName: "n"))
  var evalInterval: Int?

  @Option(help: ArgumentHelp("Batches per evaluation and part (20).", valueName: "n"))
  var evalIters: Int?

  @Option(help: ArgumentHelp("Steps between progress lines (10).", valueName: "n"))
  var logInterval: Int?

  @Option(help: ArgumentHelp("What matrix products multiply in (fp32).", valueName: "name"))
  var precision: MatmulPrecision?

  @Option(name: [.long, .short], help: ArgumentHelp("Decides weights, data order and dropout (1337).", valueName: "n"))
  var seed: UInt64?

  @Option(help: ArgumentHelp("Write a Chrome trace of step 10 here.", valueName: "file"))
  var trace: String?

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads must lie between 1 and 256, got \(threads)")
    }
    for (option, isGiven) in [("--min-lr", minLr != nil), ("--lr-decay-iters", lrDecayIters != nil)]
    where isGiven && schedule == .constant {
      throw ValidationError("\(option) means nothing with --schedule constant, whose rate stays; leave one of them out")
    }
  }

  func configuration(_ preset: TrainingPreset) -> TrainingConfiguration {
    var result = TrainingConfiguration()
    let rate = learningRate ?? preset.learningRate
    result.accumulation = gradAccum ?? preset.accumulation
    result.maximumSteps = maxIters ?? preset.steps
    if let optimizer { result.optimizer = optimizer }
    result.schedule = LearningRateSchedule(
      peak: rate, minimum: minLr ?? rate * preset.finalRateShare, warmupSteps: warmupIters ?? preset.warmupSteps,
      decaySteps: lrDecayIters ?? result.maximumSteps, decay: schedule ?? .cosine)
    if let beta1 { result.beta1 = beta1 }
    if let beta2 { result.beta2 = beta2 }
    if let weightDecay { result.weightDecay = weightDecay }
    if let gradClip { result.gradientClip = gradClip }
    if let evalInterval { result.evaluationInterval = evalInterval }
    if let evalIters { result.evaluationBatches = evalIters }
    if let logInterval { result.logInterval = logInterval }
    if let precision { result.precision = precision }
    if let seed { result.seed = seed }
    return result
  }

  /// The settings by their names in checkpoints; nil where one was not given. A test asks `train --help` whether all
  /// options are here or among those that are no setting: --threads and --trace.
  var named: [(name: String, value: Any?)] {
    [
      ("init_from", initFrom), ("batch_size", batchSize), ("grad_accum", gradAccum), ("recompute", recompute),
      ("max_iters", maxIters), ("optimizer", optimizer),
      ("learning_rate", learningRate), ("min_lr", minLr), ("schedule", schedule), ("warmup_iters", warmupIters),
      ("lr_decay_iters", lrDecayIters), ("weight_decay", weightDecay), ("beta1", beta1), ("beta2", beta2),
      ("grad_clip", gradClip), ("eval_interval", evalInterval), ("eval_iters", evalIters),
      ("log_interval", logInterval), ("precision", precision), ("seed", seed),
    ]
  }
}
