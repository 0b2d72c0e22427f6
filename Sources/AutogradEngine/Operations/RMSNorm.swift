import CAutogradKernels

// Root mean square normalisation over the last axis. With r = 1/√(mean(x²) + ε), x̂ = x · r, g = dy ∘ scale:
//   y = scale ∘ x̂,   dx = r · (g − x̂ · mean(g ∘ x̂)),   dscale = Σ dy ∘ x̂.
// Keeps r of every row; x̂ is computed again from x.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func rmsNorm(_ x: Slot, scale: Slot, epsilon: Double) throws(Misuse) -> Slot {
    let shape = nodes[x].shape
    if scale >= 0, !(nodes[scale].shape.rank == 1 && nodes[scale].shape.last == shape.last) {
      throw Misuse("rmsNorm", "x has shape \(shape), so scale must be [\(shape.last)]; got \(nodes[scale].shape)")
    }
    let y = try result(shape, "rmsNorm", of: x, scale)
    let rows = Shape([shape.rows] as InlineArray<1, Int>)
    let reciprocal = unsafe try allocate(shape.rows * type.size, rows, "rmsNorm")
    unsafe normalizeSize(x, scale, epsilon, reciprocal: reciprocal, into: data(y))
    unsafe record(.rmsNorm, x, scale, output: y, saved: [reciprocal, nil, nil], scalars: [epsilon, 0])
    return y
  }

  @unsafe private func normalizeSize(
    _ x: Slot, _ scale: Slot, _ epsilon: Double, reciprocal: UnsafeMutableRawPointer?, into y: UnsafeMutableRawPointer
  ) {
    let shape = nodes[x].shape
    let arguments = unsafe ck_rms_norm(
      y: y, x: data(x), scale: optionalData(scale), reciprocal: reciprocal, columns: shape.last, epsilon: epsilon)
    unsafe runRows(arguments, count: shape.rows, columns: shape.last)
  }

  /// Computes the result of a record again.
  @unsafe internal func normalizeSize(_ record: Record, into y: UnsafeMutableRawPointer) {
    unsafe normalizeSize(
      record.inputs[0], record.inputs[1], record.scalars[0], reciprocal: record.saved[0], into: y)
  }

  func rmsNormBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], scale = record.inputs[1]
    let shape = nodes[x].shape, C = shape.last, dy = unsafe gradient(of: record.output)
    let dScale = unsafe try contribution(to: scale, "rmsNorm"), dx = unsafe try contribution(to: x, "rmsNorm")
    let blocks = (shape.rows + Int(CK_TERMS) - 1) / Int(CK_TERMS), sums = Shape([blocks, C] as InlineArray<2, Int>)
    let scaleSums = dScale == nil ? nil : unsafe try allocateGradient(sums, "rmsNorm")
    let arguments = unsafe ck_rms_norm_backward(
      dx: dx?.target, scale_sums: scaleSums, dy: dy, x: data(x), scale: optionalData(scale),
      reciprocal: record.saved[0], rows: shape.rows, columns: C, accumulate: dx?.accumulate ?? 0)
    unsafe runRows(arguments, count: blocks, columns: C * Int(CK_TERMS))
    unsafe addUp(scaleSums, sums, into: dScale)
  }
}

extension Variable {
  /// Divides each row of the last axis by its root mean square, then scales.
  ///
  /// Subtracts no mean and adds no shift: `layerNorm` does. Keeps the reciprocal root of every row for backward; the
  /// normalised values are computed again.
  ///
  /// Shapes: `self` [..., C], `scale` [C] → [..., C].
  /// Formula: y = scale · x / √(mean(x²) + ε).
  ///
  /// - Precondition: The last axis equals the length of `scale`; otherwise stops and prints the shapes.
  /// - Complexity: about 5 flops per element; keeps 1 number per row.
  /// - SeeAlso: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
  public func rmsNorm(scale: (any Operand<Scalar>)? = nil, epsilon: Double = 1e-6) -> Variable {
    apply("rmsNorm") { c, x throws(Misuse) in
      try c.rmsNorm(x, scale: try c.place(scale, "rmsNorm"), epsilon: epsilon)
    }
  }
}
