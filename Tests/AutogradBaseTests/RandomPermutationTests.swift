import AutogradBase
import Testing

@Suite("RandomPermutation")
struct RandomPermutationTests {
  private func order(_ count: Int, seed: UInt64) -> [Int] {
    var random = RandomStream(seed: seed, purpose: .dataOrder)
    let permutation = RandomPermutation(count: count, &random)
    return (0..<count).map { permutation[$0] }
  }

  @Test("every thing stands somewhere, once", arguments: [1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 257, 5000])
  func complete(count: Int) {
    for seed in 0..<5 { #expect(order(count, seed: UInt64(seed)).sorted() == Array(0..<count)) }
  }

  @Test("another seed, another order; the same seed, the same")
  func seeds() {
    #expect(order(1000, seed: 1) == order(1000, seed: 1))
    #expect(order(1000, seed: 1) != order(1000, seed: 2))
  }

  @Test("each thing stands at each place equally often, and neighbours do not stay neighbours")
  func spread() {
    var first = [Int](repeating: 0, count: 10), neighbours = 0
    for seed in 0..<5000 {
      let places = order(10, seed: UInt64(seed))
      first[places[0]] += 1
      if places[1] == places[0] + 1 { neighbours += 1 }
    }
    #expect(first.allSatisfy { abs($0 - 500) < 110 })  // 5 standard deviations
    #expect(abs(neighbours - 500) < 150)
  }
}
