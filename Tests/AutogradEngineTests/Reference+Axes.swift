import Glibc

@testable import AutogradEngine

// Formulas of operations that cut, join, pick and reduce.
extension Reference {
  static func sigmoid(_ x: Double) -> Double { 1 / (1 + Glibc.exp(-x)) }
  static func power(_ x: Double, _ exponent: Double) -> Double { Glibc.pow(x, exponent) }

  static func binaryCrossEntropy(_ x: Double, _ t: Double) -> Double {
    let positive = x.isNaN ? x : max(x, 0)
    return positive - x * t + Glibc.log1p(Glibc.exp(-abs(x)))
  }

  static func mean(_ x: Tensor<Double>) -> Tensor<Double> {
    Tensor(x.elements.reduce(0, +) / Double(x.count))
  }

  // MARK: Cutting, joining, picking

  static func slice(_ x: Tensor<Double>, _ ranges: [Range<Int>?]) -> Tensor<Double> {
    let shape = x.shape.array
    let cuts = shape.indices.map { $0 < ranges.count ? ranges[$0] ?? 0..<shape[$0] : 0..<shape[$0] }
    let lengths = cuts.map(\.count)
    return Tensor(
      shape: lengths,
      indices(lengths).map { index in x.elements[offset(zip(index, cuts).map { $0 + $1.lowerBound }, shape)] }
    )
  }

  static func concatenate(_ parts: [Tensor<Double>], _ axis: Int) -> Tensor<Double> {
    let axis = axis < 0 ? axis + parts[0].shape.rank : axis
    var shape = parts[0].shape.array
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    return Tensor(
      shape: shape,
      indices(shape).map { index in
        var index = index, part = 0
        while index[axis] >= parts[part].shape[axis] {
          index[axis] -= parts[part].shape[axis]
          part += 1
        }
        return parts[part].elements[offset(index, parts[part].shape.array)]
      })
  }

  static func stack(_ parts: [Tensor<Double>], _ axis: Int) -> Tensor<Double> {
    let axis = axis < 0 ? axis + parts[0].shape.rank + 1 : axis
    var shape = parts[0].shape.array
    shape.insert(1, at: axis)
    return concatenate(parts.map { Tensor(shape: shape, $0.elements) }, axis)
  }

  static func gather(_ x: Tensor<Double>, _ tokens: [Int32], _ shape: [Int], _ axis: Int) -> Tensor<Double> {
    let axis = axis < 0 ? axis + x.shape.rank : axis
    return Tensor(
      shape: shape,
      zip(indices(shape), tokens).map { index, token in
        var index = index
        if shape.count == x.shape.rank {
          index[axis] = Int(token)
        } else {
          index.insert(Int(token), at: axis)
        }
        return x.elements[offset(index, x.shape.array)]
      })
  }

  /// `b` where the mask is negative, `a` elsewhere.
  static func choose(
    _ mask: Tensor<Double>, _ a: Tensor<Double>, _ b: Tensor<Double>,
    _ broadcast: (Tensor<Double>, Tensor<Double>, (Double, Double) -> Double) -> Tensor<Double>
  ) -> Tensor<Double> {
    // Every operand at the shape of all three; NaN stays NaN in a sum with a shape of zeros.
    func zeros(_ x: Tensor<Double>) -> Tensor<Double> { Tensor(repeating: 0, shape: x.shape.array) }
    let shape = broadcast(broadcast(zeros(mask), zeros(a), +), zeros(b), +)
    let m = broadcast(mask, shape, +), first = broadcast(a, shape, +), second = broadcast(b, shape, +)
    return Tensor(
      shape: shape.shape.array,
      m.elements.indices.map { m.elements[$0] < 0 ? second.elements[$0] : first.elements[$0] })
  }

  // MARK: Reducing

  static func extremum(
    _ x: Tensor<Double>, _ axes: [Int], keeping: Bool, _ isBeyond: (Double, Double) -> Bool
  ) -> Tensor<Double> {
    let shape = sum(x, axes, keeping: keeping, mean: false).shape.array
    let kept = sum(x, axes, keeping: true, mean: false).shape.array
    var best = [Double?](repeating: nil, count: kept.reduce(1, *))
    for (position, index) in indices(x.shape.array).enumerated() {
      let place = offset(zip(index, kept).map { $1 == 1 ? 0 : $0 }, kept), value = x.elements[position]
      if let old = best[place], old.isNaN || !(isBeyond(value, old) || value.isNaN) { continue }
      best[place] = value
    }
    return Tensor(shape: shape, best.map { $0! })
  }

  static func variance(
    _ x: Tensor<Double>, _ axes: [Int], keeping: Bool, _ correction: Double,
    _ broadcast: (Tensor<Double>, Tensor<Double>, (Double, Double) -> Double) -> Tensor<Double>
  ) -> Tensor<Double> {
    let mean = sum(x, axes, keeping: true, mean: true)
    let total = sum(broadcast(x, mean) { ($0 - $1) * ($0 - $1) }, axes, keeping: keeping, mean: false)
    let terms = Double(x.count) / Double(mean.count)
    return Tensor(shape: total.shape.array, total.elements.map { $0 / max(0, terms - correction) })
  }

  static func logSumExp(_ row: [Double]) -> Double {
    let largest = row.reduce(-Double.infinity) { $1.isNaN ? $0 : max($0, $1) }
    if largest.isInfinite { return row.contains(where: \.isNaN) ? .nan : largest }
    return largest + Glibc.log(row.reduce(0) { $0 + Glibc.exp($1 - largest) })
  }

  static func logSumExp(_ x: Tensor<Double>, keeping: Bool) -> Tensor<Double> {
    let columns = x.shape.last, rows = Array(x.shape.array.dropLast())
    let values = (0..<x.shape.rows).map { logSumExp(Array(x.elements[$0 * columns..<($0 + 1) * columns])) }
    return Tensor(shape: keeping && x.shape.rank > 0 ? rows + [1] : rows, values)
  }
}
