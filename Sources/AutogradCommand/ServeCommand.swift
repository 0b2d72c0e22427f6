import ArgumentParser
import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradServer
import AutogradText

struct ServeCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Answers requests over HTTP, in the form of OpenAI's API.",
    discussion: """
      Programs ask /v1/completions and /v1/chat/completions, a browser shows a page to try the model \
      on. Only programs on this machine reach it, unless --host names another address: then each \
      request must bring a key, from --api-key-file or AUTOGRAD_API_KEY.

      An answer has the bytes that generate gives for the same seed, whatever else is under way.
      Ctrl-C, or SIGTERM, finishes what is under way and ends.
      """)

  static let takesSettings = false

  static let examples = [
    "autograd serve runs/book",
    "autograd serve model.gguf --port 8000 --parallel 8 --ctx-size 2048",
  ]

  @Argument(help: ArgumentHelp("A model directory, as train writes it, or a .gguf file.", valueName: "model"))
  var model: String

  @Option(help: ArgumentHelp("The address to listen on, in digits.", valueName: "address"))
  var host = "127.0.0.1"

  @Option(help: ArgumentHelp("The port; 0 takes any that is free.", valueName: "n"))
  var port: UInt16 = 8080

  @Option(help: ArgumentHelp("Requests must bring the key that stands in this file.", valueName: "file"))
  var apiKeyFile: String?

  @Option(help: ArgumentHelp("A name by which the server is called; may be given several times.", valueName: "name"))
  var hostName: [String] = []

  @Option(help: ArgumentHelp("Pages of this site may ask; may be given several times.", valueName: "origin"))
  var corsOrigin: [String] = []

  @Option(help: ArgumentHelp("What requests call the model (the last part of its path).", valueName: "name"))
  var modelName: String?

  @Option(name: [.long, .customLong("n-parallel")], help: ArgumentHelp("Answers under way at once.", valueName: "n"))
  var parallel = 4

  @Option(help: ArgumentHelp("Tokens of a prompt and its answer (what the model and the memory have).", valueName: "n"))
  var ctxSize: Int?

  @Option(help: ArgumentHelp("Keep keys and values as f32 or bf16 (as products take them).", valueName: "type"))
  var cacheType: CacheType?

  @OptionGroup var weights: WeightOptions
  @OptionGroup var adapters: AdapterOptions

  @Option(help: ArgumentHelp("The most tokens of one answer (all that fit).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: ArgumentHelp("Answers that may wait for others; more are told to come again.", valueName: "n"))
  var maxWaiting = ServerLimits().waiting

  @Option(help: ArgumentHelp("The longest that an answer may take, waiting included.", valueName: "seconds"))
  var timeout = ServerLimits().secondsForAnswer

  @Option(help: ArgumentHelp("How long answers under way may take once the server is to end.", valueName: "seconds"))
  var drain = ServerLimits().secondsForDraining

  @Option(help: ArgumentHelp("How conversations are written (the model's).", valueName: "name"))
  var chatTemplate: TemplateOption?

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    try checkThreads(threads)
    func require(_ holds: Bool, _ sentence: String) throws {
      if !holds { throw ValidationError(sentence) }
    }
    try require((1...256).contains(parallel), "--parallel must lie between 1 and 256, got \(parallel)")
    try require(ctxSize ?? 1 >= 1, "--ctx-size must be at least 1, got \(ctxSize ?? 0)")
    try require(maxTokens ?? 1 >= 1, "--max-tokens must be at least 1, got \(maxTokens ?? 0)")
    try require(maxWaiting >= 0, "--max-waiting must be at least 0, got \(maxWaiting)")
    try require(timeout > 0 && timeout.isFinite, "--timeout must be a number of seconds above 0, got \(timeout)")
    try require(drain >= 0 && drain.isFinite, "--drain must be a number of seconds of at least 0, got \(drain)")
    for origin in corsOrigin {
      try require(
        origin.wholeMatch(of: /https?:\/\/[^\/\s]+/) != nil,
        "--cors-origin must be a site, such as https://example.org, got \(origin.quotedForMessage)")
    }
  }

  mutating func run() throws { try reportingErrors { try serve() } }

  private func serve() throws {
    let settings = try settings()
    let source = try adapters.open(model), (network, tokenizer) = try weights.load(source)
    let form = try form(source, tokenizer), session = try session(network)
    let memory = "keys and values \(session.plan.cacheBytes.bytes), \(weights.summary(of: network))"
    let served = ServedModel(
      name: modelName ?? lastPart(of: model), tokenizer: tokenizer, textEnds: try ends(source, nil, tokenizer),
      answerEnds: try ends(source, form, tokenizer), form: form, contextSize: session.contextSize,
      vocabularySize: network.configuration.vocabularySize)
    Signals.watch()
    let batcher = Batcher(session, tokenizer, waitingLimit: maxWaiting)
    let server: Server
    do throws(ServerError) {
      server = try Server(settings, served, batcher) { Console.writeError($0) }
    } catch {
      batcher.end()
      throw InputError(sentence: "\(error) (\(error.option))")
    }
    Console.showLine(
      "\(served.name) answers at \(server.url), \(parallel) at once, in a context of \(served.contextSize) tokens each; "
        + memory)
    server.run { Signals.isNoted }
    Signals.endIfNoted()
  }

  /// How the model writes conversations; nil where it brings no template that is known, which only conversations need.
  private func form(_ source: any StoredModel, _ tokenizer: any Tokenizer) throws -> AnswerForm? {
    if let chatTemplate { return try AnswerForm(chatTemplate.name.choice.template(), tokenizer) }
    let choice = try source.chatTemplate()
    do throws(TextError) {
      guard let template = try choice.template() else { return nil }
      return try AnswerForm(template, tokenizer)
    } catch {
      Console.writeError("warning: \(error); conversations are refused (--chat-template)")
      return nil
    }
  }

  private func session(_ network: Decoder<Float>) throws -> DecoderSession<Float> {
    let tape = Tape<Float>(backend: Backend(pool: threads.map { ThreadPool(threads: $0) } ?? .shared))
    tape.productMode = weights.productMode(of: network)
    do throws(LanguageModelError) {
      return try DecoderSession(network, sequences: parallel, contextSize: ctxSize, cacheType: cacheType, tape: tape)
    } catch {
      throw GenerationError.model(error)
    }
  }

  private func settings() throws -> ServerSettings {
    var settings = ServerSettings()
    settings.host = host
    settings.port = port
    settings.key = try key()
    settings.hostNames = hostName
    settings.corsOrigins = corsOrigin
    settings.limits.answerTokens = maxTokens
    settings.limits.waiting = maxWaiting
    settings.limits.secondsForAnswer = timeout
    settings.limits.secondsForDraining = drain
    return settings
  }

  private func key() throws -> String? {
    guard let apiKeyFile else {
      let key = Console.environment("AUTOGRAD_API_KEY") ?? ""
      return key.isEmpty ? nil : key
    }
    var text = String(decoding: try loadText(path: apiKeyFile, byteLimit: 4096), as: UTF8.self)
    while text.last?.isNewline == true { text.removeLast() }
    return text
  }

  private func ends(_ source: any StoredModel, _ form: AnswerForm?, _ tokenizer: any Tokenizer) throws -> Ends {
    let found = try source.ends(form, tokenizer)
    return Ends(tokens: found.tokens, texts: found.texts)
  }

  /// The last part of a path, without the ending of a file.
  private func lastPart(of path: String) -> String {
    let part = path.split(separator: "/").last.map(String.init) ?? path
    return part.hasSuffix(".gguf") ? String(part.dropLast(5)) : part
  }
}

extension ServerError {
  /// The option that helps.
  fileprivate var option: String {
    switch self {
    case .noAddress: "--host"
    case .needsKey: "--api-key-file, --host"
    case .emptyKey: "--api-key-file"
    case .inUse: "--port"
    case .cannotListen: "--host, --port"
    }
  }
}
