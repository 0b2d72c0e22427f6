import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradText
import AutogradTraining

/// What train's settings decide about what is read.
enum DataPart: SettingPart {
  static let settings = [
    "tokenizer", "block_size", "batch_size", "val_fraction", "keep_documents_apart", "chat_template", "mask_prompt", "seed",
  ]
    .compactMap(Setting.named)
}

struct DataCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Shows what train would read: texts, documents, tokens, and the first windows.",
    discussion: """
      A file is one plain text; .jsonl holds a document or a conversation in each line, .bin the \
      tokens of nanoGPT or llm.c, with tokenizer.json or meta.json beside them. Of a folder all files \
      are read, in the order of their names. - is standard input. Nothing is kept. What training \
      learns of conversations is shown between « and ».
      """)

  static let examples = ["autograd data book.txt", "autograd data stories/ more.jsonl --data-weights 3,1 --json"]

  @Argument(help: ArgumentHelp("What train's --data would be.", valueName: "path"))
  var paths: [String]

  @Option(
    help: ArgumentHelp("In proportion to what windows are drawn from each path: 3,1.", valueName: "x,…"),
    transform: DataWeights.init(word:))
  var dataWeights: DataWeights?

  @Option(help: ArgumentHelp("Take the tokenizer of a saved model.", valueName: "dir"))
  var initFrom: String?

  @OptionGroup private var settings: SettingOptions<DataPart>

  @Option(help: ArgumentHelp("Windows to show.", valueName: "n"))
  var windows = 3

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try checkThreads(threads)
    guard windows >= 0 else { throw ValidationError("--windows must be at least 0, got \(windows)") }
    if let weights = dataWeights?.values, weights.count != paths.count {
      throw ValidationError(
        "--data-weights has \(weights.count) numbers, and there are \(paths.count) paths; give one for each, in their order")
    }
  }

  mutating func run() throws { try reportingErrors { try show() } }

  private func show() throws {
    let settings = RunSettings(.standard, settings.given)
    if let problem = settings.problem { throw TrainingError.invalidConfiguration(problem) }
    if initFrom != nil, settings.tokenizer != nil {
      throw ValidationError("--tokenizer and --init-from both give the vocabulary; leave one of them out")
    }
    let model = try initFrom.map { try openModel($0) }
    let tokenizer = try model?.tokenizer() ?? TextSource.vocabulary(settings)
    let template = try settings.chatTemplate?.choice ?? model?.chatTemplate() ?? .none
    let source = try TextSource(
      GivenData(paths: paths, weights: dataWeights?.values), tokenizer: tokenizer, template: template,
      pool: threads.map { ThreadPool(threads: $0) } ?? .shared)
    let data = try source.trainingData(settings)
    try source.prepare(in: nil)
    guard let texts = source.texts else { return }
    try report(texts, data, settings, template).show(json: json)
  }

  private func report(
    _ texts: RunTexts, _ data: TrainingData, _ settings: RunSettings, _ template: ChatTemplateChoice
  ) throws -> Report {
    func number(_ value: Int) -> JSON { .integer(Int64(value)) }
    let tokens = texts.sources.reduce(0) { $0 + $1.tokenCount }, bytes = texts.identity.byteCount
    let documents = texts.sources.reduce(0) { $0 + $1.documentCount }
    var report = Report()
    report.add(
      "sources",
      .array(
        texts.sources.enumerated().map { index, source in
          .object(
            [
              JSON.Member("path", .string(source.path)), JSON.Member("bytes", number(source.byteCount)),
              JSON.Member("documents", number(source.documentCount)), JSON.Member("tokens", number(source.tokenCount)),
            ] + (texts.weights.map { [JSON.Member("weight", .number($0[index]))] } ?? []))
        }))
    for (index, source) in texts.sources.enumerated() where texts.sources.count > 1 {
      let weight = texts.weights.map { ", weight \($0[index])" } ?? ""
      report.addLine(
        source.path.escapedForDisplay,
        "\(source.byteCount.bytes), \(source.documentCount.grouped) documents, \(source.tokenCount.grouped) tokens\(weight)")
    }
    report.add("bytes", bytes.bytes, number(bytes))
    report.add("documents", documents.grouped, number(documents))
    report.add("tokens", tokens.grouped, number(tokens))
    // Of the documents' text: what a line of JSON has beside it makes no tokens.
    let text = texts.sources.reduce(0) { $0 + $1.byteCount }, perToken = Double(text) / Double(max(1, tokens))
    report.add("bytes_per_token", perToken.fixed(3), .number(perToken))
    let end = texts.boundary.map { ", end of text \($0)" } ?? ""
    report.add("vocabulary", texts.tokenizer.vocabularySize.grouped + end, number(texts.tokenizer.vocabularySize))
    report.add("end_of_text", texts.boundary.map { number(Int($0)) } ?? .null)
    let file = texts.tokenByteCount
    report.add("token_bytes", label: "as a file", "\(file.bytes), \(texts.format.rawValue)", number(file))
    report.add("sha256", texts.identity.sha256, .string(texts.identity.sha256))
    let parts = try texts.datasets(validationFraction: settings.validationFraction)
    let training = parts.reduce(0) { $0 + $1.training.count }
    let validation = parts.reduce(0) { $0 + $1.validation.count }
    report.add("training", "\(training.grouped) tokens", number(training))
    report.add("validation", "\(validation.grouped) tokens", number(validation))
    if texts.haveAnswers {
      let name = ChatTemplateName(template).name
      report.add("chat_template", name, .string(name))
      report.addLine("learnt", settings.masksPrompt ? "answers, between « and »" : "questions and answers")
    }
    if let packed = data.training as? PackedSampler {
      let share = packed.filledShare
      report.add("packed", "\(packed.windowsPerEpoch.grouped) windows, \(share.percent) filled", .number(share))
    }
    if let paired = data.training as? PairSampler {
      let share = paired.filledShare
      report.add("pairs", "\(paired.windowsPerEpoch.grouped), their rows \(share.percent) filled", .number(share))
    }
    if !data.note.isEmpty { report.addLine("note", data.note) }
    try addWindows(to: &report, texts, data.training)
    return report
  }

  /// The windows that training begins with; of conversations, what is learnt of them stands between « and ».
  private func addWindows(to report: inout Report, _ texts: RunTexts, _ sampler: any BatchSampler) throws {
    var shown: [JSON] = [], parts: [JSON] = [], batch = sampler.makeBatch()
    for number in 0..<windows {
      let row = number % sampler.rowCount
      if row == 0 { try sampler.fill(&batch, number: UInt64(number / sampler.rowCount)) }
      let range = row * sampler.blockSize..<(row + 1) * sampler.blockSize
      if sampler.hasWeights {
        let pieces = LearntPiece.pieces(of: batch, range, texts.tokenizer)
        report.addLine("window \(number + 1)", LearntPiece.line(pieces))
        shown.append(.string(pieces.map(\.text).joined()))
        parts.append(
          .array(pieces.map { .object([JSON.Member("text", .string($0.text)), JSON.Member("learnt", .bool($0.isLearnt))]) }))
      } else {
        let text = String(decoding: texts.tokenizer.decode(Array(batch.inputs[range])), as: UTF8.self)
        report.addLine("window \(number + 1)", text.shownInLine)
        shown.append(.string(text))
      }
    }
    report.add("windows", .array(shown))
    if sampler.hasWeights { report.add("learnt", .array(parts)) }
  }
}

