import AutogradBase
import Testing

@testable import AutogradText

@Suite("PairSampler") struct PairSamplerTests {
  /// Pairs of documents whose tokens say where they stand, 100 · document + place, and whose last `answers` are an answer.
  private func documents(_ counts: [Int], answers: Int) -> (tokens: [Int32], table: DocumentTable) {
    var tokens: [Int32] = [], table = DocumentTable()
    for (document, count) in counts.enumerated() {
      table.append([UInt32(count - answers), UInt32(answers)])
      tokens += (0..<count).map { Int32(100 * document + $0) }
    }
    return (tokens, table)
  }

  @Test("an epoch shows every pair once, one below the other, with its answers alone counting; what is left is filled up")
  func epoch() throws {
    let counts = [5, 7, 4, 4, 9, 3, 6, 9]
    let (tokens, table) = documents(counts, answers: 2)
    let sampler = PairSampler(
      tokens: tokens, table, documents: 0..<8, blockSize: 8, batchSize: 2, seed: 3, purpose: .dataOrder)
    #expect(sampler.windowsPerEpoch == 4 && sampler.cutCount == 0 && sampler.leftOutCount == 0)
    #expect(sampler.rowCount == 4 && sampler.weight(ofBatch: 0) == 2)
    for epoch in 0..<3 as Range<UInt64> {
      var seen: Set<Int> = []
      for number in epoch * 2..<epoch * 2 + 2 {
        let batch = try sampler.batch(number)
        #expect(batch.rowCount == 4 && batch.positions.isEmpty)
        for row in 0..<4 {
          let own = row * 8..<row * 8 + 8, document = Int(batch.inputs[row * 8]) / 100, count = counts[document]
          #expect(document % 2 == row % 2 && (row % 2 == 0 || seen.contains(document - 1)))
          seen.insert(document)
          let targets = (1..<count).map { Int32(100 * document + $0) }, rest = [Int32](repeating: 0, count: 9 - count)
          #expect(Array(batch.targets[own]) == targets + rest)
          #expect(Array(batch.inputs[own]) == targets.map { $0 - 1 } + rest)
          #expect(Array(batch.weights[own]) == (0..<8).map { (count - 3..<count - 1).contains($0) ? 1 : 0 })
        }
      }
      #expect(seen == Set(0..<8))
    }
  }

  @Test("a pair with a long document is cut, and left out where one has no answer any more")
  func cut() throws {
    let (tokens, table) = documents([10, 4, 14, 4, 4, 12], answers: 3)
    let sampler = PairSampler(
      tokens: tokens, table, documents: 0..<6, blockSize: 8, batchSize: 1, seed: 1, purpose: .dataOrder)
    #expect(sampler.cutCount == 1 && sampler.leftOutCount == 2 && sampler.windowsPerEpoch == 1)
    let batch = try sampler.batch(0)
    #expect(Array(batch.weights[0..<8]) == [0, 0, 0, 0, 0, 0, 1, 1])
  }
}
