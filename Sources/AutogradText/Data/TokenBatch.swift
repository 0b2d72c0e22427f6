/// A batch of windows: what a model sees, and what it should have said.
///
/// Made once and filled again and again: filling allocates nothing.
public struct TokenBatch: Sendable {
  /// B: windows, or twice as many where they are pairs.
  public let rowCount: Int
  /// T: tokens per window.
  public let blockSize: Int
  /// [B, T], row-major.
  public var inputs: [Int32]
  /// [B, T]: the token after each input.
  public var targets: [Int32]
  /// [B, T]: each input's place in its document, counted from its window's beginning where the document began before;
  /// 0 begins one. Empty where documents are not kept apart.
  public var positions: [Int32]
  /// [B, T]: what each target counts; 0 leaves it out. Empty where all count the same.
  public var weights: [Float]

  /// Makes room for a batch.
  public init(rowCount: Int, blockSize: Int, hasPositions: Bool = false, hasWeights: Bool = false) {
    (self.rowCount, self.blockSize) = (rowCount, blockSize)
    let count = rowCount * blockSize
    inputs = [Int32](repeating: 0, count: count)
    targets = [Int32](repeating: 0, count: count)
    positions = [Int32](repeating: 0, count: hasPositions ? count : 0)
    weights = [Float](repeating: 1, count: hasWeights ? count : 0)
  }

  /// What it takes in memory.
  public var byteCount: Int { 4 * (inputs.count + targets.count + positions.count + weights.count) }

  /// Stops where it has not the size that a sampler fills.
  func requireSize(of sampler: some BatchSampler, _ name: String) {
    let count = sampler.rowCount * sampler.blockSize
    guard inputs.count == count, targets.count == count, positions.count == (sampler.hasPositions ? count : 0),
      weights.count == (sampler.hasWeights ? count : 0)
    else {
      fatalError(
        "\(name): a batch of \(sampler.rowCount) x \(sampler.blockSize) does not fit room for \(inputs.count) inputs, "
          + "\(targets.count) targets, \(positions.count) positions and \(weights.count) weights; take the sampler's "
          + "makeBatch()")
    }
  }

  /// Counts every input's place in its document, from the inputs of a window.
  ///
  /// - Parameter boundary: The token at which a document begins; nil where none does.
  mutating func countPositions(row: Int, from boundary: Int32?) {
    var position: Int32 = 0
    for place in row * blockSize..<(row + 1) * blockSize {
      if inputs[place] == boundary { position = 0 }
      positions[place] = position
      position += 1
    }
  }
}
