import AutogradBase
public import AutogradText

// What windows are drawn from: tokens of texts wherever they lie, and whole documents where these have answers.
extension RunTexts {
  /// Whether any source has answers: what counts is said token by token then.
  public var haveAnswers: Bool { sources.contains { $0.answers != nil } }

  /// Each source in a part to train on and one to validate with; where it has answers, documents are not cut for that.
  public func datasets(validationFraction: Double) throws(TextError) -> [TokenDataset] {
    var datasets: [TokenDataset] = []
    for source in sources {
      if let validation = source.validation {
        datasets.append(TokenDataset(training: source.tokens, validation: validation))
      } else if let answers = source.answers {
        let count = try trainingCount(source, answers, validationFraction)
        let end = count == answers.count ? answers.tokenCount : answers.tokens(of: count).lowerBound
        datasets.append(
          TokenDataset(
            training: TokenSlice(source.tokens, 0..<end), validation: TokenSlice(source.tokens, end..<answers.tokenCount)))
      } else {
        datasets.append(try TokenDataset(tokens: source.tokens, validationFraction: validationFraction))
      }
    }
    return datasets
  }

  /// How many of the documents are to train on: the first, in whole pairs where they come in pairs.
  private func trainingCount(
    _ source: Source, _ answers: DocumentTable, _ fraction: Double
  ) throws(TextError) -> Int {
    guard (0..<1).contains(fraction) else { throw .invalidValidationFraction(fraction) }
    let together = source.hasPairs ? 2 : 1
    return Int((1 - fraction) * Double(answers.count / together)) * together
  }

  /// Windows of all sources, in their shares.
  ///
  /// - Parameters:
  ///   - keepsDocumentsApart: Whether batches say where documents begin; where there are answers, they do in any case.
  ///   - countsAll: Whether questions are learnt, too, and not answers alone.
  /// - Throws: `tooShort`, of several sources with the path of the one; `notTexts` where documents are to be kept apart and
  ///   there is one, and where no document has an answer in a window.
  public func trainingData(
    blockSize: Int, batchSize: Int, seed: UInt64, validationFraction: Double, keepsDocumentsApart: Bool,
    countsAll: Bool = false
  ) throws(TextError) -> TrainingData {
    if keepsDocumentsApart, boundary == nil, !haveAnswers {
      throw .notTexts(path: sources[0].path, "it is one document, and there are no others to keep it apart from")
    }
    if countsAll, let pairs = sources.first(where: \.hasPairs) {
      throw .notTexts(
        path: pairs.path, "it holds preference pairs, of which the answers alone can be learnt (without --no-mask-prompt)")
    }
    let datasets = try datasets(validationFraction: validationFraction), haveAnswers = haveAnswers
    var cut = 0, leftOut = 0, orderBytes = 0
    func windows(_ index: Int, _ part: TokenDataset.Part, _ purpose: RandomPurpose) throws(TextError) -> any WindowSource {
      let source = sources[index]
      // Texts of one length, translations of one another for example, are not read at the same places.
      let seed = seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15
      guard let answers = source.answers else {
        return WindowSampler(
          tokens: datasets[index][part], blockSize: blockSize, batchSize: batchSize, seed: seed, purpose: purpose,
          boundary: keepsDocumentsApart ? boundary : nil, saysAll: haveAnswers)
      }
      let (tokens, table, documents) = try answersOf(source, answers, part, validationFraction)
      let sampler: any AnswerSampler = source.hasPairs
        ? PairSampler(
          tokens: tokens, table, documents: documents, blockSize: blockSize, batchSize: batchSize, seed: seed,
          purpose: purpose)
        : PackedSampler(
          tokens: tokens, table, documents: documents, blockSize: blockSize, batchSize: batchSize, countsAll: countsAll,
          seed: seed, purpose: purpose)
      guard sampler.windowsPerEpoch > 0 else {
        let count = documents.count
        throw source.hasPairs
          ? .noPairs(path: source.path, part: part, pairCount: count / 2, blockSize: blockSize)
          : .noAnswers(path: source.path, part: part, documentCount: count, blockSize: blockSize)
      }
      orderBytes += sampler.byteCount
      if purpose == .dataOrder || part == .validation { (cut, leftOut) = (cut + sampler.cutCount, leftOut + sampler.leftOutCount) }
      return sampler
    }
    for (source, dataset) in zip(sources, datasets) where source.answers == nil {
      do throws(TextError) {
        try dataset.requireWindows(blockSize: blockSize)
      } catch {
        throw sources.count == 1 ? error : .inside(path: source.path, line: nil, error)
      }
    }
    func sampler(_ part: TokenDataset.Part, _ purpose: RandomPurpose) throws(TextError) -> any BatchSampler {
      var parts: [any WindowSource] = []
      for index in sources.indices { parts.append(try windows(index, part, purpose)) }
      return TrainingData.mixture(of: parts, weights: weights, seed: seed, purpose: purpose)
    }
    let training = try sampler(.training, .dataOrder), check = try sampler(.training, .evaluation)
    let validation = try sampler(.validation, .evaluation)
    return TrainingData(
      training: training, trainingCheck: check, validationCheck: validation,
      summary: TrainingData.summary(datasets),
      note: RunTexts.note(cut: cut, leftOut: leftOut, blockSize, of: sources[0].hasPairs ? "pair" : "document"),
      byteCount: orderBytes + datasets.reduce(0) { $0 + $1.training.byteCount + $1.validation.byteCount }
        + sources.reduce(0) { $0 + ($1.answers?.byteCount ?? 0) + ($1.validationAnswers?.byteCount ?? 0) })
  }

  /// The tokens, table and documents of a part.
  private func answersOf(
    _ source: Source, _ answers: DocumentTable, _ part: TokenDataset.Part, _ fraction: Double
  ) throws(TextError) -> (any TokenSource, DocumentTable, Range<Int>) {
    if let tokens = source.validation, let own = source.validationAnswers {
      return part == .training ? (source.tokens, answers, 0..<answers.count) : (tokens, own, 0..<own.count)
    }
    let count = try trainingCount(source, answers, fraction)
    return (source.tokens, answers, part == .training ? 0..<count : count..<answers.count)
  }

  /// What does not come into the windows, in words.
  private static func note(cut: Int, leftOut: Int, _ blockSize: Int, of thing: String) -> String {
    func documents(_ count: Int) -> String { count == 1 ? "1 \(thing)" : "\(count) \(thing)s" }
    var words: [String] = []
    if cut > 0 { words.append("\(documents(cut)) cut after \(blockSize) tokens") }
    if leftOut > 0 { words.append("\(documents(leftOut)) without an answer before that left out") }
    return words.joined(separator: ", ")
  }
}
