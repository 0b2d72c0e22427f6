import AutogradBase

/// Draws the windows of several sources in stated shares.
///
/// A round is 256 windows (1024 of more than 16 sources) in random order. Up to the end of any round, each source has had
/// its share of windows, rounded down, and the one with the largest share the rest. The windows of one source come in
/// the order that its own sampler has: each of them once per epoch. There is no state: which window comes at which place
/// follows from the place.
public struct MixtureSampler: BatchSampler {
  public let parts: [any WindowSource]
  public let blockSize: Int
  public let batchSize: Int
  public var rowsPerWindow: Int { parts[0].rowsPerWindow }
  public var hasPositions: Bool { parts[0].hasPositions }
  public var hasWeights: Bool { parts[0].hasWeights }
  /// As many windows as all parts have: where shares are those of their lengths, each window once.
  public var epochLength: Int? { parts.reduce(0) { $0 + $1.windowsPerEpoch } }
  /// They add up to 1.
  private let shares: [Double]
  /// The part with the largest share, which has what the others leave.
  private let largest: Int
  /// Windows in a round: at least the square of the number of parts, so that the largest always has some left.
  private let round: Int
  private let seed: UInt64
  private let purpose: RandomPurpose

  public static let mostParts = 32

  /// - Parameters:
  ///   - parts: Samplers of the same sizes.
  ///   - weights: What each is drawn in proportion to: positive numbers, as many as parts.
  ///   - seed: Decides the order of sources; `purpose` keeps it apart from other random numbers.
  /// - Precondition: There are 1 to 32 parts, whose sizes agree; otherwise stops and says so.
  public init(_ parts: [any WindowSource], weights: [Double], seed: UInt64, purpose: RandomPurpose) {
    let total = weights.reduce(0, +)
    guard let first = parts.first, parts.count <= MixtureSampler.mostParts, weights.count == parts.count,
      weights.allSatisfy({ $0 > 0 }), total.isFinite,
      parts.allSatisfy({
        $0.blockSize == first.blockSize && $0.batchSize == first.batchSize && $0.hasPositions == first.hasPositions
          && $0.hasWeights == first.hasWeights && $0.rowsPerWindow == first.rowsPerWindow
      })
    else {
      fatalError(
        "mixture sampler: \(parts.count) parts with the weights \(weights) cannot be mixed; take 1 to "
          + "\(MixtureSampler.mostParts) parts of the same sizes, and a positive weight for each")
    }
    self.parts = parts
    (blockSize, batchSize) = (first.blockSize, first.batchSize)
    (self.seed, self.purpose) = (seed, purpose)
    shares = weights.map { $0 / total }
    largest = weights.indices.max { weights[$0] < weights[$1] } ?? 0
    round = parts.count <= 16 ? 256 : 1024
  }

  /// - Complexity: O(B·T + windows of a round); allocates nothing.
  public func fill(_ batch: inout TokenBatch, number: UInt64) throws {
    batch.requireSize(of: self, "mixture sampler")
    var cursor = Cursor(self, at: number &* UInt64(batchSize))
    for row in 0..<batchSize {
      let (part, window) = cursor.next(self)
      try parts[part].fill(row: row, of: &batch, window: window)
    }
  }

  public func willFill(number: UInt64) {
    var cursor = Cursor(self, at: number &* UInt64(batchSize))
    for _ in 0..<batchSize {
      let (part, window) = cursor.next(self)
      parts[part].willRead(window: window)
    }
  }

  public func weight(ofBatch number: UInt64) -> Double {
    var cursor = Cursor(self, at: number &* UInt64(batchSize))
    return (0..<batchSize).reduce(0) { sum, _ in
      let (part, window) = cursor.next(self)
      return sum + parts[part].weight(ofWindow: window)
    }
  }

  /// Windows of a part before round `number`, unless it is the largest.
  private func count(of part: Int, before number: UInt64) -> UInt64 {
    UInt64(Double(number) * Double(round) * shares[part])
  }

  /// A place in the order of windows.
  private struct Cursor {
    private var number: UInt64
    private var place = 0
    private var order: RandomPermutation
    /// Windows of each part so far, and where its places end among those that the order gives.
    private var counts = InlineArray<32, UInt64>(repeating: 0)
    private var ends = InlineArray<32, Int>(repeating: 0)

    init(_ sampler: MixtureSampler, at window: UInt64) {
      number = window / UInt64(sampler.round)
      order = Cursor.order(sampler, number)
      begin(sampler)
      for _ in 0..<Int(window % UInt64(sampler.round)) { _ = next(sampler) }
    }

    /// Which part the window here is of, and its number there; goes on to the next place.
    mutating func next(_ sampler: MixtureSampler) -> (part: Int, window: UInt64) {
      if place == sampler.round {
        number += 1
        place = 0
        order = Cursor.order(sampler, number)
        begin(sampler)
      }
      let drawn = order[place]
      place += 1
      var part = 0
      while drawn >= ends[part] { part += 1 }
      defer { counts[part] += 1 }
      return (part, counts[part])
    }

    private static func order(_ sampler: MixtureSampler, _ number: UInt64) -> RandomPermutation {
      // Another stream than those of the parts' epochs.
      var random = RandomStream(seed: sampler.seed, purpose: sampler.purpose, step: number, ordinal: 1)
      return RandomPermutation(count: sampler.round, &random)
    }

    private mutating func begin(_ sampler: MixtureSampler) {
      let round = UInt64(sampler.round), largest = sampler.largest
      var before = number * round, after = before + round
      for part in sampler.parts.indices where part != largest {
        counts[part] = sampler.count(of: part, before: number)
        before -= counts[part]
        after -= sampler.count(of: part, before: number + 1)
      }
      counts[largest] = before
      var end = 0
      for part in sampler.parts.indices {
        end += Int(part == largest ? after - before : sampler.count(of: part, before: number + 1) - counts[part])
        ends[part] = end
      }
    }
  }
}
