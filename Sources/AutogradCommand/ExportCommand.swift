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

  @OptionGroup var adapters: AdapterOptions

  func validate() throws { try ModelExport.check(format, weights) }

  mutating func run() throws {
    try reportingErrors {
      let export = ModelExport(model: model, adapters: adapters, format: format, weights: weights, out: out)
      try export.write(try export.open())
    }
  }
}

struct MergeCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Adds adapters to the weights of their base: a model like any other.",
    discussion: """
      Takes the folder of an adapter, as train writes it, or a model with --adapter. The base is read as float32, the \
      adapters are added, and the sum is written, read again and compared.
      """)

  static let examples = [
    "autograd merge runs/style --out style",
    "autograd merge runs/style --format gguf --weights q8_0 --out style.gguf",
  ]

  @Argument(help: ArgumentHelp("An adapter's folder, or a model with --adapter.", valueName: "path"))
  var model: String

  @OptionGroup var adapters: AdapterOptions

  @Option(help: ArgumentHelp("hf: a folder for transformers; gguf: a file for llama.cpp.", valueName: "hf|gguf"))
  var format = "hf"

  @Option(help: ArgumentHelp("How numbers are written: f32, bf16, f16; in gguf also q8_0, q4_0, q4_1.", valueName: "type"))
  var weights = "bf16"

  @Option(help: ArgumentHelp("The folder, or the file; a gguf in a folder gets a name by its convention.", valueName: "path"))
  var out: String

  func validate() throws { try ModelExport.check(format, weights) }

  mutating func run() throws {
    try reportingErrors {
      let export = ModelExport(model: model, adapters: adapters, format: format, weights: weights, out: out)
      let source = try export.open()
      guard source is AdaptedStoredModel else {
        throw InputError(sentence: "\(model) is no adapter, and there is none to merge into it; name one (--adapter)")
      }
      if weights.hasPrefix("q") {
        Console.writeError(
          "warning: the merged weights are quantised anew as \(weights), which loses some of what was learned; bf16 keeps it")
      }
      try export.write(source)
    }
  }
}

/// A model on its way into another place or format.
struct ModelExport {
  let model: String
  let adapters: AdapterOptions
  let format, weights, out: String

  static func check(_ name: String, _ weights: String) throws {
    let names = ModelFormat.written.map(\.name).joined(separator: ", ")
    guard let format = ModelFormat.written.first(where: { $0.name == name }) else {
      throw ValidationError("--format must be one of \(names), got \(name.quotedForMessage)")
    }
    guard format.weights.contains(weights) else {
      throw ValidationError(
        "--weights of --format \(format.name) must be one of \(format.weights.joined(separator: ", ")), got "
          + weights.quotedForMessage)
    }
  }

  /// Opens the model, where nothing of it would be written over.
  func open() throws -> any StoredModel {
    let source = try adapters.open(model)
    guard let place = absolutePath(out) else { return source }
    var inputs = [model] + adapters.adapter
    if let adapted = source as? AdaptedStoredModel {
      inputs += [adapted.base.path] + adapted.adapters.map(\.directory.path)
    }
    for input in inputs.compactMap({ absolutePath($0) }) where place == input || place.hasPrefix(input + "/") {
      throw InputError(
        sentence: "\(out) is \(place == input ? "" : "part of ")what is read, \(input); write to another place (--out)")
    }
    return source
  }

  func write(_ source: any StoredModel) throws {
    guard let format = ModelFormat.named(format) else { return }
    let (network, tokenizer) = try source.load(dropout: nil)
    var card = try source.card()
    if card.name == nil { card.name = "model" }
    let place = try write(ModelCopy(network, tokenizer: tokenizer, card: card), format)
    Console.showLine("\(place)")
    Console.showLine("  \(network.configuration)")
    let count = network.parameters.reduce(0) { $0 + $1.parameter.count }
    Console.showLine("  \(count.grouped) parameters as \(weights), read again and compared")
    if let licence = card.licensePhrase { Console.showLine("  licence of what it was made from: \(licence.escapedForDisplay)") }
  }

  /// Writes it; a signal ends the process once nothing is left of what was begun.
  private func write(_ copy: ModelCopy, _ format: ModelFormat) throws -> String {
    Signals.watch()
    defer {
      Signals.unwatch()
      Signals.endIfNoted()
    }
    return try format.write(copy, weights: weights, to: out, fileSystem: POSIXFileSystem { Signals.isNoted })
  }
}
