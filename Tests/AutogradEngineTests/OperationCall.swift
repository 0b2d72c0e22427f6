@testable import AutogradEngine

/// One way to call an operation: which, and with which options.
enum OperationCall: Sendable {
  case add, subtract, multiply, divide
  /// All forms with a plain number.
  case plus(Double), numberPlus(Double), minus(Double), numberMinus(Double)
  case times(Double), numberTimes(Double), over(Double), numberOver(Double), negated
  case matmul(transposingLeft: Bool = false, transposingRight: Bool = false)
  /// Operands: x, weight, then bias and residual where asked for.
  case linear(bias: Bool = false, Activation? = nil, residual: Bool = false)
  case gatedLinear(bias: Bool = false, gate: Activation)
  case reshape(Shape), permute(Shape), transpose
  /// Ranges of up to three axes.
  case slice([Range<Int>?])
  /// All operands are parts.
  case concatenate(axis: Int), stack(axis: Int)
  case gather(axis: Int)
  case relu, gelu(exact: Bool), exp, log, tanh, sigmoid, silu, sqrt, abs, reluSquared
  case power, powerOf(Double)
  case clip(Double, Double)
  /// Operands: one whose sign is the mask (negative: the second), then both choices.
  case replacing, replacingByNumber(Double)
  case max([Int] = [], keeping: Bool = false), min([Int] = [], keeping: Bool = false)
  case variance([Int] = [], keeping: Bool = false, correction: Double = 0)
  case logSoftmax, logSumExp(keeping: Bool = false)
  case squaredError, binaryCrossEntropy
  /// tanh(x)·x as a part that is recomputed, x added inside of it where `residual`: see RecomputationTests.swift.
  case recomputed(residual: Bool)
  /// Operations that the tests define: see CustomOperationTests.swift.
  case hypotenuse, rowSums
  case sum([Int] = [], keeping: Bool = false), mean([Int] = [], keeping: Bool = false)
  case softmax
  case layerNorm(scale: Bool, shift: Bool)
  case rmsNorm(scale: Bool)
  /// The table is the operand.
  case embedding
  case attention(heads: Int, dropout: Double = 0)
  case attentionOf(AttentionChoices)
  case dropout(rate: Double)
  case crossEntropy(ignoring: Int32? = nil, weights: [Double]? = nil)
  case linearCrossEntropy(ignoring: Int32? = nil, LossTerms = LossTerms())
  case linearCrossEntropyLosses(ignoring: Int32? = nil, softCap: Double? = nil)
}

/// What a loss has beside its mean.
struct LossTerms: Sendable {
  var weights: [Double]?
  var softCap: Double?
  var zLoss = 0.0
}

/// Up to 24 variables, without an array's allocation.
struct Operands<S: TensorScalar> {
  private var items = InlineArray<24, Variable<S>?>(repeating: nil)
  private(set) var count = 0

  subscript(index: Int) -> Variable<S> { items[index]! }

  mutating func append(_ variable: Variable<S>) {
    items[count] = variable
    count += 1
  }

  func join(
    _ operation: StaticString, _ body: (TapeCore, UnsafePointer<Slot>, Int) throws(Misuse) -> Slot
  ) -> Variable<S> {
    self[0].apply(operation) { core, _ throws(Misuse) in
      var slots = InlineArray<24, Slot>(repeating: -1)
      for index in 0..<count { slots[index] = try core.slot(self[index].handle, operation) }
      return try slots.span.withUnsafeBufferPointer { list throws(Misuse) in
        try body(core, list.baseAddress!, count)
      }
    }
  }
}

