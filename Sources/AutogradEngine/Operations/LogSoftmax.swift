import CAutogradKernels

// Logarithms of sums of exponentials over the last axis, stable for large x:
//   logSumExp    y = log Σ exp(x)         dx = exp(x − y) · dy
//   logSoftmax   y = x − log Σ exp(x)     dx = dy − exp(y) · Σ dy
// Keep only x and y. About 10 flops per element. A row of −∞ stays −∞ and gets no NaN.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func logSoftmax(_ x: Slot) throws(Misuse) -> Slot {
    let shape = nodes[x].shape
    let y = try result(shape, "logSoftmax", of: x)
    let arguments = unsafe ck_log_softmax(y: data(y), x: data(x), columns: shape.last)
    unsafe runRows(arguments, count: shape.rows, columns: shape.last)
    unsafe record(.logSoftmax, x, output: y)
    return y
  }

  func logSoftmaxBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape
    guard let target = unsafe try contribution(to: x, "logSoftmax") else { return }
    let arguments = unsafe ck_log_softmax_backward(
      dx: target.target, dy: gradient(of: record.output), y: data(record.output), columns: shape.last,
      accumulate: target.accumulate)
    unsafe runRows(arguments, count: shape.rows, columns: shape.last)
  }

  func logSumExp(_ x: Slot, keeping: Bool) throws(Misuse) -> Slot {
    let shape = nodes[x].shape
    var rows = shape.droppingLast()
    if keeping, shape.rank > 0 { rows.append(1) }
    let y = try result(rows, "logSumExp", of: x)
    let arguments = unsafe ck_log_sum_exp(y: data(y), x: data(x), columns: shape.last)
    unsafe runRows(arguments, count: shape.rows, columns: shape.last)
    unsafe record(.logSumExp, x, output: y)
    return y
  }

  func logSumExpBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape
    guard let target = unsafe try contribution(to: x, "logSumExp") else { return }
    let arguments = unsafe ck_log_sum_exp_backward(
      dx: target.target, dy: gradient(of: record.output), x: data(x), y: data(record.output),
      columns: shape.last,
      accumulate: target.accumulate)
    unsafe runRows(arguments, count: shape.rows, columns: shape.last)
  }
}

extension Variable {
  /// The logarithm of `softmax()`, exact where that would round to 0. A number (rank 0) becomes 0.
  ///
  /// For a loss against tokens take `crossEntropy`, which needs no memory for this.
  ///
  /// - Complexity: about 10 flops per element; keeps the result for backward.
  public func logSoftmax() -> Variable { apply("logSoftmax") { c, x throws(Misuse) in try c.logSoftmax(x) } }

  /// The logarithm of the sum of exponentials of each row: a smooth maximum. Does not overflow.
  ///
  /// Shapes: [..., C] → [...], or [..., 1] where `keepingAxis`. A row of length 0 gives −∞.
  ///
  /// - Complexity: about 8 flops per element, the same backward; keeps the result.
  public func logSumExp(keepingAxis: Bool = false) -> Variable {
    apply("logSumExp") { c, x throws(Misuse) in try c.logSumExp(x, keeping: keepingAxis) }
  }
}
