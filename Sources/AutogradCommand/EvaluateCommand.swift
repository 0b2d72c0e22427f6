import ArgumentParser
import AutogradBase
import AutogradModels
import AutogradText

struct EvaluateCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measures a model's loss on a text file.",
    discussion: """
      Reads the text in neighbouring windows of the model's context; every token but the first is predicted once.
      """)

  static let examples = [
    "autograd evaluate --model runs/book --data other-book.txt",
    "autograd evaluate --model runs/book --data other-book.txt --json",
  ]

  @Option(help: ArgumentHelp("A model directory, as train writes it.", valueName: "dir"))
  var model: String

  @Option(help: ArgumentHelp("The text to predict, UTF-8.", valueName: "file"))
  var data: String

  @Flag(help: "Print one JSON object.")
  var json = false

  mutating func run() throws { try reportingErrors { try evaluate() } }

  private func evaluate() throws {
    let (network, tokenizer) = try ModelDirectory(model).load()
    let text = try loadText(path: data, fileSystem: POSIXFileSystem())
    let evaluation = try Evaluator(model: network).evaluate(text, tokenizer)
    guard evaluation.loss.isFinite else {
      throw InputError(
        sentence: "the loss of \(model) on \(data) is \(evaluation.loss): its logits overflow; train it anew, with a "
          + "smaller learning rate", exit: .nonFinite)
    }
    var report = Report()
    report.add("loss", "\(evaluation.loss.fixed(4)) nats per token", .number(evaluation.loss))
    report.add("perplexity", evaluation.perplexity.fixed(3), .number(evaluation.perplexity))
    report.add("bits_per_byte", evaluation.bitsPerByte.fixed(4), .number(evaluation.bitsPerByte))
    report.add("tokens", evaluation.tokenCount.grouped, .integer(Int64(evaluation.tokenCount)))
    report.show(json: json)
  }
}
