import AutogradTestSupport

@testable import AutogradEngine

/// What the generic tests know of an operation: one record each, and the compiler asks for it.
struct OperationRecord: Sendable {
  /// Small shapes, odd, empty and of size 1 among them.
  let cases: [OperationCase]
  /// Shapes large enough to be cut into tiles.
  let largeCases: [OperationCase]
  /// How far a result may lie from the reference, in units of the element type's rounding error, relative to
  /// the largest element.
  var roundings: Double = 16
  /// Calls that must be refused, and what the sentence says.
  let misuses: [MisuseCase]
}

/// A call of an engine's throwing core that must be refused.
struct MisuseCase: Sendable {
  let shapes: [[Int]]
  var tokens: [Int32]?
  var tokenShape: [Int]?
  let sentence: String
  let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot

  /// `call` gets the slots of operands of `shapes`, then that of the tokens.
  init(
    _ shapes: [Int]..., tokens: [Int32]? = nil, tokenShape: [Int]? = nil, says sentence: String,
    _ call: @escaping @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot
  ) {
    self.init(shapes: shapes, tokens: tokens, tokenShape: tokenShape, says: sentence, call)
  }

  init(
    shapes: [[Int]], tokens: [Int32]? = nil, tokenShape: [Int]? = nil, says sentence: String,
    _ call: @escaping @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot
  ) {
    self.shapes = shapes
    self.tokens = tokens
    self.tokenShape = tokenShape
    self.sentence = sentence
    self.call = call
  }
}

extension OperationRecord {
  /// An operation without a record does not compile.
  static func record(of kind: OperationKind) -> OperationRecord {
    switch kind {
    case .add: broadcasting(.add, .add) { c, x throws(Misuse) in try c.add(x[0], x[1]) }
    case .subtract: broadcasting(.subtract, .subtract) { c, x throws(Misuse) in try c.subtract(x[0], x[1]) }
    case .multiply: broadcasting(.multiply, .multiply) { c, x throws(Misuse) in try c.multiply(x[0], x[1]) }
    case .divide: broadcasting(.divide, .divide) { c, x throws(Misuse) in try c.divide(x[0], x[1]) }
    case .affine: affine
    case .matmul: matmul
    case .linear: linear
    case .gatedLinear: gatedLinear
    case .reshape: reshape
    case .permute: permute
    case .slice: slice
    case .concatenate: concatenate
    case .gather: gather
    case .sigmoid: unary(.sigmoid, .sigmoid)
    case .silu: unary(.silu, .silu)
    case .squareRoot: unary(.squareRoot, .sqrt, .uniform(0.3, 3))
    case .absolute: unary(.absolute, .abs, .awayFromZero)
    case .reluSquared: unary(.reluSquared, .reluSquared, .awayFromZero)
    case .power: power
    case .clip: clip
    case .select: select
    case .extremum: extremum
    case .variance: variance
    case .logSoftmax: logSoftmax
    case .logSumExp: logSumExp
    case .linearCrossEntropyLosses: linearCrossEntropyLosses
    case .squaredError: pairLoss(.squaredError, .squaredError)
    case .binaryCrossEntropy: pairLoss(.binaryCrossEntropy, .binaryCrossEntropy)
    case .userDefined: userDefined
    case .recompute: recompute
    // C's own: Tests/AutogradV2Tests runs one against differences.
    case .custom: OperationRecord(cases: [], largeCases: [], misuses: [])
    case .relu: unary(.relu, .relu, .awayFromZero)
    case .geluTanh: unary(.geluTanh, .gelu(exact: false))
    case .geluErf: unary(.geluErf, .gelu(exact: true))
    case .exp: unary(.exp, .exp)
    case .log: unary(.log, .log, .uniform(0.3, 3))
    case .tanh: unary(.tanh, .tanh)
    case .sum: sum
    case .softmax: softmax
    case .layerNorm: layerNorm
    case .rmsNorm: rmsNorm
    case .embedding: embedding
    case .attention: attention
    case .dropout: dropout
    case .crossEntropy: crossEntropy
    case .linearCrossEntropy: linearCrossEntropy
    }
  }

