import Base

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Draws the next token from logits.
public struct Sampler: Sendable {
  /// Divides the logits: below 1 the likely tokens gain, at 0 the likeliest is always taken.
  public var temperature: Double
  /// Only this many of the likeliest tokens are drawn from; nil takes all.
  public var topK: Int?
  public var seed: UInt64

  public init(temperature: Double = 0.8, topK: Int? = 200, seed: UInt64 = 1337) {
    self.temperature = temperature
    self.topK = topK
    self.seed = seed
  }

  /// Draws the token at `position` of the text: the same seed, position and logits give the same token.
  ///
  /// Shapes: `logits` [V].
  ///
  /// - Complexity: O(V log V).
  public func draw(_ logits: [Float], position: Int) -> Int32 {
    // Ties go to the smaller token, so that the order is defined.
    let ranked = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    guard temperature > 0, let best = ranked.first else { return Int32(ranked.first ?? 0) }
    let kept = ranked.prefix(max(1, topK ?? ranked.count))
    let weights = kept.map { exp(Double(logits[$0] - logits[best]) / temperature) }
    var random = RandomStream(seed: seed, purpose: .sampling, step: UInt64(position))
    var rest = random.uniform() * weights.reduce(0, +)
    for (token, weight) in zip(kept, weights) {
      rest -= weight
      if rest < 0 { return Int32(token) }
    }
    return Int32(kept.last ?? best)
  }
}
