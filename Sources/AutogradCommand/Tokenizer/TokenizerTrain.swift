import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradText
import AutogradTraining

/// A pre-tokenizer by its name.
struct PreTokenizerName: ExpressibleByArgument {
  let value: PreTokenizer

  init?(argument: String) {
    guard let value = PreTokenizer.named(argument), Self.allValueStrings.contains(value.shortName) else { return nil }
    self.value = value
  }

  static let allValueStrings = PreTokenizer.all.filter { !$0.regexes.isEmpty }.map(\.shortName)
}

struct TokenizerTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Makes a byte-pair vocabulary of your texts.",
    discussion: """
      Special tokens come first, then the 256 bytes, so that it knows any text, then what
      occurs most often together. The same texts give the same vocabulary, whatever the
      threads.
      """)

  @Option(help: ArgumentHelp("A text, JSONL, a folder or -, as often as you like.", valueName: "path"))
  var data: [String]

  @Option(help: ArgumentHelp("Tokens, special ones and bytes among them.", valueName: "n"))
  var vocabSize = 8192

  @Option(help: ArgumentHelp("A folder, or a file: .json, .tiktoken, vocab.json.", valueName: "path"))
  var out: String

  @Option(help: ArgumentHelp("How texts are cut into words (gpt2).", valueName: "name"))
  var preTokenizer: PreTokenizerName?

  @Option(
    help: ArgumentHelp("A token that no text has, as often as you like (<|endoftext|>).", valueName: "name"))
  var specialToken: [String] = []

  @Option(help: ArgumentHelp("Join what occurs at least so often.", valueName: "n"))
  var minFrequency = 0

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  private var training: BytePairTraining {
    var training = BytePairTraining()
    training.vocabularySize = vocabSize
    training.minimumFrequency = minFrequency
    if let preTokenizer { training.preTokenizer = preTokenizer.value }
    if !specialToken.isEmpty { training.specialTokens = specialToken }
    return training
  }

  func validate() throws {
    try checkThreads(threads)
    if data.isEmpty { throw ValidationError("--data is missing: name a text") }
    if let problem = training.problem { throw ValidationError("\(problem) (--vocab-size, --special-token, --min-frequency)") }
  }

  mutating func run() throws { try reportingErrors { try train() } }

  private func train() throws {
    try TokenizerFolder.requireRoom(at: out)
    let watch = Stopwatch(.wall), training = training
    Signals.watch()
    do throws(TextError) {
      let survey = try counted(training), counting = watch.seconds
      let tokenizer = try BytePairTokenizer(learned(training, survey.words))
      try TokenizerFolder.write(tokenizer, to: out)
      report(tokenizer, survey, counting: counting, seconds: watch.seconds).show(json: json)
    } catch {
      if error == .interrupted { Signals.endIfNoted() }
      throw error
    }
  }

  private func counted(_ training: BytePairTraining) throws(TextError) -> WordSurvey {
    let progress = TextProgress("counting words")
    defer { progress.end() }
    return try WordSurvey(data, training.preTokenizer, pool: threads.map { ThreadPool(threads: $0) } ?? .shared) {
      progress.show($0, $1) && !Signals.isNoted
    }
  }

  private func learned(_ training: BytePairTraining, _ words: WordCounts) throws(TextError) -> BytePairDescription {
    let progress = TextProgress("joining", unit: { "\($0.grouped) tokens" })
    defer { progress.end() }
    return try training.description(of: words) { progress.show($0, training.vocabularySize) && !Signals.isNoted }
  }

  private func report(
    _ tokenizer: BytePairTokenizer, _ survey: WordSurvey, counting: Double, seconds: Double
  ) -> Report {
    var report = Report()
    func add(_ key: String, label: String? = nil, _ value: Int) {
      report.add(key, label: label, value.grouped, .integer(Int64(value)))
    }
    report.add("bytes", survey.textByteCount.bytes, .integer(Int64(survey.textByteCount)))
    add("words", survey.words.total)
    add("distinct_words", survey.words.count)
    add("vocabulary", tokenizer.vocabularySize)
    add("merges", tokenizer.description.merges.count)
    report.add("pre_tokenizer", tokenizer.description.preTokenizer.shortName, .string(tokenizer.description.preTokenizer.shortName))
    if tokenizer.vocabularySize < vocabSize {
      report.addLine("note", "the text has no more to join; a larger one would give \(vocabSize.grouped) tokens")
    }
    report.add("seconds", "\(seconds.fixed(2)) s, \(counting.fixed(2)) of them to count words", .number(seconds))
    report.add("out", out.escapedForDisplay, .string(out))
    return report
  }
}
