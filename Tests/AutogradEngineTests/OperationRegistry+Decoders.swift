import AutogradTestSupport

@testable import AutogradEngine

// Records of what today's decoders are made of.
extension OperationRecord {
  static var rmsNorm: OperationRecord {
    let shapes: [[Int]] = [[4, 13], [2, 3, 17], [5], [1, 2], [0, 4], [70, 3]]
    return OperationRecord(
      cases: shapes.flatMap { x in
        [
          OperationCase(.rmsNorm, .rmsNorm(scale: false), x),
          OperationCase(.rmsNorm, .rmsNorm(scale: true), x, [x[x.count - 1]]),
        ]
      },
      largeCases: [OperationCase(.rmsNorm, .rmsNorm(scale: true), [211, 187], [187])],
      roundings: 128,
      misuses: [[4], [1, 13], []].map { scale in
        MisuseCase([4, 13], scale, says: "rmsNorm: x has shape [4, 13], so scale must be [13]; got \(Shape(scale))") {
          c, x throws(Misuse) in try c.rmsNorm(x[0], scale: x[1], epsilon: 1e-6)
        }
      })
  }

  static var gatedLinear: OperationRecord {
    var cases: [OperationCase] = [], large: [OperationCase] = []
    for gate in Activation.allCases {
      for bias in [false, true] {
        func add(_ x: [Int], _ width: Int, to cases: inout [OperationCase]) {
          cases.append(
            OperationCase(
              .gatedLinear, .gatedLinear(bias: bias, gate: gate),
              shapes: [x, [2 * width, x[x.count - 1]]] + (bias ? [[2 * width]] : [])))
        }
        add([5, 7], 3, to: &cases)
        if gate == .silu {
          add([2, 3, 4], 5, to: &cases)
          add([4], 3, to: &cases)
          add([1, 1], 1, to: &cases)
          add([0, 4], 3, to: &cases)
          add([3, 0], 2, to: &cases)
          add([3, 4], 0, to: &cases)
          add([20, 18], 35, to: &cases)
        }
        add([70, 65], 90, to: &large)
      }
    }
    func refuses(_ shapes: [Int]..., says sentence: String) -> MisuseCase {
      MisuseCase(shapes: shapes, says: sentence) { c, x throws(Misuse) in
        try c.gatedLinear(x[0], weight: x[1], bias: x.count > 2 ? x[2] : -1, gate: .silu)
      }
    }
    return OperationRecord(
      cases: cases, largeCases: large, roundings: 64,
      misuses: [
        refuses([5, 7], [7, 4], says: "gatedLinear: x has shape [5, 7], so weight must be [outputs, 7]; got [7, 4]"),
        refuses([5, 7], [3, 7], says: "gatedLinear: weight is [3, 7]: 3 outputs do not make pairs"),
        refuses([5, 7], [4, 7], [2], says: "gatedLinear: weight is [4, 7], so bias must be [4]; got [2]"),
        refuses([], [2, 1], says: "gatedLinear: x has shape []"),
      ])
  }
}