/// Neighbouring tokens of a window, all of which are learnt or none.
private struct LearntPiece {
  private(set) var tokens: [Int32] = []
  let isLearnt: Bool
  let beginsDocument: Bool
  private(set) var text = ""

  /// The tokens of a row: a document's first, then all that follow it as targets. What only fills the row up is left out.
  static func pieces(of batch: TokenBatch, _ row: Range<Int>, _ tokenizer: any Tokenizer) -> [LearntPiece] {
    var pieces: [LearntPiece] = []
    func add(_ token: Int32, isLearnt: Bool, begins: Bool = false) {
      if begins || pieces.last?.isLearnt != isLearnt {
        pieces.append(LearntPiece(isLearnt: isLearnt, beginsDocument: begins))
      }
      pieces[pieces.count - 1].tokens.append(token)
    }
    for place in row {
      let begins = place == row.lowerBound || batch.positions[place] == 0
      let isAlone = begins && (place + 1 == row.upperBound || batch.positions[place + 1] == 0)
      if isAlone, batch.weights[place] == 0 { continue }
      if begins { add(batch.inputs[place], isLearnt: false, begins: true) }
      add(batch.targets[place], isLearnt: batch.weights[place] > 0)
    }
    return pieces.map { piece in
      var piece = piece
      piece.text = String(decoding: tokenizer.decode(piece.tokens), as: UTF8.self)
      return piece
    }
  }

  static func line(_ pieces: [LearntPiece]) -> String {
    pieces.enumerated().map { index, piece in
      let text = piece.text.shownInLine
      return (index > 0 && piece.beginsDocument ? " ¦ " : "") + (piece.isLearnt ? "«\(text)»" : text)
    }.joined()
  }
}

extension String {
  /// In one line: a line feed as ↵, other control characters by their numbers.
  fileprivate var shownInLine: String {
    split(separator: "\n", omittingEmptySubsequences: false).map { String($0).escapedForDisplay }.joined(separator: "↵")
  }
}
