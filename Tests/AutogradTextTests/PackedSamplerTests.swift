import AutogradBase
import Testing

@testable import AutogradText

@Suite("PackedSampler") struct PackedSamplerTests {
  /// Documents whose tokens say where they stand: 100 · document + place; of each, what `answers` names.
  private func documents(_ counts: [Int], answers: (Int) -> Range<Int>) -> (tokens: [Int32], table: DocumentTable) {
    var tokens: [Int32] = [], table = DocumentTable()
    for (document, count) in counts.enumerated() {
      let own = answers(document)
      table.append([UInt32(own.lowerBound), UInt32(own.count), UInt32(count - own.upperBound)])
      tokens += (0..<count).map { Int32(100 * document + $0) }
    }
    return (tokens, table)
  }

  @Test("an epoch shows every document once and whole, apart from others, with its answers alone counting")
  func epoch() throws {
    let counts = [5, 9, 3, 2, 8, 8, 4, 6, 7, 2, 9, 3]
    let (tokens, table) = documents(counts) { document in counts[document] / 2..<counts[document] }
    let sampler = PackedSampler(
      tokens: tokens, table, documents: 0..<counts.count, blockSize: 8, batchSize: 2, seed: 3, purpose: .dataOrder)
    #expect(sampler.cutCount == 0 && sampler.leftOutCount == 0)
    // 54 targets do not fit into less than 7 windows of 8.
    #expect(sampler.windowsPerEpoch == 7 && sampler.filledShare == 54.0 / 56)
    for epoch in 0..<3 as Range<UInt64> {
      var seen: [Int: Int] = [:], counted: [Int: [Int]] = [:]
      var batch = sampler.makeBatch(), total = 0.0
      for window in 0..<7 as Range<UInt64> {
        try sampler.fill(row: 1, of: &batch, window: epoch * 7 + window)
        total += sampler.weight(ofWindow: epoch * 7 + window)
        var own = 0.0
        for place in 8..<16 {
          let input = Int(batch.inputs[place]), target = Int(batch.targets[place]), position = Int(batch.positions[place])
          own += Double(batch.weights[place])
          if input == 0, target == 0 {
            #expect(batch.weights[place] == 0 && position == 0)
            continue
          }
          #expect(target == input + 1 && position == input % 100)
          seen[input / 100, default: 0] += 1
          if batch.weights[place] == 1 { counted[input / 100, default: []].append(target % 100) }
        }
        #expect(own == sampler.weight(ofWindow: epoch * 7 + window))
      }
      for (document, count) in counts.enumerated() {
        #expect(seen[document] == count - 1)
        #expect(counted[document] == Array(max(1, count / 2)..<count), "document \(document)")
      }
      #expect(total == Double(counts.reduce(0) { $0 + $1 - max(1, $1 / 2) }))
    }
  }

  @Test("a document longer than a window is cut, and left out where no answer is left; everything may count")
  func cut() throws {
    let counts = [20, 12, 4]
    let (tokens, table) = documents(counts) { [15..<20, 3..<12, 1..<1][$0] }
    func sampler(_ countsAll: Bool) -> PackedSampler {
      PackedSampler(
        tokens: tokens, table, documents: 0..<3, blockSize: 6, batchSize: 1, countsAll: countsAll, seed: 3,
        purpose: .evaluation)
    }
    let answers = sampler(false), all = sampler(true)
    #expect(answers.cutCount == 2 && answers.leftOutCount == 2 && answers.windowsPerEpoch == 1)
    let batch = try answers.batch(5)
    #expect(batch.targets == [101, 102, 103, 104, 105, 106] && batch.weights == [0, 0, 1, 1, 1, 1])
    #expect(all.cutCount == 2 && all.leftOutCount == 0 && all.windowsPerEpoch == 3)
    #expect((0..<3 as Range<UInt64>).reduce(0) { $0 + all.weight(ofBatch: $1) } == 6 + 6 + 3)
  }

