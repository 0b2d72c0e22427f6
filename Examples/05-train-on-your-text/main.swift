// A small GPT that learns a text, character by character: `swift run -c release 05-train-on-your-text FILE`,
// or without a file the rhyme below.
import Autograd
import AutogradLM

let links = [
  "house that Jack built.", "malt that lay in the ", "rat that ate the ", "cat that killed the ",
  "dog that worried the ", "cow with the crumpled horn that tossed the ", "maiden all forlorn that milked the ",
]
let rhyme = links.indices.map { "This is the " + links[...$0].reversed().joined() + "\n" }.joined()
let file = CommandLine.arguments.dropFirst().first
let text = try file.map { try loadText(path: $0) } ?? Array(String(repeating: rhyme, count: 10).utf8)

let tokenizer = try CharacterTokenizer(training: text)
let dataset = try TokenDataset(tokens: tokenizer.encode(text))
let data = try TrainingData.windows(of: dataset, blockSize: 64, batchSize: 8, seed: 1)
let sizes = try DecoderConfiguration(
  vocabularySize: tokenizer.vocabularySize, contextLength: 64, layerCount: 2, headCount: 4, channelCount: 64)
let model = Decoder<Float>(sizes, seed: 1)

// The learning rate falls until the last step.
let trainer = try Trainer(model: model, data: data, maximumSteps: 300, learningRate: 3e-3)
var losses: [Double] = []
for try await event in trainer.events() {
  guard case .evaluation(let metrics) = event else { continue }
  losses.append(metrics.validationLoss)
  print("step", metrics.step, "validation loss", metrics.validationLoss)
}
print("This is", try model.generate("This is ", tokenizer: tokenizer, maximumTokens: 80))

// A model that knows nothing is at log(vocabulary), about 3.3 for the rhyme.
guard let last = losses.last, file != nil || last < 0.3 else { fatalError("it has not learnt the text: \(losses)") }
