import AutogradBase

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Draws the next token from logits.
///
/// In llama.cpp's order: repetition penalty, top-k, top-p, min-p, temperature.
public struct Sampler: Sendable {
  /// Divides the logits that are left: below 1 the likely tokens gain, at 0 the likeliest is always taken.
  public var temperature = 0.8
  /// Only this many of the likeliest tokens are drawn from; nil takes all.
  public var topK: Int? = 200
  /// Only the likeliest tokens that together reach this probability; 1 takes all.
  public var topP = 1.0
  /// Only tokens at least this many times as likely as the likeliest; 0 takes all.
  public var minP = 0.0
  /// Makes tokens among the last `penaltyWindow` less likely: positive logits are divided by it, negative ones
  /// multiplied; 1 leaves them.
  public var repetitionPenalty = 1.0
  public var penaltyWindow = 64
  public var seed: UInt64 = 1337

  public init() {}

  /// Draws the token at position `text.count`: the same seed, text and logits give the same token.
  ///
  /// Shapes: `logits` [V].
  ///
  /// - Parameter stream: Tells apart several samples with one seed.
  /// - Complexity: O(V log V).
  public func draw(_ logits: [Float], after text: [Int32], stream: UInt32 = 0) -> Int32 {
    let logits = penalized(logits, text)
    // Ties go to the smaller token, so that the order is defined.
    let ranked = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    guard temperature > 0, let best = ranked.first else { return Int32(ranked.first ?? 0) }
    let kept = truncated(ranked.prefix(max(1, topK ?? ranked.count)), logits)
    let weights = kept.map { exp(Double(logits[$0] - logits[best]) / temperature) }
    var random = RandomStream(seed: seed, purpose: .sampling, step: UInt64(text.count), ordinal: stream)
    var rest = random.uniform() * weights.reduce(0, +)
    for (token, weight) in zip(kept, weights) {
      rest -= weight
      if rest < 0 { return Int32(token) }
    }
    return Int32(kept.last ?? best)
  }

  private func penalized(_ logits: [Float], _ text: [Int32]) -> [Float] {
    guard repetitionPenalty != 1 else { return logits }
    var logits = logits
    let penalty = Float(repetitionPenalty)
    for token in Set(text.suffix(penaltyWindow)).sorted() where logits.indices.contains(Int(token)) {
      logits[Int(token)] *= logits[Int(token)] > 0 ? 1 / penalty : penalty
    }
    return logits
  }

  /// Top-p and min-p over tokens that are ranked by their logits; at least one stays.
  private func truncated(_ ranked: ArraySlice<Int>, _ logits: [Float]) -> ArraySlice<Int> {
    guard topP < 1 || minP > 0, let best = ranked.first else { return ranked }
    let weights = ranked.map { exp(Double(logits[$0] - logits[best])) }
    let total = weights.reduce(0, +)
    var count = 0, sum = 0.0
    for weight in weights {
      if count > 0, sum >= topP * total || weight < minP { break }
      sum += weight
      count += 1
    }
    return ranked.prefix(count)
  }
}
