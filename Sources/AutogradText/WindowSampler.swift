import AutogradBase

/// Draws batches of windows from a token array: every token once per epoch, in an order of its own each time.
///
/// An epoch cuts the tokens into neighbouring windows, from a random offset on, and visits them in random order. So
/// no part of a text is seen twice before all others were seen once, as drawing with replacement would do.
/// There is no state: batch 1000 can be drawn without the ones before it, so a resumed run sees what an
/// uninterrupted one would have seen.
public struct WindowSampler: BatchSampler {
  public let tokens: [Int32]
  public let blockSize: Int
  public let batchSize: Int
  /// Windows in an epoch. Up to 2 · `blockSize` tokens at the ends are left out of it, other ones each time.
  public let windowsPerEpoch: Int
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
    windowsPerEpoch = max(1, (tokens.count - blockSize) / blockSize)
  }

  /// Fills batch number `batch`.
  ///
  /// Shapes: `inputs` [B, T], `targets` [B, T], row-major; targets[b, t] is the token after inputs[b, t].
  ///
  /// - Precondition: Both buffers hold exactly B·T tokens; otherwise stops and prints the counts.
  /// - Complexity: O(B·T); allocates nothing.
  public func fill(
    batch: UInt64, inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
  ) {
    guard inputs.count == batchSize * blockSize, targets.count == inputs.count else {
      fatalError(
        "window sampler: a batch of \(batchSize) x \(blockSize) does not fit "
          + "buffers of \(inputs.count) inputs and \(targets.count) targets")
    }
    let perEpoch = UInt64(windowsPerEpoch)
    var epoch = Epoch(number: batch * UInt64(batchSize) / perEpoch, of: self)
    for row in 0..<batchSize {
      let window = batch * UInt64(batchSize) + UInt64(row)
      if window / perEpoch != epoch.number { epoch = Epoch(number: window / perEpoch, of: self) }
      let start = epoch.start(ofWindow: Int(window % perEpoch))
      for column in 0..<blockSize {
        // INVARIANT: row · blockSize + column < batchSize · blockSize, which is the count of both buffers.
        unsafe inputs[row * blockSize + column] = tokens[start + column]
        unsafe targets[row * blockSize + column] = tokens[start + column + 1]
      }
    }
  }

  /// Where an epoch's windows begin, and their order.
  private struct Epoch {
    let number: UInt64
    let offset: Int
    let blockSize: Int
    let order: RandomPermutation

    init(number: UInt64, of sampler: WindowSampler) {
      var random = RandomStream(seed: sampler.seed, purpose: sampler.purpose, step: number)
      self.number = number
      blockSize = sampler.blockSize
      // The last window ends at offset + windows · T, and its last target is one further: inside the tokens.
      offset = random.integer(below: min(sampler.blockSize, sampler.tokens.count - sampler.blockSize))
      order = RandomPermutation(count: sampler.windowsPerEpoch, &random)
    }

    func start(ofWindow window: Int) -> Int { offset + order[window] * blockSize }
  }
}
