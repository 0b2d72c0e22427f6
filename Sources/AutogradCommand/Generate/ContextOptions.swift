import ArgumentParser
import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradText

extension CacheType: ExpressibleByArgument {}

/// How much of a text the model sees, what it keeps of it, and by what it computes.
struct ContextOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The most tokens of prompt and answer (the model's context).", valueName: "n"))
  var ctxSize: Int?

  @Flag(help: "Let texts grow beyond that: the newest tokens stay.")
  var contextShift = false

  @Option(help: ArgumentHelp("With it: so many tokens at the beginning stay, too.", valueName: "n"))
  var keep: Int?

  @Option(help: ArgumentHelp("Keep keys and values as f32 or bf16 (as products take them).", valueName: "type"))
  var cacheType: CacheType?

  @OptionGroup var weights: WeightOptions

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    try checkThreads(threads)
    if let ctxSize, ctxSize < 1 { throw ValidationError("--ctx-size must be at least 1, got \(ctxSize)") }
    guard let keep else { return }
    if keep < 0 { throw ValidationError("--keep must be at least 0, got \(keep)") }
    if !contextShift { throw ValidationError("--keep means nothing without --context-shift") }
  }

  /// The most tokens that a text may have.
  func size(of model: any LanguageModel<Float>) throws -> Int {
    let most = model.configuration.contextLength, size = ctxSize ?? most
    guard size <= most else {
      throw InputError(sentence: "a context of \(size) tokens is longer than the model's of \(most) (--ctx-size)")
    }
    return size
  }

  /// How many tokens to draw where so many were asked for: where nobody asked, what is usual or has room.
  func limit(_ asked: Int?, usual: Int, after promptTokens: Int, in size: Int) -> Int {
    asked ?? (contextShift ? usual : max(1, min(usual, size - promptTokens)))
  }

  /// A session for texts of at most so many tokens; fewer take less memory.
  func session(
    _ model: Decoder<Float>, _ tokenizer: any Tokenizer, _ options: SessionOptions, longest: Int = .max
  ) throws -> TextSession {
    var options = options
    let size = try size(of: model)
    // Nobody asked for all of it: the session takes what memory holds.
    options.contextSize = ctxSize == nil && longest >= size ? nil : min(size, longest)
    options.cacheType = cacheType
    let tape = Tape<Float>(backend: Backend(pool: threads.map { ThreadPool(threads: $0) } ?? .shared))
    tape.productMode = weights.productMode(of: model)
    return try model.session(tokenizer: tokenizer, options: options, tape: tape)
  }
}

extension StoredModel {
  /// The tokens that end what the model says.
  func ends(_ form: AnswerForm?, _ tokenizer: any Tokenizer) throws -> (tokens: Set<Int32>, texts: [String]) {
    let own = try endTokens()
    let ofForm: (tokens: [Int32], text: String) = form?.ends(tokenizer) ?? ([], "")
    return (Set(own).union(ofForm.tokens), ofForm.text.isEmpty ? [] : [ofForm.text])
  }

  /// How the model writes conversations.
  ///
  /// - Parameter named: What somebody asked for instead.
  func answerForm(_ named: TemplateOption?, _ tokenizer: any Tokenizer) throws -> AnswerForm {
    guard let template = try (named?.name.choice ?? chatTemplate()).template() else {
      throw InputError(
        sentence: "\(path) brings no chat template: name the one that its conversations were written by (--chat-template)")
    }
    return try AnswerForm(template, tokenizer)
  }
}
