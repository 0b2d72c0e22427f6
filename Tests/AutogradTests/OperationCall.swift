@testable import Autograd

/// One way to call an operation: which, and with which options.
enum OperationCall: Sendable {
  case add, subtract, multiply, divide
  /// The six forms with a plain number.
  case plus(Double), numberPlus(Double), minus(Double), numberMinus(Double), times(Double), numberTimes(Double)
  case over(Double), numberOver(Double), negated
  case matmul(transposingLeft: Bool = false, transposingRight: Bool = false)
  /// Operands: x, weight, then bias and residual where asked for.
  case linear(bias: Bool = false, Activation? = nil, residual: Bool = false)
  case reshape(Shape), permute(Shape), transpose
  case relu, gelu(exact: Bool), exp, log, tanh
  case slice(axis: Int, start: Int, length: Int), concatenate(axis: Int), power(Double)
  case maximum(axis: Int, keeping: Bool = false)
  case sum([Int] = [], keeping: Bool = false), mean([Int] = [], keeping: Bool = false)
  case softmax
  case layerNorm(scale: Bool, shift: Bool)
  /// The table is the operand.
  case embedding
  case attention(heads: Int, dropout: Double = 0)
  case dropout(rate: Double)
  case crossEntropy(ignoring: Int32? = nil)
  case linearCrossEntropy(ignoring: Int32? = nil)
}

/// Up to four variables, without an array's allocation.
struct Operands<S: TensorScalar> {
  private var items = InlineArray<4, Variable<S>?>(repeating: nil)
  private(set) var count = 0

  subscript(index: Int) -> Variable<S> { items[index]! }

  mutating func append(_ variable: Variable<S>) {
    items[count] = variable
    count += 1
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
    case .matmul(let left, let right): return x[0].matmul(x[1], transposingLeft: left, transposingRight: right)
    case .linear(let bias, let activation, let residual):
      return x[0].linear(
        x[1], bias: bias ? x[2] : nil, activation: activation, adding: residual ? x[bias ? 3 : 2] : nil)
    case .slice(let axis, let start, let length): return x[0].slice(axis: axis, start: start, length: length)
    case .concatenate(let axis):
      return x[0].concatenated(with: (1..<max(1, x.count)).map { x[$0] }, axis: axis)
    case .power(let exponent): return x[0].power(exponent)
    case .maximum(let axis, let keeping): return x[0].maximum(axis: axis, keepingAxis: keeping)
    // The public face takes inline arrays, whose length must be known when this is compiled.
    case .reshape(let shape): return x[0].apply("reshape") { c, x throws(Misuse) in try c.reshape(x, to: shape) }
    case .permute(let order): return x[0].apply("permute") { c, x throws(Misuse) in try c.permute(x, order, "permute") }
    case .transpose: return x[0].transpose()
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
    case .dropout(let rate): return x[0].dropout(rate: rate)
    case .crossEntropy(let ignored): return x[0].crossEntropy(tokens!, ignoring: ignored)
    case .linearCrossEntropy(let ignored): return x[0].linearCrossEntropy(x[1], tokens!, ignoring: ignored)
    }
  }
}
