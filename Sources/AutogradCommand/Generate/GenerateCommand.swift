import ArgumentParser
import AutogradBase
import AutogradModels
import AutogradText

struct GenerateCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continues a prompt with a trained model.")

  static let examples = [
    "autograd generate --model runs/book --prompt \"Once upon a time\"",
    "autograd generate --model runs/book --temperature 0.5 --top-p 0.9 --num-samples 3 --stop \".\"",
  ]

  @Option(help: ArgumentHelp("A model directory, as train writes it, or a .gguf file.", valueName: "path"))
  var model: String

  @Option(name: [.long, .short], help: ArgumentHelp("The text to continue (default: a line end).", valueName: "text"))
  var prompt: String?

  @Option(help: ArgumentHelp("Take the prompt from a file; - is standard input.", valueName: "file"))
  var file: String?

  @Option(name: [.long, .customShort("n")], help: ArgumentHelp("Tokens to generate.", valueName: "n"))
  var maxTokens = 500

  @Option(help: ArgumentHelp("Samples to draw, each from the prompt.", valueName: "n"))
  var numSamples = 1

  @Option(help: ArgumentHelp("End before this text; may be given several times.", valueName: "text"))
  var stop: [String] = []

  @OptionGroup var sampling: SamplingOptions

  @Flag(name: [.long, .short], help: "Ask for prompts; /temp, /topk, /len and /quit change or end it.")
  var interactive = false

  @Flag(help: "Answer the prompt, written as the model was taught conversations.")
  var chat = false

  @Option(help: ArgumentHelp("How conversations are written (the model's).", valueName: "name", visibility: .hidden))
  var chatTemplate: TemplateOption?

  func validate() throws {
    guard maxTokens >= 0 else { throw ValidationError("--max-tokens must be at least 0, got \(maxTokens)") }
    guard numSamples >= 1 else { throw ValidationError("--num-samples must be at least 1, got \(numSamples)") }
    if chatTemplate != nil, !chat { throw ValidationError("--chat-template means nothing without --chat") }
    if prompt != nil, file != nil { throw ValidationError("--prompt and --file both give the prompt; leave one out") }
  }

  mutating func run() throws { try reportingErrors { try generate() } }

  private func generate() throws {
    let source = try openModel(model), (network, tokenizer) = try source.load()
    let generator = Generator(model: network, sampler: sampling.sampler)
    let form = try chat ? answerForm(source, tokenizer) : nil, stops = stop + [form?.endOfAnswer ?? ""]
    if interactive {
      var conversation = Conversation(
        generator: generator, tokenizer: tokenizer, length: maxTokens, stops: stops, form: form)
      try conversation.run()
      return
    }
    let text = try promptText() ?? (chat ? "" : tokenizer.startingText)
    guard !text.isEmpty else { throw InputError(sentence: "the prompt is empty; give at least one character") }
    let tokens = try form?.tokens(askingAfter: [ChatMessage(.user, text)], tokenizer) ?? tokenizer.encode(text)
    for sample in 0..<numSamples {
      if sample > 0 { Console.showLine("---") }
      if !chat { Console.show(text) }
      generator.generate(
        after: tokens, count: maxTokens, stream: UInt32(sample), tokenizer: tokenizer, stops: stops
      ) { piece in
        Console.show(piece)
        return Console.isWritable
      }
      Console.showLine("")
    }
  }

  /// How the model writes conversations.
  private func answerForm(_ source: any StoredModel, _ tokenizer: any Tokenizer) throws -> AnswerForm {
    let template = try (chatTemplate?.name.choice ?? source.chatTemplate()).template()
    guard let template else {
      throw InputError(
        sentence: "\(model) brings no chat template: name the one that its conversations were written by (--chat-template)")
    }
    return try AnswerForm(template, tokenizer)
  }

  /// Nil where none was given.
  private func promptText() throws -> String? {
    guard let file else { return prompt }
    let byteLimit = 1 << 24
    guard file == "-" else { return String(decoding: try loadText(path: file, byteLimit: byteLimit), as: UTF8.self) }
    var input = StandardInput()
    return String(decoding: try text(of: input.all(byteLimit: byteLimit), path: "standard input"), as: UTF8.self)
  }
}

struct SamplingOptions: ParsableArguments {
  @Option(name: [.long, .customLong("temp")], help: ArgumentHelp("Below 1 safer, 0 always the likeliest.", valueName: "x"))
  var temperature = 0.8

  @Option(help: ArgumentHelp("Draw from this many of the likeliest tokens.", valueName: "n"))
  var topK = 200

  @Option(help: ArgumentHelp("Draw from the likeliest tokens that reach this probability.", valueName: "p"))
  var topP = 1.0

  @Option(help: ArgumentHelp("Draw from tokens at least this likely, relative to the likeliest.", valueName: "p"))
  var minP = 0.0

  @Option(
    name: [.customLong("repeat-penalty"), .customLong("repetition-penalty")],
    help: ArgumentHelp("Above 1 makes recent tokens less likely.", valueName: "x"))
  var repeatPenalty = 1.0

  @Option(help: ArgumentHelp("How many tokens count as recent.", valueName: "n"))
  var repeatLastN = 64

  @Option(name: [.long, .short], help: ArgumentHelp("Decides what is drawn.", valueName: "n"))
  var seed: UInt64 = 1337

  func validate() throws {
    func require(_ holds: Bool, _ sentence: String) throws {
      if !holds { throw ValidationError(sentence) }
    }
    try require(temperature >= 0 && temperature.isFinite, "--temperature must be a number of at least 0, got \(temperature)")
    try require(topK >= 1, "--top-k must be at least 1, got \(topK)")
    try require(topP > 0 && topP <= 1, "--top-p must lie above 0 and be at most 1, got \(topP)")
    try require(minP >= 0 && minP <= 1, "--min-p must lie between 0 and 1, got \(minP)")
    try require(
      repeatPenalty > 0 && repeatPenalty.isFinite, "--repeat-penalty must be a number above 0, got \(repeatPenalty)")
    try require(repeatLastN >= 0, "--repeat-last-n must be at least 0, got \(repeatLastN)")
  }

  var sampler: Sampler {
    var sampler = Sampler()
    sampler.temperature = temperature
    sampler.topK = topK
    sampler.topP = topP
    sampler.minP = minP
    sampler.repetitionPenalty = repeatPenalty
    sampler.penaltyWindow = repeatLastN
    sampler.seed = seed
    return sampler
  }
}

extension Tokenizer {
  /// What a text begins with when nobody says: a line end, as after any line; where the vocabulary has none, its first
  /// token that is text.
  var startingText: String {
    if (try? encode("\n")) != nil { return "\n" }
    let texts = (0..<Int32(vocabularySize)).lazy.compactMap { String(validating: Array(bytes(of: $0)), as: UTF8.self) }
    return texts.first { !$0.isEmpty } ?? "\n"
  }
}
