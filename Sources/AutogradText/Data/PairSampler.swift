import AutogradBase

/// Draws pairs of documents that begin alike and end in different answers, of which the first is preferred: two rows of
/// a batch each, one below the other.
///
/// Each epoch visits the pairs in an order of its own. A document that does not fit into a row is cut; a pair of which one
/// has no answer before the cut is left out. What a row has left is filled up with tokens that do not count. There is no
/// state: any batch can be drawn without those before it.
public struct PairSampler: AnswerSampler {
  public let blockSize: Int
  public let batchSize: Int
  public var rowsPerWindow: Int { 2 }
  /// Pairs that can be used.
  public var windowsPerEpoch: Int { pairs.count }
  public var hasPositions: Bool { false }
  public var hasWeights: Bool { true }
  /// Pairs of which a document is longer than a row and one token.
  public private(set) var cutCount = 0
  /// Pairs that have nothing to learn in a row.
  public private(set) var leftOutCount = 0
  private let tokens: any TokenSource
  private let table: DocumentTable
  /// The table's number of each pair's first document.
  private var pairs: [Int32] = []
  private let seed: UInt64
  private let purpose: RandomPurpose

  /// - Parameters:
  ///   - tokens: Those of all documents of the table.
  ///   - documents: Those to draw from, pair after pair.
  ///   - batchSize: Pairs per batch.
  ///   - seed: Decides the order of pairs; `purpose` keeps it apart from other random numbers.
  /// - Precondition: Sizes are at least 1, the table has these documents, and they are whole pairs.
  /// - Complexity: O(documents), 4 bytes for each pair.
  public init(
    tokens: any TokenSource, _ table: DocumentTable, documents: Range<Int>, blockSize: Int, batchSize: Int,
    seed: UInt64, purpose: RandomPurpose
  ) {
    precondition(documents.count % 2 == 0, "PairSampler: \(documents.count) documents are no pairs")
    (self.tokens, self.table, self.blockSize, self.batchSize) = (tokens, table, blockSize, batchSize)
    (self.seed, self.purpose) = (seed, purpose)
    for first in stride(from: documents.lowerBound, to: documents.upperBound, by: 2) {
      let both = first...first + 1
      guard both.allSatisfy({ table.answerCount(in: $0, limit: blockSize + 1) > 0 }) else {
        leftOutCount += 1
        continue
      }
      if both.contains(where: { table.tokens(of: $0).count - 1 > blockSize }) { cutCount += 1 }
      pairs.append(Int32(first))
    }
  }

  /// How much of the rows documents fill.
  public var filledShare: Double {
    let filled = pairs.reduce(0) { sum, first in
      sum + (Int(first)...Int(first) + 1).reduce(0) { $0 + min(table.tokens(of: $1).count - 1, blockSize) }
    }
    return Double(filled) / Double(max(1, 2 * pairs.count * blockSize))
  }

  /// Bytes that its list of pairs takes, the table apart.
  public var byteCount: Int { 4 * pairs.count }

  public func fill(row: Int, of batch: inout TokenBatch, window: UInt64) throws {
    let first = pair(ofWindow: window)
    for half in 0..<2 { try fill(row: 2 * row + half, of: &batch, with: first + half) }
  }

  private func fill(row: Int, of batch: inout TokenBatch, with document: Int) throws {
    let range = table.tokens(of: document), count = min(range.count - 1, blockSize), start = range.lowerBound
    let place = row * blockSize
    var inputs = batch.inputs.mutableSpan
    try tokens.read(start..<start + count, into: &inputs, at: place)
    var targets = batch.targets.mutableSpan
    try tokens.read(start + 1..<start + 1 + count, into: &targets, at: place)
    for index in place..<place + blockSize { batch.weights[index] = 0 }
    for index in place + count..<place + blockSize { (batch.inputs[index], batch.targets[index]) = (0, 0) }
    table.forEachAnswer(in: document) { answer in
      // Answers behind the cut have no place here.
      for token in answer.clamped(to: 1..<count + 1) { batch.weights[place + token - 1] = 1 }
    }
  }

  public func willRead(window: UInt64) {
    let first = pair(ofWindow: window), end = table.tokens(of: first + 1).upperBound
    tokens.willRead(table.tokens(of: first).lowerBound..<end)
  }

  /// Every pair counts the same.
  public func weight(ofWindow window: UInt64) -> Double { 1 }

  private func pair(ofWindow window: UInt64) -> Int {
    let perEpoch = UInt64(pairs.count)
    var random = RandomStream(seed: seed, purpose: purpose, step: window / perEpoch)
    return Int(pairs[RandomPermutation(count: pairs.count, &random)[Int(window % perEpoch)]])
  }
}
