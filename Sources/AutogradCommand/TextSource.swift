import Base
import Text
import Training

/// A text to learn: a file, or the stories.
struct TextSource {
  let tokenizer: CharacterTokenizer
  /// The first line that samples continue.
  let prompt: String
  /// What the stories are made by; nil for a file.
  let grammar: Grammar?
  /// A sample shows what was learnt: stories one by one, each from its beginning; of another text one piece.
  var samples: (count: Int, length: Int, stop: [String]) { grammar == nil ? (1, 400, []) : (40, 200, ["\n"]) }
  /// The file's tokens; nil for the stories, which are told as they are needed.
  private let dataset: TokenDataset?

  /// - Parameter tokenizer: Where training goes on from a model: its own; nil makes one from the text.
  init(path: String?, tokenizer: CharacterTokenizer?) throws {
    grammar = path == nil ? .stories : nil
    if let path { try TextSource.requireMemory(toRead: path) }
    let bytes = try path.map { try loadText(path: $0, fileSystem: POSIXFileSystem()) } ?? Grammar.stories.alphabet
    self.tokenizer = try tokenizer ?? CharacterTokenizer(training: bytes)
    dataset = path == nil ? nil : try TokenDataset(tokens: try self.tokenizer.encode(bytes))
    prompt = "\n"
  }

  /// The text, its tokens, and the tokens once more in two parts: nine bytes for one, for a moment.
  private static func requireMemory(toRead path: String) throws {
    guard let size = try? POSIXFileSystem().openForReading(path).byteCount, let limit = MemoryLimit.all().first,
      limit.remaining < 9 * size
    else { return }
    throw InputError(
      sentence: "not enough memory: reading \(path) takes \((9 * size).bytes), but \(limit) of "
        + "\(limit.bytes.bytes) leaves \(limit.remaining.bytes); take a shorter text", exit: .outOfMemory)
  }

  func trainingData(blockSize: Int, batchSize: Int, seed: UInt64) throws -> TrainingData {
    if let dataset { return try .windows(of: dataset, blockSize: blockSize, batchSize: batchSize, seed: seed) }
    return try .stories(
      grammar ?? .stories, tokenizer: tokenizer, blockSize: blockSize, batchSize: batchSize, seed: seed)
  }
}