extension OperationCall {
  /// Calls the operation through the public face.
  func apply<S: TensorScalar>(_ x: Operands<S>, _ tokens: Tokens?) -> Variable<S> {
    switch self {
    case .add: return x[0] + x[1]
    case .subtract: return x[0] - x[1]
    case .multiply: return x[0] * x[1]
    case .divide: return x[0] / x[1]
    case .plus(let number): return x[0] + S(number)
    case .numberPlus(let number): return S(number) + x[0]
    case .minus(let number): return x[0] - S(number)
    case .numberMinus(let number): return S(number) - x[0]
    case .times(let number): return x[0] * S(number)
    case .numberTimes(let number): return S(number) * x[0]
    case .over(let number): return x[0] / S(number)
    case .numberOver(let number): return S(number) / x[0]
    case .negated: return -x[0]
    case .matmul(let left, let right):
      return x[0].matmul(x[1], transposingLeft: left, transposingRight: right)
    case .linear(let bias, let activation, let residual):
      return x[0].linear(
        x[1], bias: bias ? x[2] : nil, activation: activation, adding: residual ? x[bias ? 3 : 2] : nil)
    // The public face takes inline arrays, whose length must be known when this is compiled.
    case .reshape(let shape):
      return x[0].apply("reshape") { c, x throws(Misuse) in try c.reshape(x, to: shape) }
    case .permute(let order):
      return x[0].apply("permute") { c, x throws(Misuse) in try c.permute(x, order, "permute") }
    case .transpose: return x[0].transpose()
    case .slice(let ranges):
      switch ranges.count {
      case 1: return x[0].slice([ranges[0]])
      case 2: return x[0].slice([ranges[0], ranges[1]])
      default: return x[0].slice([ranges[0], ranges[1], ranges[2]])
      }
    // The public face takes an array, which the tests that count allocations would see.
    case .concatenate(let axis):
      return x.join("concatenate") { c, list, count throws(Misuse) in
        try c.concatenate(list, count: count, axis: axis)
      }
    case .stack(let axis):
      return x.join("stack") { c, list, count throws(Misuse) in try c.stack(list, count: count, axis: axis) }
    case .gather(let axis): return x[0].gather(tokens!, axis: axis)
    case .gatedLinear(let bias, let gate): return x[0].gatedLinear(x[1], bias: bias ? x[2] : nil, gate: gate)
    case .reluSquared: return x[0].reluSquared()
    case .rmsNorm(let scale): return x[0].rmsNorm(scale: scale ? x[1] : nil)
    case .sigmoid: return x[0].sigmoid()
    case .silu: return x[0].silu()
    case .sqrt: return x[0].sqrt()
    case .abs: return x[0].abs()
    case .power: return x[0].power(x[1])
    case .powerOf(let exponent): return x[0].power(S(exponent))
    case .clip(let low, let high): return x[0].clip(from: S(low), to: S(high))
    case .replacing: return x[1].replacing(with: x[2], where: x[0] .< 0)
    case .replacingByNumber(let number): return x[1].replacing(with: S(number), where: x[0] .< 0)
    case .max(let axes, let keeping): return x[0].max(over: axes, keepingAxes: keeping)
    case .min(let axes, let keeping): return x[0].min(over: axes, keepingAxes: keeping)
    case .variance(let axes, let keeping, let correction):
      return x[0].variance(over: axes, keepingAxes: keeping, correction: correction)
    case .logSoftmax: return x[0].logSoftmax()
    case .logSumExp(let keeping): return x[0].logSumExp(keepingAxis: keeping)
    case .squaredError: return x[0].squaredError(x[1])
    case .binaryCrossEntropy: return x[0].binaryCrossEntropy(x[1])
    case .recomputed(let residual): return RecomputedExamples.part(residual: residual)(x[0])
    case .hypotenuse:
      return x[0].apply("hypotenuse") { c, _ throws(Misuse) in
        var slots: [Slot] = []
        for index in 0..<x.count { slots.append(try c.slot(x[index].handle, "hypotenuse")) }
        return try c.userDefined(Hypotenuse<S>(), slots)
      }
    case .rowSums:
      return x[0].apply("rowSums") { c, slot throws(Misuse) in try c.userDefined(RowSums<S>(), [slot]) }
    case .relu: return x[0].relu()
    case .gelu(let exact): return x[0].gelu(exact: exact)
    case .exp: return x[0].exp()
    case .log: return x[0].log()
    case .tanh: return x[0].tanh()
    case .sum(let axes, let keeping): return x[0].sum(over: axes, keepingAxes: keeping)
    case .mean(let axes, let keeping): return x[0].mean(over: axes, keepingAxes: keeping)
    case .softmax: return x[0].softmax()
    case .layerNorm(let scale, let shift):
      return x[0].layerNorm(scale: scale ? x[1] : nil, shift: shift ? x[scale ? 2 : 1] : nil)
    case .embedding: return tokens!.embedding(x[0])
    case .attention(let heads, let dropout): return x[0].causalAttention(headCount: heads, dropout: dropout)
    case .attentionOf(let choices): return choices.apply(x, tokens)
    case .dropout(let rate): return x[0].dropout(rate: rate)
    case .crossEntropy(let ignored, let weights):
      return x[0].crossEntropy(tokens!, ignoring: ignored, weights: constant(weights, tokens!, x[0]))
    case .linearCrossEntropy(let ignored, let terms):
      return x[0].linearCrossEntropy(
        x[1], tokens!, ignoring: ignored, weights: constant(terms.weights, tokens!, x[0]), softCap: terms.softCap,
        zLoss: terms.zLoss)
    case .linearCrossEntropyLosses(let ignored, let softCap):
      return x[0].linearCrossEntropyLosses(x[1], tokens!, ignoring: ignored, softCap: softCap)
    }
  }

  /// Numbers of the shape of `tokens`, in the step of `x`.
  private func constant<S: TensorScalar>(
    _ numbers: [Double]?, _ tokens: Tokens, _ x: Variable<S>
  ) -> Variable<S>? {
    guard let numbers else { return nil }
    return x.apply("input") { core, _ throws(Misuse) in
      let shape = core.nodes[try core.slot(tokens.handle, "input")].shape
      let slot = try core.temporary(shape, "input", requiresGradient: false)
      for index in 0..<numbers.count { unsafe core.setElement(core.data(slot), index, to: numbers[index]) }
      return slot
    }
  }
}
