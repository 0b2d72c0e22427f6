/// Fills batches with windows that start where documents start, made as they are needed.
///
/// `Grammar.windowOptimum(length: blockSize)` is the least mean loss that any model can reach on them, as it
/// is not for windows that start anywhere. No window is ever repeated. There is no state: batch 1000 can be
/// drawn without the ones before it.
public struct DocumentWindowSampler: BatchSampler {
  public let generator: CorpusGenerator
  public let blockSize: Int
  public let batchSize: Int
  private let ids: [Int32]

  /// - Throws: `unknownCharacter` where the tokenizer lacks one that the grammar makes; `notPerCharacter` where it has
  ///   no token of its own for each of them.
  /// - Precondition: `blockSize` and `batchSize` are at least 1; otherwise stops and prints them.
  public init(
    generator: CorpusGenerator, tokenizer: any Tokenizer, blockSize: Int, batchSize: Int
  ) throws(TextError) {
    guard blockSize >= 1, batchSize >= 1 else {
      fatalError(
        "document windows: cannot draw \(batchSize) windows of \(blockSize); both must be at least 1")
    }
    self.generator = generator
    self.blockSize = blockSize
    self.batchSize = batchSize
    let alphabet = generator.grammar.alphabet
    var ids = [Int32](repeating: -1, count: 256)
    guard tokenizer.encodesCharactersAlone else { throw .notPerCharacter }
    let tokens = try tokenizer.encode(alphabet)
    guard tokens.count == alphabet.count else { throw .notPerCharacter }
    for (character, id) in zip(alphabet, tokens) { ids[Int(character)] = id }
    self.ids = ids
  }

  /// Fills a batch with batch number `number`: targets[b, t] is the token after inputs[b, t].
  ///
  /// Window w = number · B + row begins with document w · (T + 1): a document has at least one character, so
  /// no two windows share one.
  ///
  /// - Precondition: The batch has this sampler's sizes; otherwise stops and prints the counts.
  /// - Complexity: O(B·T); allocates nothing.
  public func fill(_ batch: inout TokenBatch, number: UInt64) {
    batch.requireSize(of: self, "document windows")
    for row in 0..<batchSize {
      let window = number &* UInt64(batchSize) &+ UInt64(row)
      var characters = generator.characters(fromDocument: window &* UInt64(blockSize + 1))
      var token = ids[Int(characters.next()!)]
      for place in row * blockSize..<(row + 1) * blockSize {
        batch.inputs[place] = token
        token = ids[Int(characters.next()!)]
        batch.targets[place] = token
      }
    }
  }
}
