#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A token and its score. The likelier comes first; of equals, the smaller token.
struct RankedToken: Comparable {
  let score: Float
  let token: Int32

  static func < (a: RankedToken, b: RankedToken) -> Bool { a.score > b.score || (a.score == b.score && a.token < b.token) }
}

/// The tokens that are drawn from, as settings narrow them down.
///
/// Each setting keeps the first so many of a ranking that nobody sorts: the vocabulary is gone through a few times, and what
/// is put in order is the tokens of one narrow range of scores.
struct Candidates {
  private(set) var scores: [Float]
  /// The largest of all scores: it always stays.
  let best: Float
  /// The token of each score, ascending; nil while all of the vocabulary is there, and a token is its place.
  private var tokens: [Int32]?

  /// The whole vocabulary.
  ///
  /// - Parameter best: The largest score.
  /// - Precondition: No score is NaN or +∞, and `best` is finite.
  init(_ scores: [Float], best: Float) { (self.scores, self.best) = (scores, best) }

  fileprivate func ranked(_ index: Int) -> RankedToken {
    RankedToken(score: scores[index], token: tokens.map { $0[index] } ?? Int32(index))
  }

  // MARK: Narrowing

  /// Keeps the `count` likeliest, at least one.
  ///
  /// - Complexity: O(V) comparisons, many at once, and O(log count) for each token that is among the likeliest so far.
  mutating func keep(likeliest count: Int) {
    if count >= scores.count { return }
    let kept = heap(of: max(1, count)).tokens.sorted { $0.token < $1.token }
    scores = kept.map(\.score)
    tokens = kept.map(\.token)
  }

  /// Keeps the likeliest that together reach a share of the probability: as few as that takes.
  mutating func keep(reaching share: Double) {
    let ranking = Ranking(self, temperature: 1)
    keep(through: ranking.token(reaching: share * ranking.total))
  }

  /// Keeps what is at least so many times as likely as the likeliest.
  mutating func keep(atLeast share: Double) {
    let least = Double(best) + log(share)
    keep(from: Float(least).nextDown) { Double($0.score) >= least }
  }

  private mutating func keep(through last: RankedToken) { keep(from: last.score) { !(last < $0) } }

  /// Keeps what has at least a score and more than that fulfils a condition.
  private mutating func keep(from bound: Float, where isKept: (RankedToken) -> Bool) {
    var kept: (scores: [Float], tokens: [Int32]) = ([], []), index = 0
    while let next = LogitScan.firstIndex(atLeast: bound, in: scores, from: index) {
      index = next + 1
      let one = ranked(next)
      guard isKept(one) else { continue }
      kept.scores.append(one.score)
      kept.tokens.append(one.token)
    }
    scores = kept.scores
    tokens = kept.tokens
  }

  // MARK: Taking

  /// The likeliest, the first of them first.
  ///
  /// - Complexity: O(V + count · log count).
  func likeliest(_ count: Int) -> [RankedToken] {
    if count <= 0 { return [] }
    return heap(of: min(count, scores.count)).tokens.sorted()
  }

  /// The token in whose part of the unit interval a number lies, where the parts stand in order of the ranking.
  ///
  /// - Parameter number: From 0..<1.
  /// - Complexity: O(V); the tokens of one bucket are sorted.
  func token(at number: Double, temperature: Double) -> Int32 {
    let ranking = Ranking(self, temperature: temperature)
    return ranking.token(reaching: (number * ranking.total).nextUp).token
  }

  private func heap(of count: Int) -> WorstFirstHeap {
    var heap = WorstFirstHeap((0..<count).map(ranked)), index = count
    // Of equals the first stays, so only what is above the worst comes in.
    while let next = LogitScan.firstIndex(atLeast: heap.worst.score.nextUp, in: scores, from: index) {
      heap.replaceWorst(by: ranked(next))
      index = next + 1
    }
    return heap
  }
}

/// Candidates by their weights at a temperature: in buckets of scores, of which each is more likely than the next.
///
/// What lies 64 factors of e below the best is in the last bucket.
private struct Ranking {
  private static let mostBuckets = 2048, tokensOfBucket = 16, span = 64.0

  private let candidates: Candidates
  private let temperature: Double
  /// The bucket of each candidate.
  private let buckets: [UInt16]
  /// The weights of each bucket, and of all, added up bucket by bucket.
  private let sums: [Double]
  let total: Double

  init(_ candidates: Candidates, temperature: Double) {
    (self.candidates, self.temperature) = (candidates, temperature)
    let count = min(Ranking.mostBuckets, candidates.scores.count / Ranking.tokensOfBucket + 1)
    let fineness = Double(count) / Ranking.span, last = Double(count - 1)
    var buckets = [UInt16](repeating: 0, count: candidates.scores.count), sums = [Double](repeating: 0, count: count)
    Exponentials.forEach(candidates.scores, below: candidates.best, temperature: temperature) { index, exponent, weight in
      let bucket = Int(min(-exponent * fineness, last))
      buckets[index] = UInt16(truncatingIfNeeded: bucket)
      sums[bucket] += weight
    }
    (self.buckets, self.sums, total) = (buckets, sums, sums.reduce(0, +))
  }

  /// The first token of the ranking at which its weight and those before it reach a sum; where roundings keep them below,
  /// the last that has a weight.
  func token(reaching sum: Double) -> RankedToken {
    let target = min(sum, total)
    var before = 0.0, bucket = 0
    while bucket < sums.count - 1, before + sums[bucket] < target {
      before += sums[bucket]
      bucket += 1
    }
    var last: RankedToken?
    for (one, weight) in members(of: bucket) {
      before += weight
      if weight > 0 || last == nil { last = one }
      if before >= target { break }
    }
    guard let last else { fatalError("no candidates: the likeliest always stays") }
    return last
  }

  private func members(of bucket: Int) -> [(RankedToken, weight: Double)] {
    let wanted = UInt16(truncatingIfNeeded: bucket)
    return buckets.indices.lazy.filter { buckets[$0] == wanted }.map { candidates.ranked($0) }.sorted().map { one in
      (one, Exponentials.weight(Double(one.score - candidates.best) / temperature))
    }
  }
}

/// The likeliest tokens so far, the one to be given up first on top.
private struct WorstFirstHeap {
  /// Each stands behind, in the ranking, the two at twice its place and one or two more.
  private(set) var tokens: [RankedToken]

  /// - Precondition: There is at least one.
  init(_ tokens: [RankedToken]) {
    self.tokens = tokens.sorted(by: >)
  }

  var worst: RankedToken { tokens[0] }

  mutating func replaceWorst(by one: RankedToken) {
    var place = 0
    while true {
      var child = 2 * place + 1
      if child >= tokens.count { break }
      if child + 1 < tokens.count, tokens[child] < tokens[child + 1] { child += 1 }
      // The child that stands last goes up, unless the new one stands behind it.
      guard one < tokens[child] else { break }
      tokens[place] = tokens[child]
      place = child
    }
    tokens[place] = one
  }
}
