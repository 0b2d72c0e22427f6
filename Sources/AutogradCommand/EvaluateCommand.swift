import ArgumentParser
import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

struct EvaluateCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measures a model's loss on a text, or its answers to questions.",
    discussion: """
      Reads the text in neighbouring windows of the model's context; every token but the first is \
      predicted once. Bits per byte compare models with different tokenizers. Of conversations the \
      answers count.

      A task is JSONL with {"question", "choices", "answer"} or {"context", "continuation"} in each \
      line, scored as by lm-evaluation-harness: acc takes the likeliest choice, acc_norm divides by \
      characters, acc_bytes by bytes.
      """)

  static let examples = [
    "autograd evaluate --model runs/book --data other-book.txt --stride 32",
    "autograd evaluate --model runs/book --task questions.jsonl",
  ]

  @Option(help: ArgumentHelp("A model directory, as train writes it, or a .gguf file.", valueName: "path"))
  var model: String

  @OptionGroup var adapters: AdapterOptions

  @Option(help: ArgumentHelp("A text, JSONL, tokens (.bin), a folder or -.", valueName: "path"))
  var data: String?

  @Option(help: ArgumentHelp("Questions with choices, or texts to continue: JSONL.", valueName: "file"))
  var task: String?

  @Option(
    help: ArgumentHelp(
      "Move the window by so many tokens, which see at least the rest of the context before them.", valueName: "n"))
  var stride: Int?

  @Option(
    name: [.long, .customLong("ctx-size")],
    help: ArgumentHelp("Tokens of the window (the model's context); also --ctx-size.", valueName: "n"))
  var blockSize: Int?

  @Option(help: ArgumentHelp("How conversations are written (the model's).", valueName: "name"))
  var chatTemplate: TemplateOption?

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try checkThreads(threads)
    guard (data == nil) != (task == nil) else { throw ValidationError("give one of --data and --task") }
    let useless = [
      ("--stride", stride != nil), ("--block-size", blockSize != nil), ("--chat-template", chatTemplate != nil),
    ]
    if task != nil, let (name, _) = useless.first(where: \.1) {
      throw ValidationError("\(name) means nothing with --task; leave it out")
    }
    if let blockSize, blockSize < 1 { throw ValidationError("--block-size must be at least 1, got \(blockSize)") }
    if let stride, stride < 1 { throw ValidationError("--stride must be at least 1, got \(stride)") }
  }

  mutating func run() throws { try reportingErrors { try evaluate() } }

  private func evaluate() throws {
    let pool = threads.map { ThreadPool(threads: $0) } ?? .shared
    let source = try adapters.open(model), (network, tokenizer) = try source.load()
    let tape = Tape<Float>(backend: Backend(pool: pool))
    if let task { return try answer(task, network, tokenizer, tape) }
    guard let data else { return }
    let template = try chatTemplate?.name.choice ?? source.chatTemplate()
    try measure(data, network, tokenizer, template, tape, pool)
  }

  // MARK: A text

  private func measure(
    _ data: String, _ network: any LanguageModel<Float>, _ tokenizer: any Tokenizer, _ template: ChatTemplateChoice,
    _ tape: Tape<Float>, _ pool: ThreadPool
  ) throws {
    let most = network.configuration.contextLength, context = blockSize ?? most
    guard context <= most else {
      throw InputError(sentence: "a window of \(context) tokens is longer than the model's context of \(most) (--block-size)")
    }
    if let stride, stride >= context {
      throw InputError(
        sentence: "a stride of \(stride) leaves no token before those that count: the window has \(context), and the stride "
          + "must be below that (--stride)")
    }
    let source = try TextSource(GivenData(paths: [data]), tokenizer: tokenizer, template: template, pool: pool)
    try source.prepare(in: nil)
    guard let texts = source.texts, let text = texts.sources.first else { return }
    let evaluation = try evaluation(of: text, Evaluator(model: network, context: context, tape: tape), tokenizer)
    try requireFinite(evaluation.loss, on: data)
    report(evaluation, context).show(json: json)
  }

  private func requireFinite(_ loss: Double, on path: String) throws {
    guard !loss.isFinite else { return }
    throw InputError(
      sentence: "the loss of \(model) on \(path) is \(loss): its logits overflow; train it anew, with a smaller learning rate",
      exit: .nonFinite)
  }

  /// Of a folder that comes with texts to validate with, those.
  private func evaluation(
    of text: RunTexts.Source, _ evaluator: Evaluator<Float>, _ tokenizer: any Tokenizer
  ) throws -> Evaluation {
    let progress = ShareProgress("evaluating")
    Signals.watch()
    let result = try evaluator.evaluate(
      text.validation ?? text.tokens, tokenizer, textByteCount: text.validation == nil ? text.textByteCount : nil,
      stride: stride, answers: text.validation == nil ? text.answers : text.validationAnswers
    ) { share in progress.show(share) && !Signals.isNoted }
    progress.end()
    Signals.endIfNoted()
    Signals.unwatch()
    return result
  }

  private func report(_ evaluation: Evaluation, _ context: Int) -> Report {
    var report = Report()
    report.add("loss", "\(evaluation.loss.fixed(4)) nats per token", .number(evaluation.loss))
    report.add("perplexity", evaluation.perplexity.fixed(3), .number(evaluation.perplexity))
    report.add("bits_per_byte", evaluation.bitsPerByte.fixed(4), .number(evaluation.bitsPerByte))
    report.add("tokens", evaluation.tokenCount.grouped, .integer(Int64(evaluation.tokenCount)))
    report.add("bytes", evaluation.byteCount.grouped, .integer(Int64(evaluation.byteCount)))
    report.add("context", context.grouped, .integer(Int64(context)))
    if let stride { report.add("stride", stride.grouped, .integer(Int64(stride))) }
    return report
  }

  // MARK: A task

  private func answer(
    _ path: String, _ network: any LanguageModel<Float>, _ tokenizer: any Tokenizer, _ tape: Tape<Float>
  ) throws {
    let file = try TaskFile(path), progress = ShareProgress("scoring")
    Signals.watch()
    let result = try TaskScorer(model: network, tokenizer: tokenizer, tape: tape).score(file, path: path) { share in
      progress.show(share) && !Signals.isNoted
    }
    progress.end()
    Signals.endIfNoted()
    Signals.unwatch()
    guard let result else { return }
    try requireFinite(result.loss, on: path)
    var report = Report()
    report.add("items", "\(result.itemCount.grouped), \(result.kind.rawValue)", .integer(Int64(result.itemCount)))
    func add(_ key: String, _ share: Double?) {
      guard let share else { return }
      let error = result.standardError(of: share)
      report.add(key, share.fixed(4) + (error.isFinite ? " ± \(error.fixed(4))" : ""), .number(share))
      report.add(key + "_stderr", error.isFinite ? .number(error) : .null)
    }
    add("acc", result.accuracy)
    add("acc_norm", result.accuracyPerCharacter)
    add("acc_bytes", result.accuracyPerByte)
    report.add("loss", "\(result.loss.fixed(4)) nats per token of the right answers", .number(result.loss))
    report.add("perplexity", "\(result.perplexity.fixed(3)) per item", .number(result.perplexity))
    report.add("bits_per_byte", result.bitsPerByte.fixed(4), .number(result.bitsPerByte))
    if result.cutCount > 0 {
      report.add(
        "cut", "\(result.cutCount.grouped) items, whose beginning does not fit into the context",
        .integer(Int64(result.cutCount)))
    }
    report.show(json: json)
  }
}

/// A chat template on the command line.
struct TemplateOption: ExpressibleByArgument {
  let name: ChatTemplateName

  init?(argument: String) {
    guard let name = ChatTemplateName(argument) else { return nil }
    self.name = name
  }

  static var allValueStrings: [String] { ChatTemplate.all.map(\.name) + ["none"] }
}
