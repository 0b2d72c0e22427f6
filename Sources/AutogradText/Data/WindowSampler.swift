import AutogradBase

/// Draws batches of windows from tokens: every token once per epoch, in an order of its own each time.
///
/// An epoch cuts the tokens into neighbouring windows, from a random offset on, and visits them in random order. So
/// no part of a text is seen twice before all others were seen once, as drawing with replacement would do.
/// There is no state: batch 1000 can be drawn without the ones before it, so a resumed run sees what an
/// uninterrupted one would have seen.
public struct WindowSampler: WindowSource {
  public let tokens: any TokenSource
  public let blockSize: Int
  public let batchSize: Int
  /// Windows in an epoch. Up to 2 · `blockSize` tokens at the ends are left out of it, other ones each time.
  public let windowsPerEpoch: Int
  /// The token at which a document begins, where batches say so.
  private let boundary: Int32?
  /// Whether batches say what each token is worth and where in the window it is, though all are worth the same and nothing
  /// begins there.
  private let saysAll: Bool
  private let seed: UInt64
  private let purpose: RandomPurpose

  /// Prepares to draw; they are shared, not copied, and read where they are needed.
  ///
  /// - Parameter boundary: The token at which a document begins, where documents are to be kept apart: batches have
  ///   positions then.
  /// - Parameter saysAll: Whether batches have positions and weights in any case, to be mixed with others that need them.
  /// - Precondition: `blockSize` and `batchSize` are at least 1 and there are more than `blockSize` tokens;
  ///   otherwise stops and prints them. `TokenDataset.requireWindows` answers the same question with an
  ///   error.
  public init(
    tokens: any TokenSource, blockSize: Int, batchSize: Int, seed: UInt64, purpose: RandomPurpose, boundary: Int32? = nil,
    saysAll: Bool = false
  ) {
    guard blockSize >= 1, batchSize >= 1, tokens.count > blockSize else {
      fatalError(
        "window sampler: cannot draw \(batchSize) windows of \(blockSize) + 1 from \(tokens.count) tokens; "
          + "sizes must be at least 1, and more tokens than the block size")
    }
    self.tokens = tokens
    self.blockSize = blockSize
    self.batchSize = batchSize
    self.boundary = boundary
    self.saysAll = saysAll
    self.seed = seed
    self.purpose = purpose
    windowsPerEpoch = max(1, (tokens.count - blockSize) / blockSize)
  }

  public var hasPositions: Bool { saysAll || boundary != nil }
  public var hasWeights: Bool { saysAll }

  /// Fills a batch with batch number `number`: targets[b, t] is the token after inputs[b, t].
  ///
  /// - Throws: What reading the tokens throws.
  /// - Precondition: The batch has this sampler's sizes; otherwise stops and prints the counts.
  /// - Complexity: O(B·T); allocates nothing.
  public func fill(_ batch: inout TokenBatch, number: UInt64) throws {
    batch.requireSize(of: self, "window sampler")
    var epoch: Epoch?
    for row in 0..<batchSize {
      // Numbers beyond 2⁶⁴, which no run reaches, begin again at 0.
      try fill(row: row, of: &batch, window: number &* UInt64(batchSize) &+ UInt64(row), &epoch)
    }
  }

  public func willFill(number: UInt64) {
    var epoch: Epoch?
    for row in 0..<batchSize { willRead(window: number &* UInt64(batchSize) &+ UInt64(row), &epoch) }
  }

  // MARK: One window

  /// Fills a row with window number `window`.
  ///
  /// - Parameter epoch: The epoch of the window before, which is mostly this one's, too.
  func fill(row: Int, of batch: inout TokenBatch, window: UInt64, _ epoch: inout Epoch?) throws {
    let start = start(ofWindow: window, &epoch), place = row * blockSize
    var inputs = batch.inputs.mutableSpan
    try tokens.read(start..<start + blockSize, into: &inputs, at: place)
    var targets = batch.targets.mutableSpan
    try tokens.read(start + 1..<start + 1 + blockSize, into: &targets, at: place)
    if hasPositions { batch.countPositions(row: row, from: boundary) }
    if saysAll { for place in place..<place + blockSize { batch.weights[place] = 1 } }
  }

  public func fill(row: Int, of batch: inout TokenBatch, window: UInt64) throws {
    var epoch: Epoch?
    try fill(row: row, of: &batch, window: window, &epoch)
  }

  public func willRead(window: UInt64) {
    var epoch: Epoch?
    willRead(window: window, &epoch)
  }

  func willRead(window: UInt64, _ epoch: inout Epoch?) {
    let start = start(ofWindow: window, &epoch)
    tokens.willRead(start..<start + 1 + blockSize)
  }

  private func start(ofWindow window: UInt64, _ epoch: inout Epoch?) -> Int {
    let perEpoch = UInt64(windowsPerEpoch), number = window / perEpoch
    let current = epoch?.number == number ? epoch! : Epoch(number: number, of: self)
    epoch = current
    return current.start(ofWindow: Int(window % perEpoch))
  }

  /// Where an epoch's windows begin, and their order.
  struct Epoch {
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
