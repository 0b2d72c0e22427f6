import AutogradBase
import AutogradKernels
import AutogradText
import AutogradTraining

/// What is to be learnt: texts, or the stories.
struct TextSource {
  let tokenizer: any Tokenizer
  /// The first line that samples continue.
  let prompt: String
  /// What the stories are made by; nil for texts.
  let grammar: Grammar?
  /// A sample shows what was learnt: stories one by one, each from its beginning; of another text one piece.
  var samples: (count: Int, length: Int, stop: [String]) { grammar == nil ? (1, 400, []) : (40, 200, ["\n"]) }
  /// Nil for the stories, which are told as they are needed.
  let texts: RunTexts?
  /// What it is, so that a resume on something else is found out.
  let identity: DataIdentity
  /// What reading it took.
  private let seconds: Double

  /// What `--tokenizer` calls the vocabulary of the text's characters.
  static let characters = "char"

  /// The vocabulary that a setting names; nil for that of the text's characters.
  static func vocabulary(_ settings: RunSettings) throws -> (any Tokenizer)? {
    guard let name = settings.tokenizer, name != characters else { return nil }
    return try loadVocabulary(at: name)
  }

  /// Reads what was named, or what a run was trained on until now.
  ///
  /// - Parameters:
  ///   - given: Nil takes what the run had, and the stories where nothing is known of a run.
  ///   - tokenizer: Where training goes on from a model: its own; nil makes one from the text.
  ///   - template: Writes conversations.
  ///   - expected: Where a run goes on: what it was trained on until now.
  ///   - run: The run's folder, where it goes on.
  init(
    _ given: GivenData?, tokenizer: (any Tokenizer)?, template: ChatTemplateChoice = .none,
    expected: DataIdentity? = nil, run: String? = nil, pool: ThreadPool
  ) throws {
    let watch = Stopwatch(.wall)
    var data = given
    if data == nil, let expected, !expected.paths.isEmpty {
      data = GivenData(paths: expected.paths, weights: expected.weights)
    } else if given?.weights == nil, let expected, expected.paths.count == given?.paths.count {
      data?.weights = expected.weights
    }
    guard let data else {
      (texts, grammar) = (nil, .stories)
      identity = DataIdentity(path: nil, bytes: Grammar.storiesSource)
      self.tokenizer = try tokenizer ?? TokenizerKind.standard.train(Grammar.stories.alphabet)
      prompt = self.tokenizer.startingText
      seconds = watch.seconds
      try requireSame(expected)
      return
    }
    let texts: RunTexts
    if let expected, data.paths == [RunTexts.standardInput], expected.paths == data.paths,
      let before = try TextSource.readBefore(expected, tokenizer, in: run, pool, isGivenAgain: given != nil)
    {
      texts = before
    } else {
      texts = try TextSource.read(data, tokenizer, template, expected, isOfRun: given == nil, pool)
    }
    (self.texts, grammar, identity, self.tokenizer) = (texts, nil, texts.identity, texts.tokenizer)
    prompt = self.tokenizer.startingText
    seconds = watch.seconds
    try requireSame(expected)
  }

  private func requireSame(_ expected: DataIdentity?) throws {
    if let expected, !identity.isSameText(as: expected) {
      throw InputError(sentence: TextSource.difference(expected, identity))
    }
  }

  /// - Parameter isOfRun: Whether nobody named the files now: the run did, when it was begun.
  private static func read(
    _ data: GivenData, _ tokenizer: (any Tokenizer)?, _ template: ChatTemplateChoice,
    _ expected: DataIdentity?, isOfRun: Bool, _ pool: ThreadPool
  ) throws -> RunTexts {
    let progress = TextProgress("reading")
    defer { progress.end() }
    do throws(TextError) {
      return try RunTexts(
        data.paths, weights: data.weights, tokenizer: tokenizer, template: template, pool: pool, progress: progress.show)
    } catch {
      if let expected, error == .noEndOfText {
        throw InputError(
          sentence: "the run was trained on one text, \(expected.path?.escapedForDisplay ?? ""), and several files are found "
            + "there now; take away those that were added, or name the one text with --data")
      }
      guard isOfRun, case .file(let problem) = error, problem.isOfTheName else { throw error }
      throw InputError(sentence: "\(problem). It is the text of the run; where it is elsewhere by now, name it with --data")
    }
  }

  /// What a run has kept of its standard input; nil where that is to be read again.
  ///
  /// - Parameter isGivenAgain: Whether standard input was named now: it may hold the text where the run has lost it.
  private static func readBefore(
    _ expected: DataIdentity, _ tokenizer: (any Tokenizer)?, in run: String?, _ pool: ThreadPool, isGivenAgain: Bool
  ) throws -> RunTexts? {
    if let run, let texts = try RunTexts(
      tokensIn: tokenFolder(of: run), of: expected, tokenizer: tokenizer, pool: pool)
    {
      return texts
    }
    if isGivenAgain { return nil }
    throw InputError(
      sentence: "the run read its text from standard input, and the tokens of it are not in its folder any more, or not as "
        + "they were; give it the same text again, with --data -")
  }

  private static func difference(_ expected: DataIdentity, _ found: DataIdentity) -> String {
    func name(_ data: DataIdentity) -> String {
      (data.path?.escapedForDisplay ?? "the stories") + " (\(data.byteCount) bytes, SHA-256 \(data.sha256.prefix(12)))"
    }
    let weights = expected.weights == found.weights ? "" : ", with other weights"
    return "the run was trained on another text: on \(name(expected)), and this is \(name(found))\(weights); name the same "
      + "text with --data, or start a new run from the weights with --init-from"
  }

  func trainingData(_ settings: RunSettings) throws -> TrainingData {
    let (blockSize, batchSize, seed) = (settings.blockSize, settings.batchSize, settings.configuration.seed)
    if let texts {
      return try texts.trainingData(
        blockSize: blockSize, batchSize: batchSize, seed: seed, validationFraction: settings.validationFraction,
        keepsDocumentsApart: settings.keepsDocumentsApart, countsAll: !settings.masksPrompt)
    }
    return try .stories(
      grammar ?? .stories, tokenizer: tokenizer, blockSize: blockSize, batchSize: batchSize, seed: seed)
  }

  // MARK: Tokens

  /// Where a run keeps the tokens of its text.
  static func tokenFolder(of run: String) -> String { run + "/data" }

  /// Sees to it that windows can be read. Signals are waited for meanwhile: one of them ends the process once what was
  /// written is removed.
  ///
  /// - Parameter run: The run's folder; nil leaves no file behind.
  func prepare(in run: String?) throws {
    guard let texts, let byteCount = texts.tokenFileByteCount else { return }
    let folder = run.map(TextSource.tokenFolder), progress = TextProgress("tokenizing")
    if let folder {
      progress.announce("\(texts.identity.byteCount.bytes) of text are \(byteCount.bytes) of tokens in \(folder)/tokens.bin")
    }
    Signals.watch()
    let watch = Stopwatch(.wall), isOld: Bool
    do throws(TextError) {
      isOld = try texts.prepare(in: folder) { done, all in progress.show(done, all) && !Signals.isNoted }
    } catch {
      progress.end()
      if error == .interrupted { Signals.endIfNoted() }
      throw error
    }
    progress.end()
    if folder == nil { return }
    let taken = "text read in \(seconds.fixed(1)) s"
    progress.announce(
      isOld
        ? "\(taken); the tokens are there from before, and as they were"
        : "\(taken), tokens written in \(watch.seconds.fixed(1)) s")
  }
}
