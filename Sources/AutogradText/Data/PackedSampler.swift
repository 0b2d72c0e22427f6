import AutogradBase

/// Draws batches of whole documents, several in a window where they fit, of which the answers count.
///
/// Which documents share a window is decided once (best-fit decreasing, see `Packing`); each epoch visits the windows in
/// an order of its own. A token sees its own document only. A document that does not fit into a window is cut, and one
/// without an answer before the cut is left out. What a window has left is filled up with tokens that do not count. There
/// is no state: any batch can be drawn without those before it.
public struct PackedSampler: AnswerSampler {
  public let blockSize: Int
  public let batchSize: Int
  /// At least 1 where any document can be used.
  public let windowsPerEpoch: Int
  public var hasPositions: Bool { true }
  public var hasWeights: Bool { true }
  /// Documents that are longer than a window and one token.
  public private(set) var cutCount = 0
  /// How much of the windows documents fill.
  public var filledShare: Double { Double(filledCount) / Double(max(1, windowsPerEpoch * blockSize)) }
  private let filledCount: Int
  /// Documents that have nothing to learn in a window, which are left out.
  public private(set) var leftOutCount = 0
  private let tokens: any TokenSource
  private let table: DocumentTable
  private let packing: Packing
  /// The table's number of the packing's first document.
  private let first: Int
  private let countsAll: Bool
  /// What the targets of each window count together.
  private var weights: [Int32] = []
  private let seed: UInt64
  private let purpose: RandomPurpose

  /// - Parameters:
  ///   - tokens: Those of all documents of the table.
  ///   - documents: Those to draw from.
  ///   - countsAll: Whether questions are learnt, too.
  ///   - seed: Decides the order of windows; `purpose` keeps it apart from other random numbers.
  /// - Precondition: Sizes are at least 1, and the table has these documents.
  /// - Complexity: O(documents), 12 bytes for each.
  public init(
    tokens: any TokenSource, _ table: DocumentTable, documents: Range<Int>, blockSize: Int, batchSize: Int,
    countsAll: Bool = false, seed: UInt64, purpose: RandomPurpose
  ) {
    (self.tokens, self.table, first) = (tokens, table, documents.lowerBound)
    (self.blockSize, self.batchSize, self.countsAll) = (blockSize, batchSize, countsAll)
    (self.seed, self.purpose) = (seed, purpose)
    var cut = 0, leftOut = 0
    // The last token of a document is a target only.
    let lengths = documents.map { document in
      let count = table.tokens(of: document).count - 1
      cut += count > blockSize ? 1 : 0
      guard PackedSampler.weight(of: document, in: table, blockSize, countsAll) > 0 else {
        leftOut += 1
        return 0
      }
      return min(count, blockSize)
    }
    filledCount = lengths.reduce(0, +)
    packing = Packing(lengths, capacity: blockSize)
    (cutCount, leftOutCount, windowsPerEpoch) = (cut, leftOut, packing.binCount)
    weights = (0..<packing.binCount).map { bin in
      packing.things(in: bin).reduce(0) {
        $0 + Int32(PackedSampler.weight(of: documents.lowerBound + Int($1), in: table, blockSize, countsAll))
      }
    }
  }

  /// How many of a document's targets count.
  private static func weight(of document: Int, in table: DocumentTable, _ blockSize: Int, _ countsAll: Bool) -> Int {
    let count = table.tokens(of: document).count
    return countsAll ? min(count - 1, blockSize) : table.answerCount(in: document, limit: blockSize + 1)
  }

  /// Bytes that its order of documents takes, the table apart.
  public var byteCount: Int { 4 * (packing.order.count + packing.ends.count + weights.count) }

  public func fill(row: Int, of batch: inout TokenBatch, window: UInt64) throws {
    var place = row * blockSize
    let end = place + blockSize
    for thing in packing.things(in: bin(ofWindow: window)) {
      try fill(&batch, from: place, with: first + Int(thing))
      place += min(table.tokens(of: first + Int(thing)).count - 1, blockSize)
    }
    // What is left: each a document of its own, which nobody predicts.
    for place in place..<end {
      (batch.inputs[place], batch.targets[place], batch.positions[place], batch.weights[place]) = (0, 0, 0, 0)
    }
  }

  private func fill(_ batch: inout TokenBatch, from place: Int, with document: Int) throws {
    let range = table.tokens(of: document), count = min(range.count - 1, blockSize), start = range.lowerBound
    var inputs = batch.inputs.mutableSpan
    try tokens.read(start..<start + count, into: &inputs, at: place)
    var targets = batch.targets.mutableSpan
    try tokens.read(start + 1..<start + 1 + count, into: &targets, at: place)
    for index in 0..<count {
      batch.positions[place + index] = Int32(index)
      batch.weights[place + index] = countsAll ? 1 : 0
    }
    if countsAll { return }
    table.forEachAnswer(in: document) { answer in
      // Answers behind the cut have no place here.
      for token in answer.clamped(to: 1..<count + 1) { batch.weights[place + token - 1] = 1 }
    }
  }

  public func willRead(window: UInt64) {
    for thing in packing.things(in: bin(ofWindow: window)) {
      let range = table.tokens(of: first + Int(thing))
      tokens.willRead(range.lowerBound..<min(range.upperBound, range.lowerBound + blockSize + 1))
    }
  }

  public func weight(ofWindow window: UInt64) -> Double { Double(weights[bin(ofWindow: window)]) }

  private func bin(ofWindow window: UInt64) -> Int {
    let perEpoch = UInt64(windowsPerEpoch)
    var random = RandomStream(seed: seed, purpose: purpose, step: window / perEpoch)
    return RandomPermutation(count: windowsPerEpoch, &random)[Int(window % perEpoch)]
  }
}
