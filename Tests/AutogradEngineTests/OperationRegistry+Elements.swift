import AutogradTestSupport

@testable import AutogradEngine

// Records of powers, bounds and choices, of logarithms of sums, and of losses of pairs.
extension OperationRecord {
  static var power: OperationRecord {
    func power(_ base: [Int], _ exponent: [Int]) -> OperationCase {
      OperationCase(.power, .power, base, exponent, distribution: .uniform(0.3, 3))
    }
    func powerOf(_ exponent: Double, _ shape: [Int], _ distribution: Distribution = .normal) -> OperationCase
    {
      OperationCase(.power, .powerOf(exponent), shape, distribution: distribution)
    }
    return OperationRecord(
      cases: [
        power([], []), power([3, 5], [3, 5]), power([2, 3], [3]), power([3], [2, 3]), power([2, 1], [1, 3]),
        power([0], [0]), power([3, 0], [3, 1]), power([67], [67]), powerOf(2, [67]), powerOf(3, [3, 5]),
        powerOf(1, [5]),
        powerOf(0, [5]), powerOf(-1, [5], .awayFromZero), powerOf(0.5, [5], .uniform(0.3, 3)),
        powerOf(-1.5, [2, 3], .uniform(0.3, 3)), powerOf(2, []), powerOf(2, [0]),
      ],
      largeCases: [
        power([300, 201], [300, 1]), powerOf(2, [60_001]), powerOf(1.5, [20_001], .uniform(0.3, 3)),
      ],
      roundings: 64,
      misuses: [
        MisuseCase([2, 3], [3, 2], says: "power: shapes [2, 3] and [3, 2] do not fit") {
          c, x throws(Misuse) in
          try c.power(x[0], x[1])
        }
      ])
  }

  static var clip: OperationRecord {
    func refuses(_ low: Double, _ high: Double) -> MisuseCase {
      MisuseCase([3], says: "clip: the bounds \(low) and \(high) leave no numbers between them") {
        c, x throws(Misuse) in
        try c.clip(x[0], low: low, high: high)
      }
    }
    // Distinct numbers lie at tenths: these bounds keep away from them.
    let bounds: [(Double, Double)] = [(-0.45, 0.65), (-.infinity, 0.25), (-0.15, .infinity)]
    let shapes: [[Int]] = [[], [7], [3, 5], [0], [67]]
    return OperationRecord(
      cases: shapes.flatMap { shape in
        bounds.map { OperationCase(.clip, .clip($0.0, $0.1), shape, distribution: .distinct) }
      },
      largeCases: [OperationCase(.clip, .clip(-100.05, 99.95), [20_001], distribution: .distinct)],
      misuses: [refuses(1, 0), refuses(.nan, 1), refuses(0, .nan)])
  }

  static var select: OperationRecord {
    func select(_ mask: [Int], _ a: [Int], _ b: [Int]) -> OperationCase {
      OperationCase(.select, .replacing, mask, a, b, distribution: .awayFromZero)
    }
    func number(_ mask: [Int], _ a: [Int]) -> OperationCase {
      OperationCase(.select, .replacingByNumber(-2.5), mask, a, distribution: .awayFromZero)
    }
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.select(x[0], x[1], x[2])
    }
    return OperationRecord(
      cases: [
        select([], [], []), select([3, 5], [3, 5], [3, 5]), select([5], [3, 5], [3, 5]),
        select([3, 5], [5], []),
        select([3, 1], [1, 5], [3, 5]), select([2, 3, 1], [3, 4], [1, 4]), select([0], [0], [1]),
        select([67], [67], [67]),
        number([3, 5], [3, 5]), number([2, 1, 1, 4], [2, 3, 4, 4]), number([1], [4]), number([4], [1]),
        number([0], [0]),
      ],
      largeCases: [select([300, 201], [300, 201], [201]), number([20_001], [20_001])],
      misuses: [
        MisuseCase([2], [3], [3], says: "replacing: shapes [3] and [2] do not fit", call),
        MisuseCase([3], [3], [2], says: "replacing: shapes [3] and [2] do not fit", call),
      ])
  }

  static var logSoftmax: OperationRecord {
    let shapes: [[Int]] = [[], [1], [3, 5], [2, 3, 17], [4, 1], [0, 3], [3, 0], [2, 33]]
    return OperationRecord(
      cases: shapes.map { OperationCase(.logSoftmax, .logSoftmax, $0) },
      largeCases: [OperationCase(.logSoftmax, .logSoftmax, [211, 87])], roundings: 32, misuses: [])
  }

  static var logSumExp: OperationRecord {
    let shapes: [[Int]] = [[], [1], [3, 5], [2, 3, 17], [4, 1], [0, 3], [3, 0], [2, 33]]
    return OperationRecord(
      cases: shapes.flatMap { shape in
        [false, true].map { OperationCase(.logSumExp, .logSumExp(keeping: $0), shape) }
      },
      largeCases: [OperationCase(.logSumExp, .logSumExp(), [211, 87])], roundings: 32, misuses: [])
  }

  static func pairLoss(_ kind: OperationKind, _ call: OperationCall) -> OperationRecord {
    let shapes: [[Int]] = [[], [1], [7], [3, 5], [0], [67], [3, 400], [1025]]
    func refuses(_ x: [Int], _ t: [Int]) -> MisuseCase {
      MisuseCase(
        x, t,
        says: "\(kind): predictions \(Shape(x)) want targets of the same shape; got \(Shape(t)); reshape"
      ) { c, x throws(Misuse) in try c.pairLoss(kind, x[0], x[1]) }
    }
    return OperationRecord(
      cases: shapes.map { OperationCase(kind, call, $0, $0) },
      largeCases: [OperationCase(kind, call, [200, 301], [200, 301])], roundings: 32,
      misuses: [refuses([3], [3, 1]), refuses([2, 3], [3]), refuses([0], [1])])
  }
}
