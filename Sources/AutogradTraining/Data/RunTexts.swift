import AutogradBase
public import AutogradKernels
public import AutogradText

/// The texts or tokens of a run: what was named, surveyed, and ready to be split into windows.
///
/// Making one reads everything once and keeps nothing large. Tokens of up to 16 MiB of text are in memory then; those of
/// longer ones are written by `prepare`, once the run has a folder.
public struct RunTexts: Sendable {
  /// What one path names.
  public struct Source: Sendable {
    public let path: String
    public let byteCount: Int
    public let documentCount: Int
    /// Tokens to train on, or to split.
    public let tokens: any TokenSource
    /// Tokens to validate with, where they came apart.
    public let validation: (any TokenSource)?
    /// Bytes of the text that the tokens were made of; nil of files of tokens.
    public var textByteCount: Int?
    /// Which of the tokens are answers; nil where everything is text.
    public var answers: DocumentTable?
    /// The same of `validation`.
    public var validationAnswers: DocumentTable?
    /// Whether documents come in pairs, of which the first is preferred.
    public var hasPairs = false

    public var tokenCount: Int { tokens.count + (validation?.count ?? 0) }
  }

  public let tokenizer: any Tokenizer
  public let identity: DataIdentity
  public let sources: [Source]
  /// In proportion to what windows are drawn from each source; nil draws by their lengths.
  public let weights: [Double]?
  /// The token at which a document ends, and the next begins; nil where there is one document.
  public let boundary: Int32?
  /// The width of tokens in a file.
  public let format: TokenFile.Format
  /// What all tokens take in a file.
  public var tokenByteCount: Int { sources.reduce(0) { $0 + $1.tokenCount } * format.byteCount }
  private let survey: TextSurvey?
  private let deferred: DeferredTokens?

  /// The most bytes of text whose tokens are kept in memory.
  public static let mostInMemory = 16 << 20

  /// The most files of tokens that are held open: far below what systems allow a process.
  static let mostOpen = 256

  /// What standard input is called among paths.
  public static let standardInput = "-"

  /// Looks at everything that was named, and reads it once.
  ///
  /// - Parameters:
  ///   - paths: As `DataSource.named` takes them; `-` is standard input, one plain text.
  ///   - tokenizer: Nil makes a vocabulary of the characters that the texts have, or takes the one beside a file of tokens.
  ///   - template: Writes conversations, where the texts hold some.
  ///   - progress: Called with the bytes that are done and with all; false interrupts.
  /// - Throws: What cannot be read or taken together.
  public init(
    _ paths: [String], weights: [Double]? = nil, tokenizer: (any Tokenizer)?, template: ChatTemplateChoice = .none,
    pool: ThreadPool = .shared, progress: TextSurvey.Progress = { _, _ in true }
  ) throws(TextError) {
    var found: [(path: String, source: DataSource)] = []
    for path in paths { found.append((path, try RunTexts.source(path))) }
    guard found.count <= MixtureSampler.mostParts else {
      throw .notTexts(
        path: found[MixtureSampler.mostParts].path,
        "there are more than \(MixtureSampler.mostParts) sources; put texts that belong together into a folder")
    }
    if found.allSatisfy({ if case .tokens = $0.source { true } else { false } }) {
      self = try RunTexts(tokenFiles: found, weights: weights, tokenizer: tokenizer, pool, progress)
    } else {
      self = try RunTexts(texts: found, weights: weights, tokenizer: tokenizer, template, pool, progress)
    }
  }

  static func source(_ path: String) throws(TextError) -> DataSource {
    guard path == standardInput else { return try .named(path) }
    let input: TextInput
    do throws(FileError) {
      let file = try StandardInput.file(mostInMemory: mostInMemory)
      input = try TextInput.held(file, path: "standard input")
    } catch {
      throw .file(error)
    }
    if input.textByteCount == 0 { throw .emptyFile(path: input.path) }
    return .texts(training: [input], validation: nil)
  }

  // MARK: Texts

