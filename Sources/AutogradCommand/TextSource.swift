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
  private let tokens: [Int32]

  /// - Parameter tokenizer: Where training goes on from a model: its own; nil makes one from the text.
  init(path: String?, tokenizer: CharacterTokenizer?) throws {
    grammar = path == nil ? .stories : nil
    let bytes = try path.map { try loadText(path: $0, fileSystem: POSIXFileSystem()) } ?? Grammar.stories.alphabet
    self.tokenizer = try tokenizer ?? CharacterTokenizer(training: bytes)
    tokens = try self.tokenizer.encode(bytes)
    prompt = "\n"
  }

  func trainingData(blockSize: Int, batchSize: Int, seed: UInt64) throws -> TrainingData {
    if let grammar {
      return try .stories(grammar, tokenizer: tokenizer, blockSize: blockSize, batchSize: batchSize, seed: seed)
    }
    return try .windows(
      of: try TokenDataset(tokens: tokens), blockSize: blockSize, batchSize: batchSize, seed: seed)
  }
}
