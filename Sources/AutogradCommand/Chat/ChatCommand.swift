import ArgumentParser
import AutogradBase
import AutogradModels
import AutogradText

struct ChatCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Talks with a model, turn by turn.",
    discussion: """
      Each line is a question; \"\"\" begins and ends one of several lines. Answers go to standard \
      output, everything else to standard error. Ctrl-C ends an answer; at the prompt, twice, the \
      conversation.

      \(ChatVerb.help.joined(separator: "\n"))
      """)

  static let takesSettings = false

  static let examples = [
    "autograd chat model.gguf",
    "autograd chat runs/book --system \"You answer in one sentence.\" --temperature 0.5",
  ]

  @Argument(help: ArgumentHelp("A model directory, as train writes it, or a .gguf file.", valueName: "model"))
  var model: String

  @Option(help: ArgumentHelp("What the model is told before the conversation.", valueName: "text"))
  var system: String?

  @Option(name: [.long, .customShort("n")], help: ArgumentHelp("The most tokens of an answer (all that fit).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: ArgumentHelp("Go on with a conversation that was saved.", valueName: "file"))
  var load: String?

  @Option(help: ArgumentHelp("How conversations are written (the model's).", valueName: "name"))
  var chatTemplate: TemplateOption?

  @OptionGroup var adapters: AdapterOptions
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var context: ContextOptions

  func validate() throws {
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens must be at least 1, got \(maxTokens)") }
    if load != nil, system != nil {
      throw ValidationError("--load brings a system message of its own; change it by /system, and leave --system out")
    }
  }

  mutating func run() throws { try reportingErrors { try chat() } }

  private func chat() throws {
    let source = try adapters.open(model), (network, tokenizer) = try context.weights.load(source)
    let form = try source.answerForm(chatTemplate, tokenizer), ends = try source.ends(form, tokenizer)
    var sessionOptions = SessionOptions()
    sessionOptions.ends = ends.tokens
    let session = try context.session(network, tokenizer, sessionOptions)
    var conversation = Conversation(form, session, keepsShifting: context.contextShift, keptTokens: context.keep)
    conversation.options = GenerationOptions(sampler: sampling.sampler, maximumTokens: maxTokens, stops: ends.texts)
    if let system { try conversation.setSystem(system) }
    var talk = ChatTalk(conversation, weights: context.weights.summary(of: network))
    if let load { try talk.load(load) }
    try talk.run()
    if talk.hasFailed, !Console.talks { throw ExitCode(Exit.badInput.rawValue) }
  }
}