  private init(
    texts found: [(path: String, source: DataSource)], weights: [Double]?, tokenizer: (any Tokenizer)?,
    _ choice: ChatTemplateChoice, _ pool: ThreadPool, _ progress: TextSurvey.Progress
  ) throws(TextError) {
    var groups: [[TextInput]] = []
    for (path, source) in found {
      guard case .texts(let training, let validation) = source else {
        throw .notTexts(path: path, "it holds tokens, and others hold texts; train on either by itself")
      }
      groups.append(training)
      if let validation { groups.append(validation) }
      let inputs = training + (validation ?? [])
      if let other = inputs.first(where: {
        ($0.hasAnswers, $0.hasPairs) != (inputs[0].hasAnswers, inputs[0].hasPairs)
      }) {
        throw .notTexts(
          path: other.path, "it holds \(other.lineKind.name), and \(inputs[0].path.escapedForDisplay) holds "
            + "\(inputs[0].lineKind.name); name either by itself")
      }
    }
    if let other = groups.first(where: { $0[0].hasPairs != groups[0][0].hasPairs })?[0] {
      throw .notTexts(
        path: other.path, "it holds \(other.lineKind.name), and \(groups[0][0].path.escapedForDisplay) holds "
          + "\(groups[0][0].lineKind.name); preference pairs are learnt by themselves")
    }
    var template: ChatTemplate?
    if groups.joined().contains(where: \.hasAnswers) { template = try choice.template() }
    let isOneText = groups.count == 1 && groups[0].count == 1 && groups[0][0].kind == .plain
    let survey = try TextSurvey(
      groups, endsDocuments: !isOneText, tokenizer: tokenizer, template: template, pool: pool, progress: progress)
    let deferred = DeferredTokens(count: survey.tokenCount)
    var sources: [Source] = [], group = 0, first = 0
    func next() -> (tokens: TokenSlice, source: TextSurvey.Source) {
      defer { (group, first) = (group + 1, first + survey.sources[group].tokenCount) }
      let source = survey.sources[group]
      return (TokenSlice(deferred, first..<first + source.tokenCount), source)
    }
    for (path, source) in found {
      guard case .texts(_, let apart) = source else { continue }
      let training = next(), validation = apart == nil ? nil : next()
      sources.append(
        Source(
          path: path, byteCount: training.source.byteCount + (validation?.source.byteCount ?? 0),
          documentCount: training.source.documentCount + (validation?.source.documentCount ?? 0),
          tokens: training.tokens, validation: validation?.tokens, textByteCount: training.source.byteCount,
          answers: training.source.answers, validationAnswers: validation?.source.answers,
          hasPairs: groups[0][0].hasPairs))
    }
    (self.survey, self.deferred, self.sources, self.weights) = (survey, deferred, sources, weights)
    (self.tokenizer, boundary, format) = (survey.tokenizer, survey.endOfText, survey.format)
    identity = DataIdentity(
      found.map(\.path), weights: weights, isOneText: isOneText, byteCount: survey.byteCount, sha256: survey.sha256)
    let isSmall = survey.byteCount <= RunTexts.mostInMemory
    if isSmall, !found.contains(where: { $0.path == RunTexts.standardInput }) {
      deferred.fulfil(try survey.tokensInMemory())
    }
  }

  /// The bytes of a file that `prepare` would write; nil where the tokens are there.
  public var tokenFileByteCount: Int? {
    guard let survey, let deferred, !deferred.isThere else { return nil }
    return survey.tokenByteCount
  }

