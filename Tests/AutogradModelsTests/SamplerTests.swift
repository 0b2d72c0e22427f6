import AutogradBase
import AutogradModels
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What each setting of the sampler does to the distribution that tokens are drawn from: against a reference, and by
/// counting.
@Suite("Sampler") struct SamplerTests {
  /// Probabilities 0.4, 0.3, 0.15, 0.1, 0.05, shuffled: token 3 is the likeliest.
  private static let probabilities = [0.1, 0.3, 0.05, 0.4, 0.15]
  private let logits = probabilities.map { Float(log($0)) + 2 }

  private func sampler(_ change: (inout Sampler) -> Void = { _ in }) -> Sampler {
    var sampler = Sampler()
    (sampler.temperature, sampler.topK) = (1, nil)
    change(&sampler)
    return sampler
  }

  /// The distribution that the settings ask for, worked out in Double one setting after the other, by whole sorted
  /// lists: penalties, top-k, top-p, min-p, temperature.
  private func reference(_ sampler: Sampler, _ logits: [Float], _ text: [Int32] = []) -> [Double] {
    var scores = logits.map { Double($0) }
    for token in Set(text.suffix(sampler.penaltyWindow)) {
      let score = scores[Int(token)]
      scores[Int(token)] = score > 0 ? score / sampler.repetitionPenalty : score * sampler.repetitionPenalty
    }
    func softmax(_ scores: [Double]) -> [Double] {
      let weights = scores.map { exp($0) }, total = weights.reduce(0, +)
      return weights.map { $0 / total }
    }
    func ranked() -> [Int] { scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) } }
    for token in ranked().dropFirst(sampler.topK ?? scores.count) { scores[token] = -.infinity }
    var left = softmax(scores), sum = 0.0
    for token in ranked() {
      if sum >= sampler.topP - 1e-6 { scores[token] = -.infinity }
      sum += left[token]
    }
    let best = left.max()!
    for token in scores.indices where left[token] < sampler.minP * best { scores[token] = -.infinity }
    left = softmax(scores.map { $0 / sampler.temperature })
    return left
  }

  /// How often each token is drawn at many positions.
  private func counted(_ sampler: Sampler, _ logits: [Float], _ text: [Int32] = []) -> [Double] {
    var counts = [Double](repeating: 0, count: logits.count)
    for stream in 0..<UInt32(6000) { counts[Int(sampler.draw(logits, after: text, stream: stream))] += 1 }
    return counts.map { $0 / 6000 }
  }

  /// Within 5 standard deviations; what cannot be drawn is never drawn.
  private func expectSame(_ drawn: [Double], _ wanted: [Double]) {
    for (token, (p, q)) in zip(drawn, wanted).enumerated() {
      #expect(abs(p - q) <= 5 * (q * (1 - q) / 6000).squareRoot(), "token \(token): \(p), expected \(q)")
      if q == 0 { #expect(p == 0) }
    }
  }

  @Test("without limits, tokens are drawn as likely as they are")
  func plain() {
    expectSame(counted(sampler(), logits), Self.probabilities)
    expectSame(reference(sampler(), logits), Self.probabilities)
  }

  @Test("each position and each stream has a random number of its own, whatever was drawn before")
  func positions() {
    let order = [3, 1, 4, 0, 2], sampler = sampler { $0.seed = 5 }
    for position in [0, 1, 2, 40] {
      for stream in [0, 3] as [UInt32] {
        var random = RandomStream(seed: 5, purpose: .sampling, step: UInt64(position), ordinal: stream)
        var rest = random.uniform()
        let wanted = order.first { token in
          rest -= Self.probabilities[token]
          return rest < 0
        }
        let text = [Int32](repeating: 0, count: position)
        #expect(sampler.draw(logits, after: text, stream: stream) == Int32(wanted ?? 2), "\(position), \(stream)")
      }
    }
  }

  @Test("top-k leaves the k likeliest", arguments: [(1, [3]), (2, [1, 3]), (3, [1, 3, 4]), (9, [0, 1, 2, 3, 4])])
  func topK(k: Int, kept: [Int]) {
    let sampler = sampler { $0.topK = k }, drawn = counted(sampler, logits)
    #expect(drawn.indices.filter { drawn[$0] > 0 } == kept)
    expectSame(drawn, reference(sampler, logits))
  }

  @Test(
    "top-p leaves the likeliest that together reach it, and no more",
    arguments: [(0.1, [3]), (0.39, [3]), (0.41, [1, 3]), (0.69, [1, 3]), (0.71, [1, 3, 4]), (0.96, [0, 1, 2, 3, 4])])
  func topP(p: Double, kept: [Int]) {
    let sampler = sampler { $0.topP = p }, drawn = counted(sampler, logits)
    #expect(drawn.indices.filter { drawn[$0] > 0 } == kept)
    expectSame(drawn, reference(sampler, logits))
  }

  @Test(
    "min-p leaves what is at least that share as likely as the likeliest",
    arguments: [(1.0, [3]), (0.76, [3]), (0.74, [1, 3]), (0.37, [1, 3, 4]), (0.2, [0, 1, 3, 4]), (0.1, [0, 1, 2, 3, 4])])
  func minP(p: Double, kept: [Int]) {
    let sampler = sampler { $0.minP = p }, drawn = counted(sampler, logits)
    #expect(drawn.indices.filter { drawn[$0] > 0 } == kept)
    expectSame(drawn, reference(sampler, logits))
  }

  @Test("temperature sharpens below 1 and flattens above; at 0 the likeliest, of equals the first", arguments: [0.25, 0.5, 2, 10])
  func temperature(t: Double) {
    let sampler = sampler { $0.temperature = t }, drawn = counted(sampler, logits)
    expectSame(drawn, reference(sampler, logits))
    #expect(t < 1 ? drawn[3] > 0.45 : drawn[3] < 0.35)
    let greedy = self.sampler { $0.temperature = 0 }
    for stream in 0..<20 as Range<UInt32> {
      #expect(greedy.draw(logits, after: [], stream: stream) == 3)
      #expect(greedy.draw([1, 2, 2, 0], after: [], stream: stream) == 1)
    }
  }

  @Test("limits count before temperature: it changes how often, not which")
  func order() {
    for t in [0.3, 3] {
      let sampler = sampler { ($0.topP, $0.minP, $0.temperature) = (0.8, 0.3, t) }, drawn = counted(sampler, logits)
      #expect(drawn.indices.filter { drawn[$0] > 0 } == [1, 3, 4])
      expectSame(drawn, reference(sampler, logits))
    }
  }

  @Test("a repetition penalty makes recent tokens less likely, whatever their sign", arguments: [1.3, 2])
  func penalty(penalty: Double) {
    let sampler = sampler { $0.repetitionPenalty = penalty }
    let positive = logits, negative = logits.map { $0 - 5 }
    for logits in [positive, negative] {
      let text: [Int32] = [3, 3, 4], drawn = counted(sampler, logits, text), plain = counted(self.sampler(), logits, text)
      expectSame(drawn, reference(sampler, logits, text))
      #expect(drawn[3] < plain[3] - 0.02 && drawn[1] > plain[1] + 0.02)
      // Twice in the text is not twice the penalty.
      #expect(reference(sampler, logits, text) == reference(sampler, logits, [3, 4]))
    }
  }

  @Test("only the last tokens are penalised, and a penalty below 1 makes them likelier")
  func window() {
    var sampler = sampler { ($0.repetitionPenalty, $0.penaltyWindow) = (2, 2) }
    expectSame(counted(sampler, logits, [3, 0, 1]), reference(self.sampler { $0.repetitionPenalty = 2 }, logits, [0, 1]))
    sampler.penaltyWindow = 0
    expectSame(counted(sampler, logits, [3, 3, 3]), Self.probabilities)
    let inviting = self.sampler { $0.repetitionPenalty = 0.5 }
    #expect(counted(inviting, logits, [1])[1] > 0.4)
  }

  @Test("the same seed, text and stream give the same token; another of each gives others")
  func seeds() {
    func draws(seed: UInt64, stream: UInt32) -> [Int32] {
      (0..<60).map { count in
        sampler { $0.seed = seed }.draw(logits, after: [Int32](repeating: 0, count: count), stream: stream)
      }
    }
    #expect(draws(seed: 1, stream: 0) == draws(seed: 1, stream: 0))
    #expect(draws(seed: 1, stream: 0) != draws(seed: 2, stream: 0))
    #expect(draws(seed: 1, stream: 0) != draws(seed: 1, stream: 1))
    #expect(Set(draws(seed: 1, stream: 0)).count > 2)
  }
}