  private static func unary(
    _ kind: OperationKind, _ call: OperationCall, _ distribution: Distribution = .normal
  ) -> OperationRecord {
    let shapes: [[Int]] = [[], [1], [7], [3, 5], [2, 3, 17], [0], [2, 0, 3], [67]]
    return OperationRecord(
      cases: shapes.map { OperationCase(kind, call, $0, distribution: distribution) },
      largeCases: [OperationCase(kind, call, [3, 20001], distribution: distribution)], misuses: [])
  }

  private static func broadcasting(
    _ kind: OperationKind, _ call: OperationCall,
    _ core: @escaping @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot
  ) -> OperationRecord {
    let pairs: [([Int], [Int])] = [
      ([], []), ([3, 5], [3, 5]), ([2, 3], []), ([], [2, 3]), ([2, 3], [3]), ([3], [2, 3]),
      ([2, 1], [1, 3]),
      ([4, 1, 3], [2, 3]), ([2, 3, 1, 5], [3, 4, 1]), ([67], [1]), ([1, 1], [1]), ([1], [3, 1, 1]),
      ([2, 3, 4], [2, 1, 4]), ([2, 1, 3, 1, 2], [1, 2, 1, 2, 1]), ([0], [0]), ([0], [1]), ([3, 0], [0]),
      ([3, 0], [3, 1]),
      ([2, 3, 17], [17]), ([17, 1], [17, 19]),
    ]
    let misfits: [([Int], [Int])] = [
      ([2, 3], [3, 2]), ([2], [3]), ([2, 3], [2]), ([0], [2]), ([2, 1, 3], [2, 2, 2]),
    ]
    return OperationRecord(
      cases: pairs.map { OperationCase(kind, call, $0.0, $0.1, distribution: .awayFromZero) },
      largeCases: [
        OperationCase(kind, call, [3, 20001], [20001], distribution: .awayFromZero),
        OperationCase(kind, call, [300, 201], [300, 1], distribution: .awayFromZero),
        OperationCase(kind, call, [60001], [60001], distribution: .awayFromZero),
      ],
      misuses: misfits.map { pair in
        MisuseCase(
          pair.0, pair.1,
          says: "\(kind): shapes \(Shape(pair.0)) and \(Shape(pair.1)) do not fit", core)
      })
  }

  private static var affine: OperationRecord {
    let calls: [OperationCall] = [
      .plus(1.5), .numberPlus(-2), .minus(0.75), .numberMinus(3), .times(-1.25), .numberTimes(2), .over(4),
      .numberOver(2), .negated, .times(0),
    ]
    return OperationRecord(
      cases: calls.flatMap { call in
        [[], [3, 5], [0, 2], [67]].map { OperationCase(.affine, call, $0, distribution: .awayFromZero) }
      },
      largeCases: calls.map { OperationCase(.affine, $0, [40001], distribution: .awayFromZero) }, misuses: [])
  }

