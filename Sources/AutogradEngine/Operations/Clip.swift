import CAutogradKernels

// Bounds: y = min(max(x, low), high), NaN stays NaN;   dx = dy where low ≤ x ≤ high, else 0.
//
// INVARIANT: as in TapeCore+Kernels.swift.

extension TapeCore {
  package func clip(_ x: Slot, low: Double, high: Double) throws(Misuse) -> Slot {
    guard low <= high else {
      throw Misuse("clip", "the bounds \(low) and \(high) leave no numbers between them")
    }
    let shape = nodes[x].shape
    let y = try result(shape, "clip", of: x)
    unsafe runElements(ck_clip(y: data(y), x: data(x), low: low, high: high), count: shape.count)
    unsafe record(.clip, x, output: y, scalars: [low, high])
    return y
  }

  func clipBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0]
    guard let target = unsafe try contribution(to: x, "clip") else { return }
    let arguments = unsafe ck_clip_backward(
      dx: target.target, dy: gradient(of: record.output), x: data(x), low: record.scalars[0],
      high: record.scalars[1], accumulate: target.accumulate)
    unsafe runElements(arguments, count: nodes[x].shape.count)
  }
}

extension Variable {
  /// Moves each element into low...high. NaN stays NaN; the derivative is 1 within the bounds and on them, 0
  /// outside.
  ///
  /// - Precondition: low ≤ high; otherwise stops and prints both.
  public func clip(from low: Scalar = -.infinity, to high: Scalar = .infinity) -> Variable {
    apply("clip") { c, x throws(Misuse) in try c.clip(x, low: Double(low), high: Double(high)) }
  }
}