  @Test("an answer behind the cut, or one that it cuts, counts as far as the window goes")
  func answersBehindTheCut() throws {
    var table = DocumentTable()
    table.append([2, 2, 3, 4, 5, 4])
    let sampler = PackedSampler(
      tokens: (0..<20).map { Int32($0) }, table, documents: 0..<1, blockSize: 8, batchSize: 1, seed: 3,
      purpose: .dataOrder)
    let batch = try sampler.batch(0)
    #expect(batch.targets == [1, 2, 3, 4, 5, 6, 7, 8] && batch.weights == [0, 1, 1, 0, 0, 0, 1, 1])
    #expect(sampler.weight(ofBatch: 0) == 4)
  }

  @Test("only the documents of the part are drawn")
  func part() throws {
    let (tokens, table) = documents([3, 3, 3, 3]) { _ in 1..<3 }
    let sampler = PackedSampler(
      tokens: tokens, table, documents: 2..<4, blockSize: 4, batchSize: 1, seed: 3, purpose: .dataOrder)
    #expect(sampler.windowsPerEpoch == 1)
    #expect(Set(try sampler.batch(9).inputs) == [200, 201, 300, 301])
  }

  @Test("packing: every thing once, no bin too full, and about as few bins as can be", arguments: 0..<20 as Range<UInt64>)
  func packing(seed: UInt64) {
    var random = RandomStream(seed: seed, purpose: .dataOrder, step: 0)
    let capacity = 1 + random.integer(below: 200)
    let lengths = (0..<random.integer(below: 400)).map { _ in random.integer(below: capacity + 1) }
    let packing = Packing(lengths, capacity: capacity)
    var found: [Int32] = []
    for bin in 0..<packing.binCount {
      let things = packing.things(in: bin)
      #expect(!things.isEmpty && things.reduce(0) { $0 + lengths[Int($1)] } <= capacity)
      found += things
    }
    let present = lengths.indices.filter { lengths[$0] > 0 }
    #expect(found.sorted() == present.map { Int32($0) })
    // Best-fit decreasing takes at most 11/9 of the best and one more; the best is at least the sum.
    let least = (lengths.reduce(0, +) + capacity - 1) / capacity, big = lengths.count { 2 * $0 > capacity }
    #expect(packing.binCount <= max(least, big) * 11 / 9 + max(2, big / 2))
  }

  @Test("a table of documents says where they lie, put together from parts too")
  func table() {
    let (_, whole) = documents([3, 5, 2]) { [1..<3, 0..<5, 2..<2][$0] }
    var joined = documents([3]) { _ in 1..<3 }.table
    joined.append(documents([5, 2]) { [0..<5, 2..<2][$0] }.table)
    #expect(joined == whole && joined.sha256 == whole.sha256)
    #expect((0..<3).map { whole.tokens(of: $0) } == [0..<3, 3..<8, 8..<10])
    #expect((0..<3).map { whole.answerCount(in: $0) } == [2, 4, 0] && whole.answerCount(in: 1, limit: 3) == 2)
  }

  @Test("texts are mixed with answers: their windows say that everything counts")
  func mixed() throws {
    let (tokens, table) = documents([3, 5]) { _ in 1..<3 }
    let packed = PackedSampler(
      tokens: tokens, table, documents: 0..<2, blockSize: 6, batchSize: 4, seed: 3, purpose: .dataOrder)
    let text = WindowSampler(
      tokens: [Int32](repeating: 7, count: 100), blockSize: 6, batchSize: 4, seed: 3, purpose: .dataOrder, saysAll: true)
    let mixture = MixtureSampler([packed, text], weights: [1, 1], seed: 3, purpose: .dataOrder)
    #expect(mixture.hasWeights && mixture.hasPositions)
    var texts = 0
    for number in 0..<64 as Range<UInt64> {
      let batch = try mixture.batch(number)
      #expect(Double(batch.weights.reduce(0, +)) == mixture.weight(ofBatch: number))
      for row in 0..<4 where batch.inputs[row * 6] == 7 {
        texts += 1
        #expect(batch.weights[row * 6..<row * 6 + 6].allSatisfy { $0 == 1 })
        #expect(Array(batch.positions[row * 6..<row * 6 + 6]) == [0, 1, 2, 3, 4, 5])
      }
    }
    #expect(texts == 128)
  }
}
