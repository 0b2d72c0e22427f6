import ArgumentParser
import Kernels
import NeuralNetwork
import Training

extension OptimizerKind: ExpressibleByArgument {}
extension LearningRateSchedule.Decay: ExpressibleByArgument {}
extension MatmulPrecision: ExpressibleByArgument {}

struct TrainingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Start from a saved model.", valueName: "dir"))
  var initFrom: String?

  @Option(help: ArgumentHelp("Windows per batch (12).", valueName: "n"))
  var batchSize: Int?

  @Option(
    name: [.long, .customLong("gradient-accumulation-steps")],
    help: ArgumentHelp("Batches per step (1).", valueName: "n"))
  var gradAccum: Int?

  @Flag(help: "Compute activations again in backward: less memory, more time.")
  var recompute = false

  @Option(name: [.long, .customLong("iters")], help: ArgumentHelp("Steps (2000).", valueName: "n"))
  var maxIters: Int?

  @Option(help: ArgumentHelp("Which optimiser.", valueName: "name"))
  var optimizer = OptimizerKind.adamw

  @Option(help: ArgumentHelp("Learning rate after warm-up (1e-3).", valueName: "x"))
  var learningRate: Double?

  @Option(help: ArgumentHelp("Learning rate at the end (a tenth).", valueName: "x"))
  var minLr: Double?

  @Option(help: ArgumentHelp("The way from learning to minimum rate.", valueName: "name"))
  var schedule = LearningRateSchedule.Decay.cosine

  @Option(help: ArgumentHelp("Steps of linear warm-up (100).", valueName: "n"))
  var warmupIters: Int?

  @Option(help: ArgumentHelp("Steps until the minimum rate (all).", valueName: "n"))
  var lrDecayIters: Int?

  @Option(help: ArgumentHelp("Weight decay, on matrices.", valueName: "x"))
  var weightDecay = 0.1

  @Option(help: ArgumentHelp("Adam's decay of the mean; SGD's momentum.", valueName: "x"))
  var beta1 = 0.9

  @Option(help: ArgumentHelp("Adam's decay of the square.", valueName: "x"))
  var beta2 = 0.99

  @Option(help: ArgumentHelp("Largest gradient norm; 0 never clips.", valueName: "x"))
  var gradClip = 1.0

  @Option(help: ArgumentHelp("Steps between evaluations.", valueName: "n"))
  var evalInterval = 250

  @Option(help: ArgumentHelp("Batches per evaluation and part.", valueName: "n"))
  var evalIters = 20

  @Option(help: ArgumentHelp("Steps between progress lines.", valueName: "n"))
  var logInterval = 10

  @Option(help: ArgumentHelp("What matrix products multiply in.", valueName: "name"))
  var precision = MatmulPrecision.float32

  @Option(name: [.long, .short], help: ArgumentHelp("Decides weights, data order and dropout.", valueName: "n"))
  var seed: UInt64 = 1337

  @Option(help: ArgumentHelp("Write a Chrome trace of step 10 here.", valueName: "file"))
  var trace: String?

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads must lie between 1 and 256, got \(threads)")
    }
  }

  func configuration(_ preset: TrainingPreset) -> TrainingConfiguration {
    var result = TrainingConfiguration()
    let rate = learningRate ?? preset.learningRate
    result.accumulation = gradAccum ?? preset.accumulation
    result.maximumSteps = maxIters ?? preset.steps
    result.optimizer = optimizer
    result.schedule = LearningRateSchedule(
      peak: rate, minimum: minLr ?? rate * preset.finalRateShare, warmupSteps: warmupIters ?? preset.warmupSteps,
      decaySteps: lrDecayIters ?? result.maximumSteps, decay: schedule)
    result.beta1 = beta1
    result.beta2 = beta2
    result.weightDecay = weightDecay
    result.gradientClip = gradClip
    result.evaluationInterval = evalInterval
    result.evaluationBatches = evalIters
    result.logInterval = logInterval
    result.precision = precision
    result.seed = seed
    return result
  }
}