  /// Sees to it that windows can be read: makes the file of tokens, or takes the one that was made of the same texts by
  /// the same tokenizer.
  ///
  /// - Parameters:
  ///   - folder: Where the file is to be; nil takes a temporary folder and leaves nothing there.
  ///   - progress: As above, called while a file is written.
  /// - Returns: Whether a file was used again.
  /// - Throws: `noRoom`, `interrupted`, what writing throws; the unfinished file is removed then.
  @discardableResult
  public func prepare(
    in folder: String?, progress: TextSurvey.Progress = { _, _ in true }
  ) throws(TextError) -> Bool {
    guard let survey, let deferred, !deferred.isThere else { return false }
    if let folder {
      let cache = TokenCache(folder: folder)
      if let tokens = cache.tokens(of: survey) {
        deferred.fulfil(tokens)
        return true
      }
      deferred.fulfil(try cache.make(survey, progress: progress))
      return false
    }
    let files = POSIXFileSystem()
    let place = (temporaryFolder() + "/autograd-tokens-\(processNumber())")
    defer { try? files.removeTree(place) }
    deferred.fulfil(try TokenCache(folder: place).make(survey, progress: progress))
    return false
  }

  // MARK: Read from standard input before

  /// The text of a run that was read from standard input when the run was begun, by the tokens in the run's folder.
  ///
  /// - Parameters:
  ///   - expected: What the run was trained on.
  ///   - tokenizer: The run's; nil takes the one that lies beside the tokens.
  /// - Returns: Nil where the tokens are not there any more, or not as they were.
  public init?(
    tokensIn folder: String, of expected: DataIdentity, tokenizer: (any Tokenizer)?, pool: ThreadPool = .shared
  ) throws(TextError) {
    let cache = TokenCache(folder: folder)
    guard let (tokens, facts, own) = cache.tokens(ofText: expected.sha256, pool),
      let tokenizer = tokenizer ?? own, facts.isBy(tokenizer), facts.tokenCounts.count == 1
    else { return nil }
    self.tokenizer = tokenizer
    identity = expected
    sources = [
      Source(
        path: RunTexts.standardInput, byteCount: facts.textByteCount, documentCount: facts.documentCounts[0],
        tokens: tokens, validation: nil)
    ]
    (weights, boundary, format, survey, deferred) = (nil, facts.endOfText, facts.format, nil, nil)
  }
}

// MARK: Files of tokens

extension RunTexts {
  private init(
    tokenFiles found: [(path: String, source: DataSource)], weights: [Double]?, tokenizer: (any Tokenizer)?,
    _ pool: ThreadPool, _ progress: TextSurvey.Progress
  ) throws(TextError) {
    var paths: [[String]] = [], apart: [Bool] = []
    for case (_, .tokens(let training, let validation)) in found {
      paths.append(training)
      apart.append(validation != nil)
      if let validation { paths.append(validation) }
    }
    let tokenizer = if let tokenizer { tokenizer } else { try TokenVocabulary.beside(paths[0][0]) }
    var opened: [TokenFile] = []
    let fileCount = paths.reduce(0) { $0 + $1.count }
    for path in paths.joined() {
      opened.append(
        try TokenFile.opened(path, vocabularySize: tokenizer.vocabularySize, staysOpen: fileCount <= RunTexts.mostOpen))
    }
    let files = try TokenFileSurvey(opened, endOfText: tokenizer.endOfText, pool: pool, progress: progress)
    var group = 0, file = 0
    func next() -> (tokens: TokenSequence, byteCount: Int, documentCount: Int) {
      let range = file..<file + paths[group].count
      (group, file) = (group + 1, range.upperBound)
      let own = files.files[range]
      return (
        TokenSequence(own.map(\.tokens)), own.reduce(0) { $0 + $1.byteCount }, own.reduce(0) { $0 + $1.documentCount }
      )
    }
    sources = zip(found, apart).map { named, isApart in
      let training = next(), validation = isApart ? next() : nil
      return Source(
        path: named.path, byteCount: training.byteCount + (validation?.byteCount ?? 0),
        documentCount: training.documentCount + (validation?.documentCount ?? 0), tokens: training.tokens,
        validation: validation?.tokens)
    }
    (self.tokenizer, self.weights, survey, deferred) = (tokenizer, weights, nil, nil)
    boundary = tokenizer.endOfText
    format = files.files[0].tokens.format
    identity = DataIdentity(
      found.map(\.path), weights: weights, isOneText: false, byteCount: files.byteCount, sha256: files.sha256)
  }
}