  private static var matmul: OperationRecord {
    func all(_ a: [Int], _ b: [Int]) -> [OperationCase] {
      [(false, false), (false, true), (true, false), (true, true)].map { left, right in
        OperationCase(
          .matmul, .matmul(transposingLeft: left, transposingRight: right), left ? swapped(a) : a,
          right ? swapped(b) : b)
      }
    }
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.matmul(x[0], x[1], transposingA: false, transposingB: false)
    }
    return OperationRecord(
      cases: all([3, 4], [4, 5]) + all([1, 1], [1, 1]) + all([1, 7], [7, 1]) + all([2, 3, 4], [2, 4, 5])
        + all([2, 1, 3, 4], [3, 4, 2]) + all([2, 3, 4], [4, 5]) + all([3, 4], [2, 4, 5])
        + all([1, 3, 4], [2, 4, 5])
        + all([3, 0], [0, 5]) + all([0, 4], [4, 5]) + all([3, 4], [4, 0]) + all([0, 3, 4], [4, 5])
        + all([3, 4], [0, 4, 5]) + all([0, 3, 4], [0, 4, 5]) + all([17, 19], [19, 33]),
      largeCases: all([130, 67], [67, 75]) + all([3, 33, 70], [3, 70, 41]) + all([5, 400], [400, 50])
        + all([2, 90, 64], [64, 100]),
      roundings: 64,
      misuses: [
        MisuseCase(
          [10, 20], [10, 20],
          says: "matmul: shapes [10, 20] and [10, 20] do not fit: 20 columns against 10 rows", call),
        MisuseCase([3], [3, 4], says: "matmul: expected matrices, got shapes [3] and [3, 4]", call),
        MisuseCase([2, 3, 4], [3, 4, 5], says: "matmul: shapes [2] and [3] do not fit: 2 against 3", call),
        MisuseCase([], [], says: "matmul: expected matrices", call),
        MisuseCase([2, 3], [2, 3], says: "shapes [2, 3]ᵀ and [2, 3]ᵀ do not fit: 2 columns against 3 rows") {
          c, x throws(Misuse) in try c.matmul(x[0], x[1], transposingA: true, transposingB: true)
        },
      ])
  }

  private static func swapped(_ shape: [Int]) -> [Int] {
    shape.dropLast(2) + [shape[shape.count - 1], shape[shape.count - 2]]
  }

  private static var linear: OperationRecord {
    var cases: [OperationCase] = [], large: [OperationCase] = []
    for activation in [nil] + Activation.allCases.map(Optional.some) {
      for (bias, residual) in [(false, false), (true, false), (false, true), (true, true)] {
        let call = OperationCall.linear(bias: bias, activation, residual: residual)
        func add(_ x: [Int], _ outputs: Int, to cases: inout [OperationCase]) {
          var shapes = [x, [outputs, x[x.count - 1]]]
          if bias { shapes.append([outputs]) }
          if residual { shapes.append(x.dropLast() + [outputs]) }
          cases.append(OperationCase(.linear, call, shapes: shapes))
        }
        add([5, 7], 3, to: &cases)
        add([2, 3, 4], 5, to: &cases)
        if activation == nil || activation == .geluTanh || activation == .tanh {
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
    return OperationRecord(cases: cases, largeCases: large, roundings: 64, misuses: linearMisuses)
  }

  private static var linearMisuses: [MisuseCase] {
    [
      MisuseCase(
        [5, 7], [7, 3], says: "linear: x has shape [5, 7], so weight must be [outputs, 7]; got [7, 3]"
      ) {
        c, x throws(Misuse) in try c.linear(x[0], weight: x[1], bias: -1, activation: nil, residual: -1)
      },
      MisuseCase([], [3, 1], says: "linear: x has shape []") {
        c, x throws(Misuse) in try c.linear(x[0], weight: x[1], bias: -1, activation: nil, residual: -1)
      },
      MisuseCase([5, 7], [7], says: "so weight must be [outputs, 7]; got [7]") {
        c, x throws(Misuse) in try c.linear(x[0], weight: x[1], bias: -1, activation: nil, residual: -1)
      },
      MisuseCase([5, 7], [3, 7], [7], says: "linear: weight is [3, 7], so bias must be [3]; got [7]") {
        c, x throws(Misuse) in try c.linear(x[0], weight: x[1], bias: x[2], activation: nil, residual: -1)
      },
      MisuseCase(
        [5, 7], [3, 7], [3, 5], says: "the product has shape [5, 3], so must the residual; got [3, 5]"
      ) {
        c, x throws(Misuse) in try c.linear(x[0], weight: x[1], bias: -1, activation: nil, residual: x[2])
      },
    ]
  }
}
