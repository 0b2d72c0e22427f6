import Base

/// Draws batches of windows from a token array, the same ones for the same step on every run.
///
/// There is no state: step 1000 can be drawn without steps 0..<1000, so a resumed run sees what an
/// uninterrupted one would have seen. Windows are drawn with replacement and may overlap.
public struct WindowSampler: Sendable {
  public let tokens: [Int32]
  public let blockSize: Int
  public let batchSize: Int
  private let seed: UInt64
  private let purpose: RandomPurpose

  /// Prepares to draw; the tokens are shared, not copied.
  ///
  /// - Precondition: `blockSize` and `batchSize` are at least 1 and there are more than `blockSize` tokens;
  ///   otherwise stops and prints them. `TokenDataset.requireWindows` answers the same question with an
  ///   error.
  public init(tokens: [Int32], blockSize: Int, batchSize: Int, seed: UInt64, purpose: RandomPurpose) {
    guard blockSize >= 1, batchSize >= 1, tokens.count > blockSize else {
      fatalError(
        "window sampler: cannot draw \(batchSize) windows of \(blockSize) + 1 from \(tokens.count) tokens; "
          + "sizes must be at least 1, and more tokens than the block size")
    }
    self.tokens = tokens
    self.blockSize = blockSize
    self.batchSize = batchSize
    self.seed = seed
    self.purpose = purpose
  }

  /// Fills one batch: each window starts anywhere in 0...(n − blockSize − 1), all equally likely.
  ///
  /// Shapes: `inputs` [B, T], `targets` [B, T], row-major; targets[b, t] is the token after inputs[b, t].
  ///
  /// - Parameter ordinal: Tells apart the batches of one step: a micro-batch, a worker.
  /// - Precondition: Both buffers hold exactly B·T tokens; otherwise stops and prints the counts.
  /// - Complexity: O(B·T); allocates nothing.
  public func fill(
    step: UInt64, ordinal: UInt32 = 0,
    inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
  ) {
    guard inputs.count == batchSize * blockSize, targets.count == inputs.count else {
      fatalError(
        "window sampler: a batch of \(batchSize) x \(blockSize) does not fit "
          + "buffers of \(inputs.count) inputs and \(targets.count) targets")
    }
    var random = RandomStream(seed: seed, purpose: purpose, step: step, ordinal: ordinal)
    for row in 0..<batchSize {
      let start = random.integer(below: tokens.count - blockSize)
      for column in 0..<blockSize {
        // row · blockSize + column < batchSize · blockSize, which is the count of both buffers.
        unsafe inputs[row * blockSize + column] = tokens[start + column]
        // As above.
        unsafe targets[row * blockSize + column] = tokens[start + column + 1]
      }
    }
  }
}
