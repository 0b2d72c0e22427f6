import CAutogradKernels

// The variance over axes: y = Σ (x − mean)² / (n − correction);   dx = 2 · (x − mean) · dy / (n −
// correction). Two passes, so that nothing cancels. Keeps the means. About 4 flops per element, 3 backward.
//
// INVARIANT: as in TapeCore+Kernels.swift.

extension TapeCore {
  package func variance(
    _ x: Slot, over axes: UInt8, keeping: Bool, correction: Double
  ) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, means = shape.reduced(over: axes, keeping: true)
    let terms = Double(Reduction(shape, over: axes).terms)
    let y = try result(shape.reduced(over: axes, keeping: keeping), "variance", of: x)
    let mean = unsafe try allocate(means.count * type.size, means, "variance")
    unsafe sum(data(x), shape, over: axes, scale: 1, divisor: terms, into: mean, adds: false)
    let mark = arena.mark(), squares = unsafe try allocate(shape.count * type.size, shape, "variance")
    unsafe combine(CK_SUBTRACT, shape, (data(x), shape), (mean, means), into: squares, adds: false)
    unsafe combine(CK_MULTIPLY, shape, (squares, shape), (squares, shape), into: squares, adds: false)
    let divisor = Swift.max(0, terms - correction), scale = 1 / divisor
    unsafe sum(squares, shape, over: axes, scale: 1, divisor: divisor, into: data(y), adds: false)
    arena.rewind(to: mark)
    unsafe record(
      .variance, x, output: y, saved: [mean, nil, nil], integers: [Int(axes), 0, 0, 0], scalars: [scale, 0])
    return y
  }

  func varianceBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape
    guard let target = unsafe try contribution(to: x, "variance"), let mean = unsafe record.saved[0] else {
      return
    }
    let means = shape.reduced(over: UInt8(record.integers[0]), keeping: true)
    let slope = unsafe try allocateGradient(shape, "variance")
    unsafe combine(CK_SUBTRACT, shape, (data(x), shape), (mean, means), into: slope, adds: false)
    unsafe combine(
      CK_MULTIPLY, shape, (slope, shape), (gradient(of: record.output), means), into: slope, adds: false)
    unsafe copy(
      slope, to: target.target, count: shape.count, scale: 2 * record.scalars[0], accumulate: target.adds)
    unsafe free(slope, shape)
  }
}

extension Variable {
  /// The variance over `axes` (all where none is named): the mean squared distance from the mean.
  ///
  /// Divides by n, as `layerNorm` does; a sample's unbiased estimate divides by n − 1: `correction: 1`, which
  /// is PyTorch's default. The variance of nothing is NaN.
  ///
  /// Shapes: the axes vanish, or stay with length 1 where `keepingAxes`.
  ///
  /// - Complexity: about 4 flops per element, 3 backward; keeps the means.
  public func variance(over axes: [Int] = [], keepingAxes: Bool = false, correction: Double = 0) -> Variable {
    apply("variance") { c, x throws(Misuse) in
      try c.variance(
        x, over: try c.axisBits(x, axes, "variance"), keeping: keepingAxes, correction: correction)
    }
  }
}
