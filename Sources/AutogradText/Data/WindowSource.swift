/// A sampler whose batches are windows in a row, each drawn by its number: what mixtures are made of.
public protocol WindowSource: BatchSampler {
  /// Windows until each was drawn once.
  var windowsPerEpoch: Int { get }

  /// Fills a row of a batch with window number `window`.
  ///
  /// - Throws: Where tokens cannot be read.
  func fill(row: Int, of batch: inout TokenBatch, window: UInt64) throws

  /// Hears that a window will be asked for soon.
  func willRead(window: UInt64)

  /// What the targets of a window count together.
  func weight(ofWindow window: UInt64) -> Double
}

extension WindowSource {
  public var epochLength: Int? { windowsPerEpoch }

  public func weight(ofWindow window: UInt64) -> Double { Double(blockSize) }

  public func fill(_ batch: inout TokenBatch, number: UInt64) throws {
    batch.requireSize(of: self, "sampler of windows")
    for row in 0..<batchSize { try fill(row: row, of: &batch, window: number &* UInt64(batchSize) &+ UInt64(row)) }
  }

  public func willFill(number: UInt64) {
    for row in 0..<batchSize { willRead(window: number &* UInt64(batchSize) &+ UInt64(row)) }
  }

  public func weight(ofBatch number: UInt64) -> Double {
    (0..<UInt64(batchSize)).reduce(0) { $0 + weight(ofWindow: number &* UInt64(batchSize) &+ $1) }
  }
}

/// A sampler of documents that have answers: what does not fit into its windows is cut or left out.
public protocol AnswerSampler: WindowSource {
  /// Documents, or pairs of them, that are longer than a window and one token.
  var cutCount: Int { get }
  /// Those that have nothing to learn in a window, which are left out.
  var leftOutCount: Int { get }
  /// Bytes that its order takes, the table apart.
  var byteCount: Int { get }
}
