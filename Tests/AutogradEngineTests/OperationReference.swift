@testable import AutogradEngine

/// The operations once more, as their formulas say, in Double, with loops over indices and nothing else.
extension OperationCall {
  /// The result for `x` and `tokens`; nil where random numbers decide (dropout has tests of its own).
  func reference(_ x: [Tensor<Double>], tokens: [Int32], tokenShape: [Int]) -> Tensor<Double>? {
    switch self {
    case .add: broadcast(x[0], x[1], +)
    case .subtract: broadcast(x[0], x[1], -)
    case .multiply: broadcast(x[0], x[1], *)
    case .divide: broadcast(x[0], x[1], /)
    case .plus(let number), .numberPlus(let number): map(x[0]) { $0 + number }
    case .minus(let number): map(x[0]) { $0 - number }
    case .numberMinus(let number): map(x[0]) { number - $0 }
    case .times(let number), .numberTimes(let number): map(x[0]) { $0 * number }
    case .over(let number): map(x[0]) { $0 / number }
    case .numberOver(let number): map(x[0]) { number / $0 }
    case .negated: map(x[0]) { -$0 }
    case .matmul(let left, let right):
      Reference.matmul(left ? Reference.transposed(x[0]) : x[0], right ? Reference.transposed(x[1]) : x[1])
    case .linear(let bias, let activation, let residual):
      Reference.linear(
        x[0], x[1], bias: bias ? x[2] : nil, activation: activation,
        residual: residual ? x[bias ? 3 : 2] : nil)
    case .reshape(let shape): Reference.reshaped(x[0], shape)
    case .permute(let order): Reference.permuted(x[0], order.array.map { $0 < 0 ? $0 + order.rank : $0 })
    case .transpose: Reference.transposed(x[0])
    case .slice(let ranges): Reference.slice(x[0], ranges)
    case .concatenate(let axis): Reference.concatenate(x, axis)
    case .stack(let axis): Reference.stack(x, axis)
    case .gather(let axis): Reference.gather(x[0], tokens, tokenShape, axis)
    case .gatedLinear(let bias, let gate): Reference.gatedLinear(x[0], x[1], bias: bias ? x[2] : nil, gate)
    case .reluSquared: map(x[0], Reference.reluSquared)
    case .rmsNorm(let scale): Reference.rmsNorm(x[0], scale: scale ? x[1] : nil)
    case .sigmoid: map(x[0], Reference.sigmoid)
    case .silu: map(x[0]) { $0 * Reference.sigmoid($0) }
    case .sqrt: map(x[0]) { $0.squareRoot() }
    case .abs: map(x[0]) { Swift.abs($0) }
    case .power: broadcast(x[0], x[1], Reference.power)
    case .powerOf(let exponent): map(x[0]) { Reference.power($0, exponent) }
    case .clip(let low, let high): map(x[0]) { $0.isNaN ? $0 : Swift.min(Swift.max($0, low), high) }
    case .replacing: Reference.choose(x[0], x[1], x[2], broadcast)
    case .replacingByNumber(let number): Reference.choose(x[0], x[1], Tensor(number), broadcast)
    case .max(let axes, let keeping): Reference.extremum(x[0], axes, keeping: keeping) { $0 > $1 }
    case .min(let axes, let keeping): Reference.extremum(x[0], axes, keeping: keeping) { $0 < $1 }
    case .variance(let axes, let keeping, let correction):
      Reference.variance(x[0], axes, keeping: keeping, correction, broadcast)
    case .logSoftmax: Reference.rows(x[0]) { row in row.map { $0 - Reference.logSumExp(row) } }
    case .logSumExp(let keeping): Reference.logSumExp(x[0], keeping: keeping)
    case .squaredError: Reference.mean(broadcast(x[0], x[1]) { ($0 - $1) * ($0 - $1) })
    case .binaryCrossEntropy: Reference.mean(broadcast(x[0], x[1], Reference.binaryCrossEntropy))
    case .recomputed(let residual): map(x[0]) { Reference.tanh($0) * $0 + (residual ? $0 : 0) }
    case .hypotenuse:
      Tensor(
        shape: x[0].shape.array,
        (0..<x[0].count).map { i in (x.reduce(1) { $0 + $1.elements[i] * $1.elements[i] }).squareRoot() })
    case .rowSums: Reference.sum(x[0], [-1], keeping: false, mean: false)
    case .relu: map(x[0], Reference.relu)
    case .gelu(let exact): map(x[0], exact ? Reference.geluErf : Reference.geluTanh)
    case .exp: map(x[0], Reference.exp)
    case .log: map(x[0], Reference.log)
    case .tanh: map(x[0], Reference.tanh)
    case .sum(let axes, let keeping): Reference.sum(x[0], axes, keeping: keeping, mean: false)
    case .mean(let axes, let keeping): Reference.sum(x[0], axes, keeping: keeping, mean: true)
    case .softmax: Reference.softmax(x[0])
    case .layerNorm(let scale, let shift):
      Reference.layerNorm(x[0], scale: scale ? x[1] : nil, shift: shift ? x[scale ? 2 : 1] : nil)
    case .embedding: Reference.embedding(x[0], tokens, tokenShape)
    case .attention(let heads, let dropout): dropout > 0 ? nil : Reference.attention(x[0], heads)
    case .attentionOf(let choices):
      choices.dropout > 0
        ? nil : Reference.attention(x, choices, positions: tokens.isEmpty ? nil : tokens)
    case .dropout: nil
    case .crossEntropy(let ignored, let weights):
      Reference.crossEntropy(x[0], tokens, ignored, LossTerms(weights: weights))
    case .linearCrossEntropy(let ignored, let terms):
      Reference.crossEntropy(
        Reference.linear(x[0], x[1], bias: nil, activation: nil, residual: nil), tokens, ignored, terms)
    case .linearCrossEntropyLosses(let ignored, let softCap):
      losses(Reference.linear(x[0], x[1], bias: nil, activation: nil, residual: nil), tokens, tokenShape, ignored, softCap)
    }
  }

