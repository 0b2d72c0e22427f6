import AutogradBase

/// Draws batches of windows from tokens: every token once per epoch, in an order of its own each time.
///
/// An epoch cuts the tokens into neighbouring windows, from a random offset on, and visits them in random order. So
/// no part of a text is seen twice before all others were seen once, as drawing with replacement would do.
/// There is no state: batch 1000 can be drawn without the ones before it, so a resumed run sees what an
/// uninterrupted one would have seen.
public struct WindowSampler: BatchSampler {
  public let tokens: any TokenSource
  public let blockSize: Int
  public let batchSize: Int
  /// Windows in an epoch. Up to 2 · `blockSize` tokens at the ends are left out of it, other ones each time.
  public let windowsPerEpoch: Int
  private let seed: UInt64
  private let purpose: RandomPurpose

  /// Prepares to draw; they are shared, not copied, and read where they are needed.
  ///
  /// - Precondition: `blockSize` and `batchSize` are at least 1 and there are more than `blockSize` tokens;
  ///   otherwise stops and prints them. `TokenDataset.requireWindows` answers the same question with an
  ///   error.
  public init(tokens: any TokenSource, blockSize: Int, batchSize: Int, seed: UInt64, purpose: RandomPurpose) {
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
  /// - Throws: What reading the tokens throws.
  /// - Precondition: Both buffers hold exactly B·T tokens; otherwise stops and prints the counts.
  /// - Complexity: O(B·T); allocates nothing.
  public func fill(batch: UInt64, inputs: inout MutableSpan<Int32>, targets: inout MutableSpan<Int32>) throws {
    requireRoom(inputs: inputs.count, targets: targets.count, "window sampler")
    let perEpoch = UInt64(windowsPerEpoch), first = batch &* UInt64(batchSize)
    var epoch = Epoch(number: first / perEpoch, of: self)
    for row in 0..<batchSize {
      // Numbers beyond 2⁶⁴, which no run reaches, begin again at 0.
      let window = first &+ UInt64(row)
      if window / perEpoch != epoch.number { epoch = Epoch(number: window / perEpoch, of: self) }
      let start = epoch.start(ofWindow: Int(window % perEpoch)), place = row * blockSize
      try tokens.read(start..<start + blockSize, into: &inputs, at: place)
      try tokens.read(start + 1..<start + 1 + blockSize, into: &targets, at: place)
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
