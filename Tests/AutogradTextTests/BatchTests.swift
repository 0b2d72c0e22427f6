import AutogradBase
import AutogradText
import Testing

@Suite("Documents in batches") struct DocumentBatchTests {
  /// Documents of 1, 2, 3, … tokens 7, each after a 0.
  private let tokens: [Int32] = (1...40).flatMap { [0] + [Int32](repeating: 7, count: $0) }

  @Test("positions count from a document's beginning, or from its window's, and change no window")
  func positions() throws {
    func sampler(_ boundary: Int32?) -> WindowSampler {
      WindowSampler(
        tokens: tokens, blockSize: 9, batchSize: 6, seed: 4, purpose: .dataOrder, boundary: boundary)
    }
    for number in 0..<20 as Range<UInt64> {
      let apart = try sampler(0).batch(number), joined = try sampler(nil).batch(number)
      #expect(apart.inputs == joined.inputs && apart.targets == joined.targets && joined.positions.isEmpty)
      for row in 0..<6 {
        for place in 0..<9 {
          let found = Int(apart.positions[row * 9 + place])
          let window = apart.inputs[row * 9...row * 9 + place]
          let expected = (window.lastIndex(of: 0) ?? row * 9).distance(to: row * 9 + place)
          #expect(found == expected, "batch \(number), row \(row), place \(place)")
        }
      }
    }
  }

  @Test("the same batch can be filled again and again")
  func again() throws {
    let sampler = WindowSampler(
      tokens: tokens, blockSize: 9, batchSize: 6, seed: 4, purpose: .dataOrder, boundary: 0)
    var batch = sampler.makeBatch()
    for number in [3, 1, 3] as [UInt64] {
      try sampler.fill(&batch, number: number)
      let fresh = try sampler.batch(number)
      #expect(batch.inputs == fresh.inputs && batch.targets == fresh.targets && batch.positions == fresh.positions)
    }
    #expect(batch.byteCount == 3 * 4 * 54)
  }

  @Test("room for another sampler's batch stops with a sentence")
  func foreignRoom() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let sampler = WindowSampler(
        tokens: [1, 2, 3, 4], blockSize: 2, batchSize: 1, seed: 1, purpose: .dataOrder, boundary: 1)
      var batch = TokenBatch(rowCount: 1, blockSize: 2)
      try sampler.fill(&batch, number: 0)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("does not fit room for 2 inputs, 2 targets, 0 positions"))
  }
}

@Suite("MixtureSampler") struct MixtureSamplerTests {
  /// A sampler of windows that are all `token`s.
  private func part(_ token: Int32, count: Int, batchSize: Int, purpose: RandomPurpose = .dataOrder) -> WindowSampler {
    WindowSampler(
      tokens: [Int32](repeating: token, count: count), blockSize: 2, batchSize: batchSize, seed: 5, purpose: purpose)
  }

  private func counts(_ mixture: MixtureSampler, _ numbers: Range<UInt64>) throws -> [Int] {
    var counts = [Int](repeating: 0, count: mixture.parts.count)
    for number in numbers {
      let batch = try mixture.batch(number)
      for row in 0..<mixture.batchSize { counts[Int(batch.inputs[row * 2])] += 1 }
    }
    return counts
  }

  @Test("after any number of rounds each source has had its share, and within a round the order is random")
  func shares() throws {
    let weights = [3.0, 1, 0.5], B = 64
    let mixture = MixtureSampler(
      weights.indices.map { part(Int32($0), count: 500, batchSize: B) }, weights: weights, seed: 9, purpose: .dataOrder)
    for rounds in [1, 2, 3, 7, 40] as [UInt64] {
      let found = try counts(mixture, 0..<rounds * 4), total = Double(rounds * 256)
      for (count, weight) in zip(found, weights) { #expect(abs(Double(count) - total * weight / 4.5) <= 2) }
    }
    // A quarter of a round is a draw without replacement: chi-square over the shares has the mean 2 · 3/4, so 160 of
    // them come to 240; too even or too uneven an order is many deviations away from that.
    var sum = 0.0
    for number in 0..<160 as Range<UInt64> {
      let some = try counts(mixture, number..<number + 1)
      sum += zip(some, weights).reduce(0.0) { sum, pair in
        let expected = Double(B) * pair.1 / 4.5
        return sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
      }
    }
    #expect((170...310).contains(sum), "\(sum)")
  }

  @Test("the windows of a source come in its own order: each of them once per epoch", arguments: [1, 3, 50])
  func order(batchSize: Int) throws {
    let sources = [Array(0..<101 as Range<Int32>), Array(1000..<1401 as Range<Int32>)]
    let parts = sources.map {
      WindowSampler(tokens: $0, blockSize: 4, batchSize: batchSize, seed: 3, purpose: .dataOrder)
    }
    func starts(_ mixture: any BatchSampler) throws -> [Int32] {
      try (0..<UInt64(600 / batchSize)).flatMap { number in
        let batch = try mixture.batch(number)
        return (0..<batchSize).map { batch.inputs[$0 * 4] }
      }
    }
    let mixture = MixtureSampler(parts, weights: [1, 3], seed: 3, purpose: .dataOrder)
    let mixed = try starts(mixture)
    for (part, own) in [mixed.filter { $0 < 1000 }, mixed.filter { $0 >= 1000 }].enumerated() {
      #expect(own == Array(try starts(parts[part]).prefix(own.count)) && own.count > 100)
    }
    #expect(try starts(MixtureSampler(parts, weights: [1, 3], seed: 4, purpose: .dataOrder)) != mixed)
  }

  @Test("thirty-two sources, one of them tiny, keep their shares")
  func many() throws {
    let weights = [0.001] + [Double](repeating: 1, count: 31)
    let mixture = MixtureSampler(
      weights.indices.map { part(Int32($0), count: 50, batchSize: 1024) }, weights: weights, seed: 9,
      purpose: .evaluation)
    let found = try counts(mixture, 0..<100)
    #expect(found[0] == 3 && found.reduce(0, +) == 102_400)
    for count in found.dropFirst() { #expect(abs(count - 3303) <= 32) }
  }

  @Test("weights that are no positive numbers stop with a sentence")
  func badWeights() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let part = WindowSampler(tokens: [1, 2, 3], blockSize: 2, batchSize: 1, seed: 1, purpose: .dataOrder)
      _ = MixtureSampler([part, part], weights: [1, 0], seed: 1, purpose: .dataOrder)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("2 parts with the weights [1.0, 0.0] cannot be mixed"))
  }
}
