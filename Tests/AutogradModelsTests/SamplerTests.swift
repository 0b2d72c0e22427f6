import AutogradBase
import Testing

@testable import AutogradModels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What each setting of the sampler does to the distribution that tokens are drawn from: against a reference, token for
/// token, and by counting.
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

  /// The tokens that are left with their weights, likeliest first, worked out in Double one setting after the other by
  /// whole sorted lists: bias, penalties, top-k, top-p, min-p, temperature.
  private func ranking(_ sampler: Sampler, _ logits: [Float], _ text: [Int32] = []) -> [(token: Int, weight: Double)] {
    var scores = logits
    for (token, bias) in sampler.logitBias { scores[Int(token)] += bias }
    let recent = text.suffix(sampler.penaltyWindow)
    for token in Set(recent) {
      let place = Int(token), count = recent.count { $0 == token }, penalty = Float(sampler.repetitionPenalty)
      if scores[place] > 0 { scores[place] *= 1 / penalty } else { scores[place] *= penalty }
      scores[place] -= Float(sampler.presencePenalty) + Float(count) * Float(sampler.frequencyPenalty)
    }
    var ranked = scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
    let best = scores[ranked[0]]
    ranked = Array(ranked.prefix(sampler.topK ?? scores.count))
    let weights = ranked.map { exp(Double(scores[$0] - best)) }, total = weights.reduce(0, +)
    var sum = 0.0, count = 0
    while count < ranked.count, count == 0 || sum < sampler.topP * total, weights[count] >= sampler.minP {
      sum += weights[count]
      count += 1
    }
    return ranked.prefix(count).map { ($0, exp(Double(scores[$0] - best) / sampler.temperature)) }
  }

  private func reference(_ sampler: Sampler, _ logits: [Float], _ text: [Int32] = []) -> [Double] {
    var shares = [Double](repeating: 0, count: logits.count)
    let ranking = ranking(sampler, logits, text), total = ranking.reduce(0) { $0 + $1.weight }
    for (token, weight) in ranking { shares[token] = weight / total }
    return shares
  }

  /// The token in whose part of the interval the random number of a position lies.
  private func referenceToken(_ sampler: Sampler, _ logits: [Float], _ text: [Int32], _ stream: UInt32) -> Int32 {
    let ranking = ranking(sampler, logits, text)
    guard sampler.temperature > 0 else { return Int32(ranking[0].token) }
    var random = RandomStream(seed: sampler.seed, purpose: .sampling, step: UInt64(text.count), ordinal: stream)
    var rest = random.uniform() * ranking.reduce(0) { $0 + $1.weight }
    for (token, weight) in ranking {
      rest -= weight
      if rest < 0 { return Int32(token) }
    }
    return Int32(ranking.last { $0.weight > 0 }?.token ?? ranking[0].token)
  }

  /// How often each token is drawn at many positions.
  private func counted(_ sampler: Sampler, _ logits: [Float], _ text: [Int32] = [], draws: UInt32 = 6000) throws -> [Double] {
    var counts = [Double](repeating: 0, count: logits.count)
    for stream in 0..<draws { counts[Int(try sampler.draw(logits, after: text, stream: stream))] += 1 }
    return counts.map { $0 / Double(draws) }
  }

  /// Within 5 standard deviations; what cannot be drawn is never drawn.
  private func expectSame(_ drawn: [Double], _ wanted: [Double]) {
    for (token, (p, q)) in zip(drawn, wanted).enumerated() {
      #expect(abs(p - q) <= 5 * (q * (1 - q) / 6000).squareRoot(), "token \(token): \(p), expected \(q)")
      if q == 0 { #expect(p == 0) }
    }
  }

  // MARK: By counting

  @Test("without limits, tokens are drawn as likely as they are")
  func plain() throws {
    expectSame(try counted(sampler(), logits), Self.probabilities)
    expectSame(reference(sampler(), logits), Self.probabilities)
  }

  /// Settings one at a time, and together; what they are, in words.
  static let settings: [(name: String, text: [Int32], change: @Sendable (inout Sampler) -> Void)] = [
    ("plain", [], { _ in }), ("temperature 0.5", [], { $0.temperature = 0.5 }), ("temperature 2", [], { $0.temperature = 2 }),
    ("top-k 5", [], { $0.topK = 5 }), ("top-p 0.8", [], { $0.topP = 0.8 }), ("min-p 0.2", [], { $0.minP = 0.2 }),
    ("repetition 1.5", [0, 1, 1, 2], { $0.repetitionPenalty = 1.5 }),
    ("presence 1", [0, 1, 1, 2], { $0.presencePenalty = 1 }), ("frequency 0.7", [0, 1, 1, 2], { $0.frequencyPenalty = 0.7 }),
    ("bias", [], { $0.logitBias = [3: 2, 0: -.infinity] }),
    ("all", [2, 2, 4], {
      ($0.temperature, $0.topK, $0.topP, $0.minP) = (0.7, 9, 0.9, 0.05)
      ($0.repetitionPenalty, $0.presencePenalty, $0.frequencyPenalty, $0.logitBias) = (1.2, 0.3, 0.2, [5: 1])
    }),
  ]

  #if DEBUG
    private static let draws = 3_000  // as many as release builds draw would take minutes
  #else
    private static let draws = 100_000
  #endif

  @Test("chi-square: 10^5 draws fit the distribution that the settings ask for", arguments: settings.indices)
  func chiSquare(_ index: Int) throws {
    let (name, text, change) = Self.settings[index], sampler = sampler(change), draws = Self.draws
    // Twelve tokens, of which two are equally likely.
    let logits: [Float] = [1.5, 1, 0.5, 0.5, 0, -0.25, -0.5, -0.75, -1, -1.25, -1.5, -2]
    let expected = reference(sampler, logits, text), found = try counted(sampler, logits, text, draws: UInt32(draws))
    var statistic = 0.0, freedom = -1.0
    for (share, wanted) in zip(found, expected) {
      guard wanted > 0 else {
        #expect(share == 0, "\(name)")
        continue
      }
      statistic += Double(draws) * (share - wanted) * (share - wanted) / wanted
      freedom += 1
    }
    // Above this once in 10^4 draws of seeds, which are fixed: by Wilson and Hilferty, z = 3.719.
    let limit = freedom < 1 ? 1e-9 : freedom * pow(1 - 2 / (9 * freedom) + 3.719 * (2 / (9 * freedom)).squareRoot(), 3)
    #expect(statistic <= limit, "\(name): \(statistic), and \(limit) is rare")
    // The test can fail: with the likeliest off by a third the shares do not fit.
    let likeliest = expected.indices.max { expected[$0] < expected[$1] } ?? 0
    let off = expected.indices.filter { expected[$0] > 0 }.reduce(0.0) { sum, token in
      let wrong = expected[token] * (token == likeliest ? 0.67 : 1)
      return sum + Double(draws) * (found[token] - wrong) * (found[token] - wrong) / wrong
    }
    if freedom >= 1 { #expect(off > limit) }
  }

  // MARK: Token for token

  /// Logits of many kinds, made from one number: smooth, with ties, with −∞, far apart, all the same.
  private func randomLogits(_ number: UInt32) -> [Float] {
    var random = RandomStream(seed: 77, purpose: .evaluation, ordinal: number)
    let count = [1, 2, 3, 7, 8, 9, 16, 17, 63, 200, 1000, 3001, 9000][random.integer(below: 13)]
    let kind = random.integer(below: 6), scale = Float([0.01, 0.5, 2, 10][random.integer(below: 4)])
    var logits = (0..<count).map { _ -> Float in
      let value = Float(random.normal()) * scale
      switch kind {
      case 0: return (value * 2).rounded() / 2
      case 1: return random.integer(below: 3) == 0 ? -.infinity : value
      case 2: return value * 40
      case 3: return scale
      default: return value
      }
    }
    if logits.allSatisfy({ $0 == -.infinity }) { logits[0] = 0 }
    return logits
  }

  @Test("200 random cases of logits and settings: the token that a sorted list gives")
  func againstSorted() throws {
    for number in 0..<200 as Range<UInt32> {
      let logits = randomLogits(number)
      var random = RandomStream(seed: 78, purpose: .evaluation, ordinal: number)
      func pick<T>(_ values: T...) -> T { values[random.integer(below: values.count)] }
      let text = (0..<random.integer(below: 90)).map { _ in Int32(random.integer(below: logits.count)) }
      let sampler = sampler {
        $0.temperature = pick(0, 0.3, 0.8, 1, 1, 2.5)
        $0.topK = pick(nil, nil, 1, 2, 40, 200, 5000)
        $0.topP = pick(1, 1, 0.05, 0.5, 0.9, 0.999)
        $0.minP = pick(0, 0, 0.01, 0.3, 1)
        $0.repetitionPenalty = pick(1, 1, 1.3, 0.7)
        $0.presencePenalty = pick(0, 0, 0.5, -0.5)
        $0.frequencyPenalty = pick(0, 0, 0.25)
        if random.integer(below: 3) == 0 { $0.logitBias[Int32(logits.count - 1)] = 1 }
        if random.integer(below: 3) == 0 { $0.logitBias[0] = pick(2, -1) }
        $0.seed = random.next()
      }
      for stream in 0..<2 as Range<UInt32> {
        let token = try sampler.draw(logits, after: text, stream: stream)
        #expect(token == referenceToken(sampler, logits, text, stream), "case \(number), stream \(stream)")
      }
    }
  }

  @Test("log-probabilities are the softmax of the logits as they are; the likeliest are named, of equals the smaller first")
  func choices() throws {
    for number in 0..<60 as Range<UInt32> {
      let logits = randomLogits(number), best = Double(logits.max() ?? 0)
      let total = log(logits.reduce(0) { $0 + exp(Double($1) - best) })
      let sampler = sampler { ($0.temperature, $0.topK, $0.logitBias) = (0.3, 5, [0: 3]) }
      let choice = try sampler.choose(logits, after: [], stream: number, top: 7)
      #expect(choice.token == (try sampler.draw(logits, after: [], stream: number)))
      #expect(abs(choice.logprob - (Double(logits[Int(choice.token)]) - best - total)) <= 1e-6 || logits[Int(choice.token)] == -.infinity)
      let ranked = logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }.prefix(7)
      #expect(choice.top.map(\.token) == ranked.map { Int32($0) })
      for one in choice.top where logits[Int(one.token)] > -.infinity {
        #expect(abs(one.logprob - (Double(logits[Int(one.token)]) - best - total)) <= 1e-6)
      }
    }
    #expect(try sampler().choose(logits, after: []).top.isEmpty)
    let forced = sampler { $0.logitBias = [1: 40] }
    #expect(try forced.choose([0, -.infinity, 0], after: []).logprob == log(0.5), "a bias makes nothing of −∞")
    #expect(try forced.choose([0, -100, 0], after: []) .token != 1)
    #expect(try sampler { $0.logitBias = [1: 140] }.choose([0, -100, 0], after: []).token == 1)
  }

  @Test("NaN, +∞, nothing to draw and a bias on no token are errors in a sentence, at every temperature")
  func refusals() {
    for temperature in [0, 1.0] {
      let sampler = sampler { $0.temperature = temperature }
      for bad in [Float.nan, .infinity] {
        for place in [0, 5, 15, 16, 39] {
          var logits = [Float](repeating: 1, count: 40)
          logits[place] = bad
          #expect(throws: SamplingError.notANumber(token: place, value: bad)) { try sampler.draw(logits, after: []) }
        }
      }
      for count in [0, 1, 40] {
        let logits = [Float](repeating: -.infinity, count: count)
        #expect(throws: SamplingError.nothingToDraw) { try sampler.draw(logits, after: []) }
      }
      let biased = self.sampler { ($0.temperature, $0.logitBias) = (temperature, [5: 1]) }
      #expect(throws: SamplingError.biasOutside(token: 5, vocabularySize: 5)) { try biased.draw(logits, after: []) }
      let all = self.sampler { ($0.temperature, $0.logitBias) = (temperature, [0: -.infinity, 1: -.infinity]) }
      #expect(throws: SamplingError.nothingToDraw) { try all.draw([1, 2], after: []) }
      let overflow = self.sampler { ($0.temperature, $0.repetitionPenalty) = (temperature, 0.1) }
      #expect(throws: SamplingError.notANumber(token: 0, value: .infinity)) { try overflow.draw([2e38, 2], after: [0]) }
    }
    #expect("\(SamplingError.notANumber(token: 3, value: .nan))".hasPrefix("the logit of token 3 is nan, so no token can be drawn"))
  }

  @Test("what −∞ forbids is never drawn, though everything else is far away")
  func forbidden() throws {
    let sampler = sampler { $0.temperature = 5 }
    for stream in 0..<200 as Range<UInt32> {
      #expect(try sampler.draw([-.infinity, 0, -.infinity, -3000], after: [], stream: stream) == 1)
    }
  }

  @Test("a logarithm's inverse: weights are within two units in the last place of the system's")
  func exponentials() {
    for index in 0..<20_000 {
      let x = -Double(index) * 0.035, weight = Exponentials.weight(x), expected = exp(x)
      #expect(abs(weight - expected) <= 2 * expected.ulp, "\(x): \(weight), \(expected)")
    }
    #expect(Exponentials.weight(0) == 1 && Exponentials.weight(-.infinity) == 0 && Exponentials.weight(-701) == 0)
    #expect(abs(Exponentials.sum([0, 0, 0, -.infinity, 0, 0, 0, 0, 0, 0], below: 0) - 9) < 1e-12)
  }

  // MARK: Setting by setting

  @Test("each position and each stream has a random number of its own, whatever was drawn before")
  func positions() throws {
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
        #expect(try sampler.draw(logits, after: text, stream: stream) == Int32(wanted ?? 2), "\(position), \(stream)")
      }
    }
  }

  @Test("top-k leaves the k likeliest", arguments: [(1, [3]), (2, [1, 3]), (3, [1, 3, 4]), (9, [0, 1, 2, 3, 4])])
  func topK(k: Int, kept: [Int]) throws {
    let sampler = sampler { $0.topK = k }, drawn = try counted(sampler, logits)
    #expect(drawn.indices.filter { drawn[$0] > 0 } == kept)
    expectSame(drawn, reference(sampler, logits))
  }

  @Test(
    "top-p leaves the likeliest that together reach it, and no more",
    arguments: [(0.1, [3]), (0.39, [3]), (0.41, [1, 3]), (0.69, [1, 3]), (0.71, [1, 3, 4]), (0.96, [0, 1, 2, 3, 4])])
  func topP(p: Double, kept: [Int]) throws {
    let sampler = sampler { $0.topP = p }, drawn = try counted(sampler, logits)
    #expect(drawn.indices.filter { drawn[$0] > 0 } == kept)
    expectSame(drawn, reference(sampler, logits))
  }

  @Test(
    "min-p leaves what is at least that share as likely as the likeliest",
    arguments: [(1.0, [3]), (0.76, [3]), (0.74, [1, 3]), (0.37, [1, 3, 4]), (0.2, [0, 1, 3, 4]), (0.1, [0, 1, 2, 3, 4])])
  func minP(p: Double, kept: [Int]) throws {
    let sampler = sampler { $0.minP = p }, drawn = try counted(sampler, logits)
    #expect(drawn.indices.filter { drawn[$0] > 0 } == kept)
    expectSame(drawn, reference(sampler, logits))
  }

  @Test("temperature sharpens below 1 and flattens above; at 0 the likeliest, of equals the first", arguments: [0.25, 0.5, 2, 10])
  func temperature(t: Double) throws {
    let sampler = sampler { $0.temperature = t }, drawn = try counted(sampler, logits)
    expectSame(drawn, reference(sampler, logits))
    #expect(t < 1 ? drawn[3] > 0.45 : drawn[3] < 0.35)
    let greedy = self.sampler { $0.temperature = 0 }
    for stream in 0..<20 as Range<UInt32> {
      #expect(try greedy.draw(logits, after: [], stream: stream) == 3)
      #expect(try greedy.draw([1, 2, 2, 0], after: [], stream: stream) == 1)
    }
  }

  @Test("limits count before temperature: it changes how often, not which")
  func order() throws {
    for t in [0.3, 3] {
      let sampler = sampler { ($0.topP, $0.minP, $0.temperature) = (0.8, 0.3, t) }, drawn = try counted(sampler, logits)
      #expect(drawn.indices.filter { drawn[$0] > 0 } == [1, 3, 4])
      expectSame(drawn, reference(sampler, logits))
    }
  }

  @Test("a repetition penalty makes recent tokens less likely, whatever their sign", arguments: [1.3, 2])
  func penalty(penalty: Double) throws {
    let sampler = sampler { $0.repetitionPenalty = penalty }
    let positive = logits, negative = logits.map { $0 - 5 }
    for logits in [positive, negative] {
      let text: [Int32] = [3, 3, 4], drawn = try counted(sampler, logits, text), plain = try counted(self.sampler(), logits, text)
      expectSame(drawn, reference(sampler, logits, text))
      #expect(drawn[3] < plain[3] - 0.02 && drawn[1] > plain[1] + 0.02)
      // Twice in the text is not twice the penalty.
      #expect(reference(sampler, logits, text) == reference(sampler, logits, [3, 4]))
    }
  }

  @Test("only the last tokens are penalised, and a penalty below 1 makes them likelier")
  func window() throws {
    var sampler = sampler { ($0.repetitionPenalty, $0.penaltyWindow) = (2, 2) }
    expectSame(try counted(sampler, logits, [3, 0, 1]), reference(self.sampler { $0.repetitionPenalty = 2 }, logits, [0, 1]))
    sampler.penaltyWindow = 0
    expectSame(try counted(sampler, logits, [3, 3, 3]), Self.probabilities)
    let inviting = self.sampler { $0.repetitionPenalty = 0.5 }
    #expect(try counted(inviting, logits, [1])[1] > 0.4)
  }

  @Test("the same seed, text and stream give the same token; another of each gives others")
  func seeds() throws {
    func draws(seed: UInt64, stream: UInt32) throws -> [Int32] {
      try (0..<60).map { count in
        try sampler { $0.seed = seed }.draw(logits, after: [Int32](repeating: 0, count: count), stream: stream)
      }
    }
    #expect(try draws(seed: 1, stream: 0) == draws(seed: 1, stream: 0))
    #expect(try draws(seed: 1, stream: 0) != draws(seed: 2, stream: 0))
    #expect(try draws(seed: 1, stream: 0) != draws(seed: 1, stream: 1))
    #expect(try Set(draws(seed: 1, stream: 0)).count > 2)
  }
}
