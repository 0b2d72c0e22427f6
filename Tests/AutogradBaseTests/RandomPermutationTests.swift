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

  @Test("every order of a few things is equally likely", arguments: [2, 3, 4, 5, 6])
  func uniform(count: Int) {
    let orders = (1...count).reduce(1, *), draws = 200 * orders
    var seen: [[Int]: Int] = [:]
    for draw in 0..<draws {
      var random = RandomStream(seed: UInt64(draw) &* 0x9E37_79B9_7F4A_7C15, purpose: .dataOrder, step: 3)
      let permutation = RandomPermutation(count: count, &random)
      seen[(0..<count).map { permutation[$0] }, default: 0] += 1
    }
    let missing = Double(orders - seen.count) * 200
    let chiSquared = seen.values.reduce(missing) { $0 + Double(($1 - 200) * ($1 - 200)) / 200 }
    // Mean orders − 1, deviation √(2(orders − 1)): six of them above.
    let freedom = Double(orders - 1)
    #expect(chiSquared < freedom + 6 * (2 * freedom).squareRoot(), "\(count) things: χ² \(chiSquared)")
  }

  @Test("of up to 16 things each stands at each place equally often", arguments: [7, 12, 15, 16])
  func places(count: Int) {
    var seen = [Int](repeating: 0, count: count * count)
    for draw in 0..<400 * count {
      for (place, thing) in order(count, seed: UInt64(draw)).enumerated() { seen[place * count + thing] += 1 }
    }
    let chiSquared = seen.reduce(0.0) { $0 + Double(($1 - 400) * ($1 - 400)) / 400 }
    let freedom = Double((count - 1) * (count - 1))
    #expect(chiSquared < freedom + 6 * (2 * freedom).squareRoot(), "\(count) things: χ² \(chiSquared)")
  }

  @Test("the order of more than 16 things is that of earlier releases")
  func larger() {
    #expect(order(17, seed: 1) == [15, 3, 4, 16, 6, 13, 5, 2, 14, 12, 1, 11, 10, 9, 0, 7, 8])
    #expect(
      order(40, seed: 2) == [
        31, 7, 23, 13, 38, 28, 39, 26, 5, 0, 24, 12, 1, 18, 2, 37, 20, 11, 15, 32, 16, 19, 3, 21, 25, 30, 9, 27, 35, 4,
        33, 22, 6, 8, 14, 36, 10, 29, 34, 17,
      ])
  }
}
