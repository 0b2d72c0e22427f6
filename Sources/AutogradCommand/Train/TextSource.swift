import AutogradBase
import AutogradText
import AutogradTraining

/// A text to learn: a file, or the stories.
struct TextSource {
  let tokenizer: any Tokenizer
  /// The first line that samples continue.
  let prompt: String
  /// What the stories are made by; nil for a file.
  let grammar: Grammar?
  /// A sample shows what was learnt: stories one by one, each from its beginning; of another text one piece.
  var samples: (count: Int, length: Int, stop: [String]) { grammar == nil ? (1, 400, []) : (40, 200, ["\n"]) }
  /// The file's tokens; nil for the stories, which are told as they are needed.
  private let tokens: [Int32]?
  /// What it is, so that a resume on something else is found out.
  let identity: DataIdentity

  /// - Parameters:
  ///   - tokenizer: Where training goes on from a model: its own; nil makes one from the text.
  ///   - expected: Where a run goes on: what it was trained on until now.
  init(path: String?, tokenizer: (any Tokenizer)?, expected: DataIdentity? = nil) throws {
    grammar = path == nil ? .stories : nil
    if let path { try TextSource.requireMemory(toRead: path) }
    let text = try path.map { try TextSource.read($0, isOfRun: $0 == expected?.path) }
    identity = DataIdentity(path: path.map { absolutePath($0) ?? $0 }, bytes: text ?? Grammar.storiesSource)
    if let expected, !identity.isSameText(as: expected) {
      throw InputError(sentence: TextSource.difference(expected, identity))
    }
    let bytes = text ?? Grammar.stories.alphabet
    self.tokenizer = try tokenizer ?? TokenizerKind.standard.train(bytes)
    tokens = path == nil ? nil : try self.tokenizer.encode(bytes)
    prompt = self.tokenizer.startingText
  }

  /// - Parameter isOfRun: Whether nobody named the file now: the run did, when it was begun.
  private static func read(_ path: String, isOfRun: Bool) throws -> [UInt8] {
    do throws(TextError) {
      return try loadText(path: path)
    } catch {
      guard isOfRun, case .file(let problem) = error, problem.isOfTheName else { throw error }
      throw InputError(sentence: "\(problem). It is the text of the run; where it is elsewhere by now, name it with --data")
    }
  }

  /// The text, its tokens, and as many again while they are made: nine bytes for one, for a moment.
  private static func requireMemory(toRead path: String) throws {
    guard let size = try? POSIXFileSystem().openForReading(path).byteCount, let limit = MemoryLimit.all().first else {
      return
    }
    let need = size.multipliedReportingOverflow(by: 9), bytes = need.overflow ? Int.max : need.partialValue
    guard limit.remaining < bytes else { return }
    throw InputError(
      sentence: "not enough memory: reading \(path) takes \(bytes.bytes), but \(limit) of "
        + "\(limit.bytes.bytes) leaves \(limit.remaining.bytes); take a shorter text", exit: .outOfMemory)
  }

  private static func difference(_ expected: DataIdentity, _ found: DataIdentity) -> String {
    func name(_ data: DataIdentity) -> String {
      (data.path?.escapedForDisplay ?? "the stories") + " (\(data.byteCount) bytes, SHA-256 \(data.sha256.prefix(12)))"
    }
    return "the run was trained on another text: on \(name(expected)), and this is \(name(found)); name the same text "
      + "with --data, or start a new run from the weights with --init-from"
  }

  func trainingData(_ settings: RunSettings) throws -> TrainingData {
    let (blockSize, batchSize, seed) = (settings.blockSize, settings.batchSize, settings.configuration.seed)
    if let tokens {
      let dataset = try TokenDataset(tokens: tokens, validationFraction: settings.validationFraction)
      return try .windows(of: dataset, blockSize: blockSize, batchSize: batchSize, seed: seed)
    }
    return try .stories(
      grammar ?? .stories, tokenizer: tokenizer, blockSize: blockSize, batchSize: batchSize, seed: seed)
  }
}
