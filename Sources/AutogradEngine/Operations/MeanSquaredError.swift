import CAutogradKernels

// The mean squared error, and what it shares with the binary cross-entropy: losses of predictions x against real targets
// t of the same shape, averaged over all n elements:
//   squaredError         Σ (x − t)²/n                                    dx = 2(x − t)/n          dt = −dx
//   binaryCrossEntropy   Σ (max(x, 0) − x·t + log(1 + e^−|x|))/n         dx = (sigmoid(x) − t)/n  dt = −x/n
// Sums are right to their last digit: over 1024 elements in the kernel, those in double and in order. Keep nothing but the operands.
//
// INVARIANT: as in TapeCore+Kernels.swift.

extension OperationKind {
  /// The kernels' code of a loss of pairs, and about how many times an addition it costs.
  var pairLoss: (op: ck_pair_loss_op, cost: Int, name: StaticString) {
    switch self {
    case .squaredError: (CK_SQUARED_ERROR, 1, "squaredError")
    case .binaryCrossEntropy: (CK_BINARY_CROSS_ENTROPY, 12, "binaryCrossEntropy")
    default: fatalError("\(self) is not a loss of pairs")
    }
  }
}

extension TapeCore {
  package func pairLoss(_ kind: OperationKind, _ x: Slot, _ targets: Slot) throws(Misuse) -> Slot {
    let (op, cost, name) = kind.pairLoss, shape = nodes[x].shape, count = shape.count
    guard nodes[targets].shape == shape else {
      throw Misuse(
        name, "predictions \(shape) want targets of the same shape; got \(nodes[targets].shape)",
        hint: "reshape one of them: broadcasting here would hide a mistake")
    }
    let y = try result(Shape(), name, of: x, targets), units = (count + 1023) / 1024
    let partials = unsafe try rowLosses(units, name)
    let arguments = unsafe ck_pair_loss(
      op: op, x: data(x), targets: data(targets), partials: partials, count: count)
    unsafe run(arguments, count: units, grain: max(1, 16 / cost))
    unsafe setElement(data(y), to: total(partials, units) / Double(count))
    unsafe record(kind, x, targets, output: y)
    return y
  }

  func pairLossBackward(_ record: Record) throws(Misuse) {
    let (op, cost, name) = record.kind.pairLoss, x = record.inputs[0], targets = record.inputs[1]
    let dx = unsafe try contribution(to: x, name), count = nodes[x].shape.count
    // Where both are the same variable the second adds to the first, vector by vector.
    let dt = unsafe try contribution(to: targets, name)
    let seed = unsafe element(gradient(of: record.output))
    let arguments = unsafe ck_pair_loss_backward(
      op: op, dx: dx?.target, dtargets: dt?.target, x: data(x), targets: data(targets),
      scale: seed / Double(count),
      accumulate_x: dx?.accumulate ?? 0, accumulate_targets: dt?.accumulate ?? 0)
    unsafe runElements(arguments, count: count, cost: cost)
  }
}

extension Variable {
  /// The mean squared difference from `targets`. The mean of nothing is NaN.
  ///
  /// Shapes: `self` and `targets` [...] → [].
  ///
  /// - Precondition: Equal shapes, without broadcasting; otherwise stops and prints both.
  /// - Complexity: 3 flops per element, 3 backward; keeps nothing but the operands.
  public func squaredError(_ targets: some Operand<Scalar>) -> Variable {
    apply(targets, "squaredError") { c, x, t throws(Misuse) in try c.pairLoss(.squaredError, x, t) }
  }
}
