import Glibc

@testable import AutogradEngine

/// Formulas of single operations over plain arrays.
enum Reference {
  // MARK: Indices

  /// All indices of a shape, the last axis fastest.
  static func indices(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { prefixes, length in prefixes.flatMap { prefix in (0..<length).map { prefix + [$0] } }
    }
  }

  static func offset(_ index: [Int], _ shape: [Int]) -> Int {
    zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  // MARK: Functions of one element

  static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  static func log(_ x: Double) -> Double { Glibc.log(x) }
  static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
  static func relu(_ x: Double) -> Double { x.isNaN ? x : max(x, 0) }
  static func reluSquared(_ x: Double) -> Double { relu(x) * relu(x) }
  static func geluTanh(_ x: Double) -> Double {
    0.5 * x * (1 + Glibc.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  }
  static func geluErf(_ x: Double) -> Double { 0.5 * x * (1 + Glibc.erf(x / 2.0.squareRoot())) }

  static func activation(_ activation: Activation?, _ x: Double) -> Double {
    switch activation {
    case nil: x
    case .relu: relu(x)
    case .geluTanh: geluTanh(x)
    case .geluErf: geluErf(x)
    case .tanh: tanh(x)
    case .sigmoid: sigmoid(x)
    case .silu: x * sigmoid(x)
    case .reluSquared: reluSquared(x)
    }
  }

  // MARK: Shapes

  static func reshaped(_ x: Tensor<Double>, _ shape: Shape) -> Tensor<Double> {
    let known = shape.array.filter { $0 >= 0 }.reduce(1, *)
    return Tensor(shape: shape.array.map { $0 < 0 ? x.count / known : $0 }, x.elements)
  }

  static func permuted(_ x: Tensor<Double>, _ order: [Int]) -> Tensor<Double> {
    let shape = order.map { x.shape[$0] }
    return Tensor(
      shape: shape,
      indices(shape).map { index in
        var source = index
        for (axis, from) in order.enumerated() { source[from] = index[axis] }
        return x.elements[offset(source, x.shape.array)]
      })
  }

  static func transposed(_ x: Tensor<Double>) -> Tensor<Double> {
    let rank = x.shape.rank
    return permuted(x, Array(0..<rank - 2) + [rank - 1, rank - 2])
  }

  static func sum(_ x: Tensor<Double>, _ axes: [Int], keeping: Bool, mean: Bool) -> Tensor<Double> {
    let rank = x.shape.rank
    let reduced = axes.isEmpty ? Set(0..<rank) : Set(axes.map { $0 < 0 ? $0 + rank : $0 })
    let kept = (0..<rank).filter { !reduced.contains($0) }, keptShape = kept.map { x.shape[$0] }
    var sums = [Double](repeating: 0, count: keptShape.reduce(1, *))
    for (position, index) in indices(x.shape.array).enumerated() {
      sums[offset(kept.map { index[$0] }, keptShape)] += x.elements[position]
    }
    let terms = reduced.reduce(1) { $0 * x.shape[$1] }
    let shape = keeping ? (0..<rank).map { reduced.contains($0) ? 1 : x.shape[$0] } : keptShape
    return Tensor(shape: shape, mean ? sums.map { $0 / Double(terms) } : sums)
  }

  // MARK: Products

  static func matmul(_ a: Tensor<Double>, _ b: Tensor<Double>) -> Tensor<Double> {
    let m = a.shape[-2], k = a.shape[-1], n = b.shape[-1]
    let aBatch = Array(a.shape.array.dropLast(2)), bBatch = Array(b.shape.array.dropLast(2))
    let rank = max(aBatch.count, bBatch.count)
    let aFull = [Int](repeating: 1, count: rank - aBatch.count) + aBatch
    let bFull = [Int](repeating: 1, count: rank - bBatch.count) + bBatch
    let batch = zip(aFull, bFull).map { $0 == 1 ? $1 : $0 }
    var elements: [Double] = []
    for index in indices(batch) {
      let aStart = offset(zip(index, aFull).map { $1 == 1 ? 0 : $0 }, aFull) * m * k
      let bStart = offset(zip(index, bFull).map { $1 == 1 ? 0 : $0 }, bFull) * k * n
      for i in 0..<m {
        for j in 0..<n {
          elements.append(
            (0..<k).reduce(0) { $0 + a.elements[aStart + i * k + $1] * b.elements[bStart + $1 * n + j] })
        }
      }
    }
    return Tensor(shape: batch + [m, n], elements)
  }

  static func linear(
    _ x: Tensor<Double>, _ weight: Tensor<Double>, bias: Tensor<Double>?, activation: Activation?,
    residual: Tensor<Double>?
  ) -> Tensor<Double> {
    let N = weight.shape[0], K = weight.shape[1], rows = x.shape.rows
    var elements: [Double] = []
    for row in 0..<rows {
      for n in 0..<N {
        let z = (0..<K).reduce(bias?.elements[n] ?? 0) {
          $0 + x.elements[row * K + $1] * weight.elements[n * K + $1]
        }
        elements.append(Reference.activation(activation, z) + (residual?.elements[row * N + n] ?? 0))
      }
    }
    return Tensor(shape: x.shape.array.dropLast() + [N], elements)
  }

  static func gatedLinear(
    _ x: Tensor<Double>, _ weight: Tensor<Double>, bias: Tensor<Double>?, _ gate: Activation
  ) -> Tensor<Double> {
    let z = linear(x, weight, bias: bias, activation: nil, residual: nil), width = z.shape.last / 2
    return Tensor(
      shape: x.shape.array.dropLast() + [width],
      (0..<z.count / 2).map { activation(gate, z.elements[2 * $0]) * z.elements[2 * $0 + 1] })
  }

  // MARK: Rows

  static func rows(_ x: Tensor<Double>, _ function: ([Double]) -> [Double]) -> Tensor<Double> {
    let columns = x.shape.last
    return Tensor(
      shape: x.shape.array,
      (0..<x.shape.rows).flatMap { function(Array(x.elements[$0 * columns..<($0 + 1) * columns])) })
  }

  static func softmax(_ row: [Double]) -> [Double] {
    let largest = row.reduce(-Double.infinity) { $1.isNaN ? $0 : max($0, $1) }
    let powers = row.map { Glibc.exp($0 - largest) }, total = powers.reduce(0, +)
    return powers.map { $0 / total }
  }

  static func softmax(_ x: Tensor<Double>) -> Tensor<Double> { rows(x, softmax) }

  static func layerNorm(_ x: Tensor<Double>, scale: Tensor<Double>?, shift: Tensor<Double>?) -> Tensor<Double>
  {
    rows(x) { row in
      let count = Double(row.count), mean = row.reduce(0, +) / count
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      return row.indices.map {
        (row[$0] - mean) / (variance + 1e-5).squareRoot() * (scale?.elements[$0] ?? 1)
          + (shift?.elements[$0] ?? 0)
      }
    }
  }

  static func rmsNorm(_ x: Tensor<Double>, scale: Tensor<Double>?) -> Tensor<Double> {
    rows(x) { row in
      let root = (row.reduce(0) { $0 + $1 * $1 } / Double(row.count) + 1e-6).squareRoot()
      return row.indices.map { row[$0] / root * (scale?.elements[$0] ?? 1) }
    }
  }

  static func embedding(_ table: Tensor<Double>, _ tokens: [Int32], _ shape: [Int]) -> Tensor<Double> {
    let C = table.shape[1]
    return Tensor(shape: shape + [C], tokens.flatMap { table.elements[Int($0) * C..<(Int($0) + 1) * C] })
  }

  static func attention(_ qkv: Tensor<Double>, _ H: Int) -> Tensor<Double> {
    let B = qkv.shape[0], T = qkv.shape[1], C = qkv.shape[2] / 3, D = C / H
    var y = Tensor<Double>(repeating: 0, shape: [B, T, C])
    for b in 0..<B {
      for h in 0..<H {
        for i in 0..<T {
          let scores = (0...i).map { j in
            (0..<D).reduce(0.0) { $0 + qkv[b, i, h * D + $1] * qkv[b, j, C + h * D + $1] }
              / Double(D).squareRoot()
          }
          let weights = softmax(scores)
          for d in 0..<D {
            y[b, i, h * D + d] = (0...i).reduce(0) { $0 + weights[$1] * qkv[b, $1, 2 * C + h * D + d] }
          }
        }
      }
    }
    return y
  }

  static func crossEntropy(
    _ logits: Tensor<Double>, _ targets: [Int32], _ ignored: Int32?, _ terms: LossTerms = LossTerms()
  ) -> Tensor<Double> {
    let V = logits.shape.last
    var sum = 0.0, divisor = 0.0
    for (row, target) in targets.enumerated() where target != ignored {
      let weight = terms.weights?[row] ?? 1
      divisor += weight
      if weight == 0 { continue }
      let logits = logits.elements[row * V..<(row + 1) * V]
      let x = logits.map { x in terms.softCap.map { $0 * Glibc.tanh(x / $0) } ?? x }
      let largest = x.reduce(-Double.infinity) { $1.isNaN ? $0 : max($0, $1) }
      let normaliser = Glibc.log(x.reduce(0) { $0 + Glibc.exp($1 - largest) }) + largest
      sum += weight * (normaliser - x[Int(target)] + terms.zLoss * normaliser * normaliser)
    }
    return Tensor(terms.weights != nil && divisor == 0 ? 0 : sum / divisor)
  }
}
