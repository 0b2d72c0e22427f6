import CAutogradKernels

// Functions of one element: y = f(x), dx = f′(x) · dy. Exp, tanh and sqrt take their derivative from y, the others
// from x. NaN passes through all of them. Errors, as Tests/AutogradKernelsTests bound them: exp 1.25 ulps, log 1, tanh 3,
// sigmoid 3, sqrt 0.5; GELU 2.5 ulps above 0 and 1.5 ulps of x below, where it is a small difference of large numbers.
//
// INVARIANT: as in TapeCore+Kernels.swift.

/// A function that may follow a product: `y = activation(x·Wᵀ + b)`.
public enum Activation: Sendable, CaseIterable {
  /// max(x, 0); NaN stays NaN; the derivative at 0 is 0.
  case relu
  /// GELU as GPT-2 has it: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
  case geluTanh
  /// GELU by definition: 0.5·x·(1 + erf(x/√2)).
  case geluErf
  /// The hyperbolic tangent.
  case tanh
  /// 1/(1 + e⁻ˣ).
  case sigmoid
  /// x·sigmoid(x), also called swish.
  case silu
  /// max(x, 0)²; NaN stays NaN.
  case reluSquared

  var kind: OperationKind {
    switch self {
    case .relu: .relu
    case .geluTanh: .geluTanh
    case .geluErf: .geluErf
    case .tanh: .tanh
    case .sigmoid: .sigmoid
    case .silu: .silu
    case .reluSquared: .reluSquared
    }
  }
}

extension OperationKind {
  /// The code of a function that follows a product.
  var code: Int32 { Int32(bitPattern: unary.op.rawValue) }

  /// The kernels' code of a unary function, and about how many times an addition it costs.
  var unary: (op: ck_unary_op, cost: Int, name: StaticString) {
    switch self {
    case .relu: (CK_RELU, 1, "relu")
    case .geluTanh: (CK_GELU_TANH, 8, "gelu")
    case .geluErf: (CK_GELU_ERF, 12, "gelu")
    case .exp: (CK_EXP, 4, "exp")
    case .log: (CK_LOG, 4, "log")
    case .tanh: (CK_TANH, 6, "tanh")
    case .sigmoid: (CK_SIGMOID, 6, "sigmoid")
    case .silu: (CK_SILU, 7, "silu")
    case .squareRoot: (CK_SQRT, 2, "sqrt")
    case .absolute: (CK_ABS, 1, "abs")
    case .reluSquared: (CK_RELU_SQUARED, 1, "reluSquared")
    default: fatalError("\(self) is not a function of one element")
    }
  }
}

package extension TapeCore {
  func unary(_ kind: OperationKind, _ x: Slot) throws(Misuse) -> Slot {
    let (op, cost, name) = kind.unary, shape = nodes[x].shape
    let y = try result(shape, name, of: x)
    unsafe runElements(ck_unary(op: op, y: data(y), x: data(x)), count: shape.count, cost: cost)
    unsafe record(kind, x, output: y)
    return y
  }

  func unaryBackward(_ record: Record) throws(Misuse) {
    let (op, cost, name) = record.kind.unary, x = record.inputs[0]
    guard let target = unsafe try contribution(to: x, name) else { return }
    let arguments = unsafe ck_unary_backward(
      op: op, dx: target.target, dy: gradient(of: record.output), x: data(x), y: data(record.output),
      accumulate: target.accumulate)
    unsafe runElements(arguments, count: nodes[x].shape.count, cost: cost)
  }
}

extension Variable {
  /// max(x, 0), element by element. NaN stays NaN; the derivative at 0 is 0.
  ///
  /// - Complexity: one pass each way.
  public func relu() -> Variable { unary(.relu) }

  /// The Gaussian error linear unit, element by element.
  ///
  /// Formula: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), GPT-2's; 0.5·x·(1 + erf(x/√2)) where `exact`.
  ///
  /// - Complexity: one pass each way, about 8 additions for an element, 12 where `exact`.
  public func gelu(exact: Bool = false) -> Variable { unary(exact ? .geluErf : .geluTanh) }

  /// eˣ, element by element; 0 where the result would be subnormal.
  ///
  /// - Complexity: one pass each way, about 4 additions for an element.
  public func exp() -> Variable { unary(.exp) }

  /// The natural logarithm, element by element: −∞ at 0, NaN below.
  ///
  /// - Complexity: one pass each way, about 4 additions for an element.
  public func log() -> Variable { unary(.log) }

  /// The hyperbolic tangent, element by element.
  ///
  /// - Complexity: one pass each way, about 6 additions for an element.
  public func tanh() -> Variable { unary(.tanh) }

  /// 1/(1 + e⁻ˣ), element by element. Does not overflow.
  ///
  /// - Complexity: one pass each way, about 6 additions for an element.
  public func sigmoid() -> Variable { unary(.sigmoid) }

  /// x/(1 + e⁻ˣ), element by element: the sigmoid linear unit, also called swish.
  ///
  /// - Complexity: one pass each way, about 7 additions for an element.
  public func silu() -> Variable { unary(.silu) }

  /// max(x, 0)², element by element. NaN stays NaN.
  ///
  /// - Complexity: one pass each way.
  public func reluSquared() -> Variable { unary(.reluSquared) }

  /// The square root, element by element: NaN below 0. The derivative at 0 is infinite.
  ///
  /// - Complexity: one pass each way, about 2 additions for an element.
  public func sqrt() -> Variable { unary(.squareRoot) }

  /// The absolute value, element by element. The derivative at 0 is 0.
  ///
  /// - Complexity: one pass each way.
  public func abs() -> Variable { unary(.absolute) }

  private func unary(_ kind: OperationKind) -> Variable {
    apply(kind.unary.name) { c, x throws(Misuse) in try c.unary(kind, x) }
  }
}