  /// The loss of each row alone.
  private func losses(
    _ logits: Tensor<Double>, _ targets: [Int32], _ shape: [Int], _ ignored: Int32?, _ softCap: Double?
  ) -> Tensor<Double> {
    let columns = logits.shape.array.last ?? 1
    return Tensor(
      shape: shape,
      targets.enumerated().map { row, target in
        if target == ignored { return 0 }
        let own = Tensor(shape: [1, columns], Array(logits.elements[row * columns..<(row + 1) * columns]))
        return Reference.crossEntropy(own, [target], nil, LossTerms(softCap: softCap)).elements[0]
      })
  }

  private func map(_ x: Tensor<Double>, _ function: (Double) -> Double) -> Tensor<Double> {
    Tensor(shape: x.shape.array, x.elements.map(function))
  }

  private func broadcast(
    _ a: Tensor<Double>, _ b: Tensor<Double>, _ function: (Double, Double) -> Double
  ) -> Tensor<Double> {
    let rank = Swift.max(a.shape.rank, b.shape.rank)
    func length(_ x: Tensor<Double>, _ axis: Int) -> Int {
      let own = axis - (rank - x.shape.rank)
      return own < 0 ? 1 : x.shape[own]
    }
    let shape = (0..<rank).map { length(a, $0) == 1 ? length(b, $0) : length(a, $0) }
    func element(_ x: Tensor<Double>, _ index: [Int]) -> Double {
      let own = index.suffix(x.shape.rank)
      return x.elements[Reference.offset(zip(own, x.shape.array).map { $1 == 1 ? 0 : $0 }, x.shape.array)]
    }
    return Tensor(shape: shape, Reference.indices(shape).map { function(element(a, $0), element(b, $0)) })
  }
}
