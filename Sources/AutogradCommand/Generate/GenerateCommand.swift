import ArgumentParser
import AutogradBase
import AutogradModels
import AutogradText

struct GenerateCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continues a prompt with a trained model.",
    discussion: "To talk with a model, see autograd chat.")

  static let takesSettings = false

  static let examples = [
    "autograd generate --model runs/book --prompt \"Once upon a time\"",
    "autograd generate --model runs/book --temperature 0.5 --top-p 0.9 --num-samples 3 --stop \".\"",
  ]

  /// How many tokens are drawn where nobody says.
  static let usualLength = 500

  @Option(help: ArgumentHelp("A model directory, as train writes it, or a .gguf file.", valueName: "path"))
  var model: String

  @Option(name: [.long, .short], help: ArgumentHelp("The text to continue (default: a line end).", valueName: "text"))
  var prompt: String?

  @Option(help: ArgumentHelp("Take the prompt from a file; - is standard input.", valueName: "file"))
  var file: String?

  @Option(name: [.long, .customShort("n")], help: ArgumentHelp("Tokens to generate (500, if they fit).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: ArgumentHelp("Samples to draw, each from the prompt.", valueName: "n"))
  var numSamples = 1

  @Option(help: ArgumentHelp("End before this text; may be given several times.", valueName: "text"))
  var stop: [String] = []

  @OptionGroup var adapters: AdapterOptions
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var context: ContextOptions

  @Flag(name: [.long, .short], help: "Ask for prompts; /temp, /topk, /len and /quit change or end it.")
  var interactive = false

  @Flag(help: "Answer the prompt, written as the model was taught (or by --chat-template).")
  var chat = false

  @Option(help: ArgumentHelp("How conversations are written (the model's).", valueName: "name", visibility: .hidden))
  var chatTemplate: TemplateOption?

  @Flag(help: "Print one JSON object for each sample, with all tokens and their probabilities.")
  var json = false

  @Option(help: ArgumentHelp("With --json: name so many of the likeliest for each token.", valueName: "n"))
  var logprobs: Int?

  @Flag(help: "Tell what it took: tokens per second, memory.")
  var stats = false

  func validate() throws {
    if let maxTokens, maxTokens < 0 { throw ValidationError("--max-tokens must be at least 0, got \(maxTokens)") }
    guard numSamples >= 1 else { throw ValidationError("--num-samples must be at least 1, got \(numSamples)") }
    if chatTemplate != nil, !chat { throw ValidationError("--chat-template means nothing without --chat") }
    if prompt != nil, file != nil { throw ValidationError("--prompt and --file both give the prompt; leave one out") }
    if let logprobs, logprobs < 0 { throw ValidationError("--logprobs must be at least 0, got \(logprobs)") }
    if logprobs != nil, !json { throw ValidationError("--logprobs means nothing without --json") }
    guard interactive else { return }
    if chat { throw ValidationError("to talk with a model, use autograd chat \(model.shellQuoted)") }
    let useless = [
      ("--prompt", prompt != nil), ("--file", file != nil), ("--num-samples", numSamples != 1), ("--json", json),
      ("--stats", stats),
    ]
    if let (name, _) = useless.first(where: \.1) { throw ValidationError("\(name) means nothing with --interactive") }
  }

  mutating func run() throws { try reportingErrors { try generate() } }

  private func generate() throws {
    let source = try adapters.open(model), (network, tokenizer) = try context.weights.load(source)
    let form = try chat ? source.answerForm(chatTemplate, tokenizer) : nil, ends = try source.ends(form, tokenizer)
    var session = SessionOptions(), options = GenerationOptions(sampler: sampling.sampler, stops: stop + ends.texts)
    session.ends = ends.tokens
    options.keptTokens = context.contextShift ? context.keep ?? 0 : nil
    options.topLogprobs = json ? logprobs ?? 0 : nil
    if interactive {
      let session = try context.session(network, tokenizer, session)
      var prompts = Prompts(session: session, context: context, options: options, length: maxTokens)
      return try prompts.run()
    }
    let text = try promptText() ?? (chat || !tokenizer.beginningTokens.isEmpty ? "" : tokenizer.startingText)
    let tokens =
      try form.map { form throws(TextError) in try form.tokens(askingAfter: [ChatMessage(.user, text)], tokenizer) }
      ?? tokenizer.encodePrompt(text)
    guard !tokens.isEmpty, !(chat && text.isEmpty) else {
      throw InputError(sentence: "the prompt is empty; give at least one character")
    }
    let size = try context.size(of: network)
    let most = context.limit(maxTokens, usual: Self.usualLength, after: tokens.count, in: size)
    options.maximumTokens = most
    session.sequenceCount = min(numSamples, Samples.mostTogether)
    let longest = most < Int.max - tokens.count ? tokens.count + most : .max
    let samples = Samples(
      session: try context.session(network, tokenizer, session, longest: longest),
      prompt: text, showsPrompt: !chat, tokens: tokens, options: options, weights: context.weights.summary(of: network))
    try samples.show(count: numSamples, json: json, stats: stats)
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

extension Tokenizer {
  /// What a text begins with when nobody says, where the vocabulary has no token for that: a line end, as after any line, or
  /// its first token that is text.
  var startingText: String {
    if (try? encode("\n")) != nil { return "\n" }
    let texts = (0..<Int32(vocabularySize)).lazy.compactMap { String(validating: Array(bytes(of: $0)), as: UTF8.self) }
    return texts.first { !$0.isEmpty } ?? "\n"
  }
}
