/// Draws batches of token windows, the same ones for the same number on every run.
///
/// There is no state: any batch can be drawn without the ones before it, so a resumed run sees what an
/// uninterrupted one would have seen.
public protocol BatchSampler: Sendable {
  /// T: tokens per window.
  var blockSize: Int { get }
  /// B: windows per batch.
  var batchSize: Int { get }
  /// Rows of a batch that a window takes: 1 unless told, 2 where windows are pairs.
  var rowsPerWindow: Int { get }
  /// Whether its batches say where documents begin; false unless told.
  var hasPositions: Bool { get }
  /// Whether its batches say what each target counts; false unless told.
  var hasWeights: Bool { get }

  /// Windows until everything was seen once; nil where there is no end to it, which holds unless told.
  var epochLength: Int? { get }

  /// Fills a batch with batch number `number`.
  ///
  /// - Throws: Where tokens cannot be read. The trainer saves, then ends with the error; a resume asks for the same batch.
  /// - Precondition: The batch has the sampler's sizes, as `makeBatch()` gives them.
  /// - Complexity: O(B·T); allocates nothing.
  func fill(_ batch: inout TokenBatch, number: UInt64) throws

  /// What the targets of batch `number` count together: where batches differ in it, a step's mean is over all targets of
  /// all its batches. All of them unless told.
  func weight(ofBatch number: UInt64) -> Double

  /// Hears that batch `number` will be asked for next, so that a disk can begin to read it. Does nothing unless told.
  func willFill(number: UInt64)
}

extension BatchSampler {
  public var rowsPerWindow: Int { 1 }
  /// Rows of a batch.
  public var rowCount: Int { batchSize * rowsPerWindow }
  public var hasPositions: Bool { false }
  public var hasWeights: Bool { false }
  public var epochLength: Int? { nil }
  public func willFill(number: UInt64) {}
  public func weight(ofBatch number: UInt64) -> Double { Double(batchSize * blockSize) }

  /// Room for one of its batches.
  public func makeBatch() -> TokenBatch {
    TokenBatch(rowCount: rowCount, blockSize: blockSize, hasPositions: hasPositions, hasWeights: hasWeights)
  }

  /// Batch number `number`, in room of its own.
  public func batch(_ number: UInt64) throws -> TokenBatch {
    var batch = makeBatch()
    try fill(&batch, number: number)
    return batch
  }
}
