import AutogradBase

/// Draws the next token from logits.
///
/// In llama.cpp's order: bias, penalties, top-k, top-p, min-p, temperature. The same seed, stream, position and logits give
/// the same token, on every machine.
public struct Sampler: Sendable, Equatable {
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
  /// Is taken from the logit of each token among the last `penaltyWindow`, however often it is there; 0 leaves them.
  public var presencePenalty = 0.0
  /// Is taken from the logit of a token once for each time it is among the last `penaltyWindow`; 0 leaves them.
  public var frequencyPenalty = 0.0
  public var penaltyWindow = 64
  /// Added to the logits of single tokens, before all else: −∞ forbids one.
  public var logitBias: [Int32: Float] = [:]
  public var seed: UInt64 = 1337

  public init() {}

  /// Draws the token at position `text.count`: the same seed, text and logits give the same token.
  ///
  /// Shapes: `logits` [V].
  ///
  /// - Parameter stream: Tells apart several samples with one seed.
  /// - Throws: `notANumber`, `nothingToDraw`, `biasOutside`.
  /// - Complexity: At temperature 0 one pass over the vocabulary, otherwise a few; it is not sorted.
  public func draw(_ logits: [Float], after text: [Int32], stream: UInt32 = 0) throws(SamplingError) -> Int32 {
    if let place = LogitScan.firstNotANumber(logits) { throw .notANumber(token: place, value: logits[place]) }
    let scores = try adjusted(logits, text), best = LogitScan.largest(scores)
    guard best > -.infinity, let first = LogitScan.firstIndex(atLeast: best, in: scores) else { throw .nothingToDraw }
    guard temperature > 0 else { return Int32(first) }
    var candidates = Candidates(scores, best: best)
    if let topK { candidates.keep(likeliest: topK) }
    if topP < 1 { candidates.keep(reaching: topP) }
    if minP > 0 { candidates.keep(atLeast: minP) }
    var random = RandomStream(seed: seed, purpose: .sampling, step: UInt64(text.count), ordinal: stream)
    return candidates.token(at: random.uniform(), temperature: temperature)
  }

  /// Draws a token as `draw` does, and says how likely the model thought it and others.
  ///
  /// - Parameter top: How many of the likeliest tokens to name.
  /// - Throws: As `draw`.
  public func choose(
    _ logits: [Float], after text: [Int32], stream: UInt32 = 0, top: Int = 0
  ) throws(SamplingError) -> TokenChoice {
    TokenChoice(try draw(logits, after: text, stream: stream), of: logits, top: top)
  }

  // MARK: Bias and penalties

  private var hasPenalty: Bool { repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 }

  private func adjusted(_ logits: [Float], _ text: [Int32]) throws(SamplingError) -> [Float] {
    guard hasPenalty || !logitBias.isEmpty else { return logits }
    var scores = logits, changed = Set<Int>()
    for (token, bias) in logitBias.sorted(by: { $0.key < $1.key }) {
      guard scores.indices.contains(Int(token)) else { throw .biasOutside(token: token, vocabularySize: scores.count) }
      scores[Int(token)] += bias
      changed.insert(Int(token))
    }
    for (place, count) in hasPenalty ? recentCounts(text, below: scores.count) : [:] {
      scores[place] = penalized(scores[place], count)
      changed.insert(place)
    }
    if let place = changed.filter({ !(scores[$0] < .infinity) }).min() { throw .notANumber(token: place, value: scores[place]) }
    return scores
  }

  private func recentCounts(_ text: [Int32], below vocabularySize: Int) -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for token in text.suffix(penaltyWindow) where (0..<vocabularySize).contains(Int(token)) {
      counts[Int(token), default: 0] += 1
    }
    return counts
  }

  private func penalized(_ logit: Float, _ count: Int) -> Float {
    let penalty = Float(repetitionPenalty), factor = logit > 0 ? 1 / penalty : penalty
    return logit * factor - (Float(presencePenalty) + Float(count) * Float(frequencyPenalty))
  }
}
