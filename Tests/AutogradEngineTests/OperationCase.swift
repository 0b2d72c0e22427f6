import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// A call with the shapes of its operands: what the generic tests run on.
struct OperationCase: Sendable, CustomTestStringConvertible {
  let kind: OperationKind
  let call: OperationCall
  let shapes: [[Int]]
  var distribution = Distribution.normal
  var tokens: [Int32]?
  var tokenShape: [Int] = []

  init(
    _ kind: OperationKind, _ call: OperationCall, _ shapes: [Int]..., distribution: Distribution = .normal,
    tokens: [Int32]? = nil, tokenShape: [Int]? = nil
  ) {
    self.init(kind, call, shapes: shapes, distribution: distribution, tokens: tokens, tokenShape: tokenShape)
  }

  init(
    _ kind: OperationKind, _ call: OperationCall, shapes: [[Int]], distribution: Distribution = .normal,
    tokens: [Int32]? = nil, tokenShape: [Int]? = nil
  ) {
    self.kind = kind
    self.call = call
    self.shapes = shapes
    self.distribution = distribution
    self.tokens = tokens
    self.tokenShape = tokenShape ?? [tokens?.count ?? 0]
  }

  var testDescription: String {
    let operands = shapes.map { Shape($0).description }.joined(separator: " ")
    return "\(call) \(operands)\(tokens == nil ? "" : " \(tokenShape)")"
  }

  var elementCount: Int { shapes.reduce(0) { $0 + $1.reduce(1, *) } }

  /// A kink lies where the operands' distribution cannot keep away from it.
  var hasKink: Bool {
    switch call {
    case .linear(_, .relu?, _), .linear(_, .reluSquared?, _): true
    case .gatedLinear(_, .relu), .gatedLinear(_, .reluSquared): true
    default: false
    }
  }

  /// The same numbers in every run, others for every operand.
  func inputs<S: TensorScalar>(_ type: S.Type = S.self) -> [Tensor<S>] {
    shapes.enumerated().map { randomTensor($1, distribution, seed: UInt64($0) + 1) }
  }
}

/// A case with parameters to run it on.
struct OperationRun<S: TensorScalar> {
  let operation: OperationCase
  let parameters: [Parameter<S>]
  /// Operands are temporaries (1 · parameter) rather than the parameters themselves.
  var temporaries = false
  /// Every operand is used again after the operation, so that the operation adds to its gradient.
  var accumulating = false

  init(
    _ operation: OperationCase, _ inputs: [Tensor<S>]? = nil, temporaries: Bool = false,
    accumulating: Bool = false
  ) {
    self.operation = operation
    parameters = (inputs ?? operation.inputs()).map { Parameter($0) }
    self.temporaries = temporaries
    self.accumulating = accumulating
    self.poison()
  }

  /// Leaves garbage in the gradients: whoever does not write what it should is found out.
  func poison() {
    for parameter in parameters { unsafe parameter.gradientValues.update(repeating: 12345.678) }
  }

  /// Runs the operation in a step and returns its result.
  func output(_ tape: Tape<S>) -> Variable<S> {
    var x = Operands<S>()
    // By index: iterating over an array allocates in debug builds.
    for index in 0..<parameters.count {
      let variable = tape.variable(parameters[index])
      x.append(temporaries ? variable * 1 : variable)
    }
    let tokens = operation.tokens.map { self.tokens(tape, $0) }
    let y = operation.call.apply(x, tokens)
    guard accumulating else { return y }
    var sum = x[0].sum() * 0.25
    for index in 1..<max(1, x.count) { sum = sum + x[index].sum() * 0.25 }
    return y + sum
  }

  private func tokens(_ tape: Tape<S>, _ ids: [Int32]) -> Tokens {
    switch operation.tokenShape.count {
    case 0: tape.tokens(ids.span, shape: [])
    case 1: tape.tokens(ids.span, shape: [operation.tokenShape[0]])
    default: tape.tokens(ids.span, shape: [operation.tokenShape[0], operation.tokenShape[1]])
    }
  }

  /// Fills memory that later steps of the tape will get with NaN.
  static func spoil(_ tape: Tape<S>) {
    let garbage = Tensor<S>(repeating: .nan, shape: [1 << 15])
    tape.step { tape in _ = tape.input(garbage) }
  }

  /// Output and gradients of ⟨cotangent, output⟩.
  func run(_ tape: Tape<S>) -> (output: Tensor<S>, gradients: [Tensor<S>]) {
    OperationRun.spoil(tape)
    poison()
    let result: Tensor<S> = tape.step { tape in
      let y = self.output(tape)
      // Irregular, and quick to make in debug builds.
      let cotangent = Tensor(
        shape: y.shape, (0..<y.shapeValue.count).map { S($0 &* 7919 % 2003 - 1001) / 700 })
      (y * tape.input(cotangent)).sum().backward()
      return y.tensor
    }
    return (result, parameters.map(\.gradient))
  }
}
