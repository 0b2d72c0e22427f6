import CAutogradKernels

// Layer normalisation over the last axis. With x̂ = (x − mean) · r, r = 1/√(variance + ε), g = dy ∘ scale:
//   y = scale ∘ x̂ + shift,   dx = r · (g − mean(g) − x̂ · mean(g ∘ x̂)),   dscale = Σ dy ∘ x̂,   dshift = Σ dy.
// Keeps mean and r of every row; x̂ is computed again from x.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func layerNorm(_ x: Slot, scale: Slot, shift: Slot, epsilon: Double) throws(Misuse) -> Slot {
    let shape = nodes[x].shape
    try checkChannels(scale, "scale", shape)
    try checkChannels(shift, "shift", shape)
    let y = try result(shape, "layerNorm", of: x, scale, shift)
    let statistics = Shape([shape.rows] as InlineArray<1, Int>), bytes = shape.rows * type.size
    let mean = unsafe try allocate(bytes, statistics, "layerNorm")
    let reciprocal = unsafe try allocate(bytes, statistics, "layerNorm")
    unsafe normalize(x, scale, shift, epsilon, mean: mean, reciprocal: reciprocal, into: data(y))
    unsafe record(
      .layerNorm, x, scale, shift, output: y, saved: [mean, reciprocal, nil], scalars: [epsilon, 0])
    return y
  }

  @unsafe private func normalize(
    _ x: Slot, _ scale: Slot, _ shift: Slot, _ epsilon: Double, mean: UnsafeMutableRawPointer?,
    reciprocal: UnsafeMutableRawPointer?, into y: UnsafeMutableRawPointer
  ) {
    let shape = nodes[x].shape, C = shape.last
    let arguments = unsafe ck_layer_norm(
      y: y, x: data(x), scale: optionalData(scale), shift: optionalData(shift), mean: mean,
      reciprocal_deviation: reciprocal, columns: C, epsilon: epsilon)
    unsafe runRows(arguments, count: shape.rows, columns: C)
  }

  /// Computes the result of a record again.
  @unsafe internal func normalize(_ record: Record, into y: UnsafeMutableRawPointer) {
    unsafe normalize(
      record.inputs[0], record.inputs[1], record.inputs[2], record.scalars[0], mean: record.saved[0],
      reciprocal: record.saved[1], into: y)
  }

  private func checkChannels(_ slot: Slot, _ name: StaticString, _ x: Shape) throws(Misuse) {
    guard slot >= 0, !(nodes[slot].shape.rank == 1 && nodes[slot].shape.last == x.last) else { return }
    throw Misuse("layerNorm", "x has shape \(x), so \(name) must be [\(x.last)]; got \(nodes[slot].shape)")
  }

  func layerNormBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], scale = record.inputs[1], shift = record.inputs[2]
    let shape = nodes[x].shape, C = shape.last, dy = unsafe gradient(of: record.output)
    let dScale = unsafe try contribution(to: scale, "layerNorm")
    let dShift = unsafe try contribution(to: shift, "layerNorm")
    let dx = unsafe try contribution(to: x, "layerNorm")
    // One pass: the sums of a block of rows, then the sum of the blocks.
    let blocks = (shape.rows + Int(CK_TERMS) - 1) / Int(CK_TERMS), sums = Shape([blocks, C] as InlineArray<2, Int>)
    let scaleSums = dScale == nil ? nil : unsafe try allocateGradient(sums, "layerNorm")
    let shiftSums = dShift == nil ? nil : unsafe try allocateGradient(sums, "layerNorm")
    let arguments = unsafe ck_layer_norm_backward(
      dx: dx?.target, scale_sums: scaleSums, shift_sums: shiftSums, dy: dy, x: data(x), scale: optionalData(scale),
      mean: record.saved[0], reciprocal_deviation: record.saved[1], rows: shape.rows, columns: C,
      accumulate: dx?.accumulate ?? 0)
    unsafe runRows(arguments, count: blocks, columns: C * Int(CK_TERMS))
    unsafe addUp(scaleSums, sums, into: dScale)
    unsafe addUp(shiftSums, sums, into: dShift)
  }

  /// Adds up the sums of blocks of rows, and gives their memory back.
  @unsafe internal func addUp(_ partial: UnsafeMutableRawPointer?, _ shape: Shape, into whole: Contribution?) {
    guard let partial = unsafe partial, let whole else { return }
    unsafe sum(partial, shape, over: 1, scale: 1, into: whole.target, adds: whole.adds)
    unsafe free(partial, shape)
  }
}

extension Variable {
  /// Normalises each row of the last axis to zero mean and unit variance, then scales and shifts.
  ///
  /// Keeps mean and reciprocal deviation of every row for backward; the normalised values are computed again.
  ///
  /// Shapes: `self` [..., C], `scale` [C], `shift` [C] → [..., C].
  /// Formula: y = scale · (x − mean) / √(variance + ε) + shift; the variance is divided by C, not C − 1.
  ///
  /// - Precondition: The last axis equals the length of `scale` and of `shift`; otherwise stops and prints the shapes.
  /// - Complexity: about 8 flops per element; keeps 2 numbers per row.
  public func layerNorm(
    scale: (any Operand<Scalar>)? = nil, shift: (any Operand<Scalar>)? = nil, epsilon: Double = 1e-5
  ) -> Variable {
    apply("layerNorm") { c, x throws(Misuse) in
      try c.layerNorm(
        x, scale: try c.place(scale, "layerNorm"), shift: try c.place(shift, "layerNorm"), epsilon: epsilon)
    }
  }
}
