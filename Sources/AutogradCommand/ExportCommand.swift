import ArgumentParser
import AutogradBase
import AutogradModels

struct ExportCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes a model for other tools: a Hugging Face folder or a GGUF file.",
    discussion: """
      Takes any model that generate takes. What was written is read again, and every number compared with what was
      meant. Tokenizer, chat template and licence go along.
      """)

  static let examples = [
    "autograd export runs/book --format gguf --weights q8_0 --out book.gguf",
    "autograd export SmolLM2-135M-Instruct.gguf --format hf --weights bf16 --out smollm2",
  ]

  @Argument(help: ArgumentHelp("A model directory, a run or a .gguf file.", valueName: "model"))
  var model: String

  @Option(help: ArgumentHelp("hf: a folder for transformers; gguf: a file for llama.cpp.", valueName: "hf|gguf"))
  var format: String

  @Option(help: ArgumentHelp("How numbers are written: f32, bf16, f16; in gguf also q8_0, q4_0, q4_1.", valueName: "type"))
  var weights = "f32"

  @Option(help: ArgumentHelp("The folder, or the file; a gguf in a folder gets a name by its convention.", valueName: "path"))
  var out: String

  func validate() throws {
    let names = ModelFormat.all.map(\.name).joined(separator: ", ")
    guard let format = ModelFormat.named(format) else {
      throw ValidationError("--format must be one of \(names), got \(format.quotedForMessage)")
    }
    guard format.weights.contains(weights) else {
      throw ValidationError(
        "--weights of --format \(format.name) must be one of \(format.weights.joined(separator: ", ")), got "
          + weights.quotedForMessage)
    }
  }

  mutating func run() throws { try reportingErrors { try export() } }

  private func export() throws {
    guard let format = ModelFormat.named(format) else { return }
    if absolutePath(out) == absolutePath(model) {
      throw InputError(sentence: "\(out) is the model itself; write to another place (--out)")
    }
    let source = try openModel(model), (network, tokenizer) = try source.load(dropout: nil)
    var card = try source.card()
    if card.name == nil { card.name = "model" }
    let place = try format.write(ModelCopy(network, tokenizer: tokenizer, card: card), weights: weights, to: out)
    Console.showLine("\(place)")
    Console.showLine("  \(network.configuration)")
    let count = network.parameters.reduce(0) { $0 + $1.parameter.count }
    Console.showLine("  \(count.grouped) parameters as \(weights), read again and compared")
    if let licence = card.licensePhrase { Console.showLine("  licence of what it was made from: \(licence.escapedForDisplay)") }
  }
}
