// A small GPT that learns a text, character by character: `swift run -c release 05-train-on-your-text FILE`,
// or without a file the rhyme below.
import AutogradLM
import Autograd

let links = [
  "house that Jack built.", "malt that lay in the ", "rat that ate the ", "cat that killed the ",
  "dog that worried the ", "cow with the crumpled horn that tossed the ",
  "maiden all forlorn that milked the ", "man all tattered and torn that kissed the ",
]
let rhyme = links.indices.map { "This is the " + links[...$0].reversed().joined() + "\n" }.joined()

let file = CommandLine.arguments.dropFirst().first
let text =
  try file.map { try loadText(path: $0) }
  ?? Array(String(repeating: rhyme, count: 8).utf8)
let tokenizer = try CharacterTokenizer(training: text)
let dataset = try TokenDataset(tokens: tokenizer.encode(text))

let model = Decoder<Float>(
  try DecoderConfiguration(
    vocabularySize: tokenizer.vocabularySize, contextLength: 64, layerCount: 2, headCount: 4, channelCount: 64
  ),
  seed: 1)
var configuration = TrainingConfiguration()
configuration.maximumSteps = 300
configuration.learningRate = 3e-3
configuration.warmupSteps = 20
configuration.evaluationInterval = 100
configuration.logInterval = 100

let data = try TrainingData.windows(of: dataset, blockSize: 64, batchSize: 8, seed: 1)
let trainer = try Trainer(model: model, data: data, configuration: configuration)
var losses: [Double] = []
try trainer.run { event in
  guard case .evaluation(let metrics) = event else { return }
  losses.append(metrics.validationLoss)
  print("step", metrics.step, "validation loss", metrics.validationLoss)
}

var sampler = Sampler()
sampler.temperature = 0
var sample = ""
Generator(model: model, sampler: sampler).generate(
  after: try tokenizer.encode(Array("This is ".utf8)), count: 80, tokenizer: tokenizer
) { piece in
  sample += piece
  return true
}
print("This is \(sample)")

// A model that knows nothing is at log(vocabulary), about 3.3 for the rhyme.
guard let first = losses.first, let last = losses.last, last <= first, file != nil || last < 0.3 else {
  fatalError("it has not learnt the text: \(losses)")
}
