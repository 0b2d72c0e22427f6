import CAutogradKernels

// Softmax over the last axis: y = exp(x − max) / Σ exp(x − max); dx = y ∘ (dy − ⟨dy, y⟩).
// Stable for large logits. Keeps only y. About 10 flops per element.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func softmax(_ x: Slot) throws(Misuse) -> Slot {
    let shape = nodes[x].shape
    let y = try result(shape, "softmax", of: x)
    unsafe runRows(ck_softmax(y: data(y), x: data(x), columns: shape.last), count: shape.rows, columns: shape.last)
    unsafe record(.softmax, x, output: y)
    return y
  }

  func softmaxBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape
    guard let target = unsafe try contribution(to: x, "softmax") else { return }
    let arguments = unsafe ck_softmax_backward(
      dx: target.target, dy: gradient(of: record.output), y: data(record.output), columns: shape.last,
      accumulate: target.accumulate)
    unsafe runRows(arguments, count: shape.rows, columns: shape.last)
  }
}

extension Variable {
  /// Exponentials along the last axis, divided by their sum.
  ///
  /// Subtracts each row's largest element first, so that large logits do not overflow. A row with a NaN becomes
  /// NaN; a number (rank 0) becomes 1.
  ///
  /// - Complexity: about 10 flops per element; keeps the result for backward.
  public func softmax() -> Variable { apply("softmax") { c, x throws(Misuse) in try c.softmax(x) } }
}
