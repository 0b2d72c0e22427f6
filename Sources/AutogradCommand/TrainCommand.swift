import ArgumentParser
import Base
import Kernels
import LanguageModel
import NeuralNetwork
import Text
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a GPT on a text file.",
    discussion: """
      Writes a Hugging Face model directory to --out, and one JSON line per logged step to log.jsonl in it.

      EXAMPLES:
        autograd train --data book.txt --out runs/book
        autograd train --data book.txt --out runs/book --n-layer 6 --n-head 6 --n-embd 384 --block-size 256
      """)

  @Option(help: ArgumentHelp("The text to learn, UTF-8.", valueName: "file"))
  var data: String

  @Option(help: ArgumentHelp("Where the model goes.", valueName: "dir"))
  var out: String

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Training") var training: TrainingOptions

  mutating func run() throws {
    let (tokenizer, dataset) = try readText()
    let (network, configuration) = try configure(vocabularySize: tokenizer.vocabularySize)
    let pool = training.threads.map { ThreadPool(threads: $0) } ?? ThreadPool.shared
    let directory = ModelDirectory(out), log = try openLog()
    do throws(TrainingError) {
      let trainer = try Trainer(
        model: GPT(network, seed: configuration.seed), dataset: dataset, configuration: configuration,
        backend: Backend(pool: pool))
      var progress = Progress(maximumSteps: configuration.maximumSteps)
      try trainer.run { event throws(TrainingError) in
        log.write(event)
        progress.show(event)
        guard case .evaluation(let metrics) = event else { return }
        do throws(LanguageModelError) {
          try directory.save(trainer.model, tokenizer: tokenizer, metadata: [("step", "\(metrics.step)")])
        } catch {
          throw .model(error)
        }
      }
    } catch {
      throw fail(error)
    }
    Console.showLine("saved to \(out); continue with: autograd generate --model \(out) --prompt …")
  }

  private func readText() throws -> (CharacterTokenizer, TokenDataset) {
    do throws(TextError) {
      let bytes = try loadText(path: data, fileSystem: POSIXFileSystem())
      let tokenizer = try CharacterTokenizer(training: bytes)
      let dataset = try TokenDataset(tokens: try tokenizer.encode(bytes))
      try dataset.requireWindows(blockSize: max(1, model.blockSize))
      return (tokenizer, dataset)
    } catch {
      throw fail(error)
    }
  }

  private func configure(vocabularySize: Int) throws -> (GPTConfiguration, TrainingConfiguration) {
    do throws(LanguageModelError) {
      let network = try GPTConfiguration(
        vocabularySize: vocabularySize, contextLength: model.blockSize, layerCount: model.nLayer,
        headCount: model.nHead, channelCount: model.nEmbd, hasBias: model.bias, dropout: model.dropout)
      return (network, training.configuration)
    } catch {
      throw fail(error)
    }
  }

  private func openLog() throws -> TrainingLog {
    do throws(FileError) {
      try POSIXFileSystem().createDirectory(out)
      return try TrainingLog(path: out + "/log.jsonl")
    } catch {
      throw fail(error)
    }
  }
}

struct ModelOptions: ParsableArguments {
  @Option(name: .customLong("n-layer"), help: ArgumentHelp("Layers.", valueName: "n"))
  var nLayer = 4

  @Option(name: .customLong("n-head"), help: ArgumentHelp("Attention heads.", valueName: "n"))
  var nHead = 4

  @Option(name: .customLong("n-embd"), help: ArgumentHelp("Channels, a multiple of the heads.", valueName: "n"))
  var nEmbd = 128

  @Option(help: ArgumentHelp("Tokens of context.", valueName: "n"))
  var blockSize = 64

  @Option(help: ArgumentHelp("Share of activations dropped in training.", valueName: "p"))
  var dropout = 0.0

  @Flag(inversion: .prefixedNo, help: "Biases in linear layers and norms.")
  var bias = false
}

struct TrainingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Sequences per step.", valueName: "n"))
  var batchSize = 12

  @Option(help: ArgumentHelp("Steps.", valueName: "n"))
  var maxIters = 2000

  @Option(help: ArgumentHelp("Learning rate after warm-up.", valueName: "x"))
  var learningRate = 1e-3

  @Option(help: ArgumentHelp("Learning rate at the end (default: a tenth).", valueName: "x"))
  var minLr: Double?

  @Option(help: ArgumentHelp("Steps of linear warm-up.", valueName: "n"))
  var warmupIters = 100

  @Option(help: ArgumentHelp("Steps until the minimum (default: all).", valueName: "n"))
  var lrDecayIters: Int?

  @Option(help: ArgumentHelp("Decoupled weight decay, on matrices.", valueName: "x"))
  var weightDecay = 0.1

  @Option(help: ArgumentHelp("Adam's decay of the mean.", valueName: "x"))
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

  @Option(help: ArgumentHelp("Decides weights, data order and dropout.", valueName: "n"))
  var seed: UInt64 = 1337

  @Option(name: [.long, .customShort("t")], help: ArgumentHelp("Threads (default: all CPUs).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads must lie between 1 and 256, got \(threads)")
    }
  }

  var configuration: TrainingConfiguration {
    var result = TrainingConfiguration()
    result.batchSize = batchSize
    result.maximumSteps = maxIters
    result.schedule = LearningRateSchedule(
      peak: learningRate, minimum: minLr ?? learningRate / 10, warmupSteps: warmupIters,
      decaySteps: lrDecayIters ?? maxIters)
    result.beta1 = beta1
    result.beta2 = beta2
    result.weightDecay = weightDecay
    result.gradientClip = gradClip
    result.evaluationInterval = evalInterval
    result.evaluationBatches = evalIters
    result.logInterval = logInterval
    result.seed = seed
    return result
  }
}
