import AutogradBase
import CAutogradKernels

// Cross-entropy of logits against token targets, averaged over the targets that count, by weights w if there are any:
//   loss = Σ w · (log Σ exp(x) − x[target]) / n,   dx = w · (softmax(x) − onehot) / n,   n = Σ w, or how many count.
// Row losses are kept in double and added in order, without loss. Stable for large logits.
//
// INVARIANT: as in TapeCore+Kernels.swift; targets lie inside the vocabulary, which `checkTokens` makes sure of.

package extension TapeCore {
  func crossEntropy(
    _ logits: Slot, _ targets: Slot, ignoring: Int32?, weights: Slot = -1
  ) throws(Misuse) -> Slot {
    let shape = nodes[logits].shape, V = shape.last, rows = shape.rows
    guard shape.rank >= 1, nodes[targets].shape == shape.droppingLast() else {
      throw Misuse(
        "crossEntropy", "logits \(shape) want targets \(shape.rank >= 1 ? shape.droppingLast() : shape); "
          + "got \(nodes[targets].shape)")
    }
    try checkTokens(targets, below: V, ignoring: ignoring, "crossEntropy")
    let divisor = try lossDivisor(targets, ignoring, weights: weights, "crossEntropy")
    let y = try result(Shape(), "crossEntropy", of: logits)
    let losses = unsafe try rowLosses(rows, "crossEntropy")
    let arguments = unsafe ck_cross_entropy(
      x: data(logits), gradient: nil, losses: losses, targets: tokenData(targets), weights: optionalData(weights),
      columns: V, x_stride: V, ignore: ignoring ?? .min, accumulate: 0, scale: 1, soft_cap: 0, z_loss: 0)
    unsafe runRows(arguments, count: rows, columns: V)
    unsafe setElement(data(y), to: total(losses, rows) / divisor)
    unsafe record(
      .crossEntropy, logits, targets, weights, output: y, integers: [Int(ignoring ?? .min), 0, 0, 0],
      scalars: [divisor, 0])
    return y
  }

  /// Records a loss that was computed elsewhere: the mean over all targets, without weights.
  func recordCrossEntropy(_ logits: Slot, _ targets: Slot, loss: Slot) {
    unsafe record(
      .crossEntropy, logits, targets, output: loss, integers: [Int(Int32.min), 0, 0, 0],
      scalars: [Double(nodes[targets].shape.count), 0])
  }

  func crossEntropyBackward(_ record: Record) throws(Misuse) {
    let logits = record.inputs[0], shape = nodes[logits].shape, V = shape.last
    guard let target = unsafe try contribution(to: logits, "crossEntropy") else { return }
    let seed = unsafe element(gradient(of: record.output))
    // The kernel writes the loss too; nobody reads it again.
    let losses = unsafe try rowLosses(shape.rows, "crossEntropy")
    let arguments = unsafe ck_cross_entropy(
      x: data(logits), gradient: target.target, losses: losses, targets: tokenData(record.inputs[1]),
      weights: optionalData(record.inputs[2]), columns: V, x_stride: V, ignore: Int32(record.integers[0]),
      accumulate: target.accumulate, scale: seed / record.scalars[0], soft_cap: 0, z_loss: 0)
    unsafe runRows(arguments, count: shape.rows, columns: V)
  }

  /// A buffer for one double per row.
  @unsafe func rowLosses(_ rows: Int, _ operation: StaticString) throws(Misuse) -> UnsafeMutablePointer<Double> {
    let bytes = rows * 8
    return unsafe try allocate(bytes, Shape([rows] as InlineArray<1, Int>), operation)
      .bindMemory(to: Double.self, capacity: rows)
  }

  /// What the losses of all targets together are divided by: the number of those that are not ignored, or the sum of
  /// their weights. Where that sum is 0, all losses are, too, and it is 1.
  func lossDivisor(
    _ targets: Slot, _ ignored: Int32?, weights: Slot, _ operation: StaticString
  ) throws(Misuse) -> Double {
    guard weights >= 0 else { return Double(countedTargets(targets, ignored)) }
    guard nodes[weights].shape == nodes[targets].shape else {
      throw Misuse(
        operation, "targets \(nodes[targets].shape) want weights of the same shape; got \(nodes[weights].shape)")
    }
    guard !requiresGradient(weights) else {
      throw Misuse(
        operation, "the weights depend on a trainable parameter, and the loss has no gradient with respect to them",
        hint: "give numbers: tape.input(weights.tensor)")
    }
    if isPlanning { return .nan }
    let data = unsafe self.data(weights), ids = unsafe tokenData(targets)
    var sum = CompensatedSum()
    for index in 0..<nodes[weights].shape.count {
      let weight = unsafe element(data, index)
      guard weight.isFinite, weight >= 0 else {
        throw Misuse(
          operation, "weight \(weight) at position \(index)",
          hint: "weights are finite and not negative; 0 masks a target")
      }
      if unsafe ids[index] != ignored { sum.add(weight) }
    }
    guard sum.total.isFinite else {
      throw Misuse(operation, "the weights add up to \(sum.total)", hint: "make them smaller: only their ratios count")
    }
    return sum.total == 0 ? 1 : sum.total
  }

  /// The number of targets that are not ignored.
  private func countedTargets(_ targets: Slot, _ ignored: Int32?) -> Int {
    let count = nodes[targets].shape.count
    guard let ignored, !isPlanning else { return count }
    let data = unsafe tokenData(targets)
    var counted = 0
    for index in 0..<count where unsafe data[index] != ignored { counted += 1 }
    return counted
  }

  @unsafe func total(_ losses: UnsafeMutablePointer<Double>, _ rows: Int) -> Double {
    if isPlanning { return .nan }
    var sum = CompensatedSum()
    for row in 0..<rows { unsafe sum.add(losses[row]) }
    return sum.total
  }
}

extension Variable {
  /// The mean negative log-likelihood of `targets` under softmax of the last axis, in nats.
  ///
  /// Targets equal to `ignoring` count neither in the sum nor in the mean; if all are ignored the loss is NaN. With
  /// `weights` it is the mean by them: a weight of 0 masks a target, whatever its logits hold, and if all are 0 the
  /// loss is 0, with gradients of zeros. Where the logits come from a linear layer, `linearCrossEntropy` needs a
  /// fraction of the memory.
  ///
  /// Shapes: `self` [..., V], `targets` [...], `weights` [...] → [].
  ///
  /// - Parameter weights: What each target counts. They get no gradient.
  /// - Precondition: Every target lies in 0..<V or equals `ignoring`; every weight is finite and not negative;
  ///   otherwise stops and names it.
  /// - Complexity: about 10 flops per logit, twice in backward; keeps nothing but the logits.
  public func crossEntropy(
    _ targets: Tokens, ignoring: Int32? = nil, weights: (any Operand<Scalar>)? = nil
  ) -> Variable {
    apply("crossEntropy") { c, x throws(Misuse) in
      try c.crossEntropy(
        x, try c.slot(targets.handle, "crossEntropy"), ignoring: ignoring,
        weights: try c.place(weights, "crossEntropy"))
    }
  }
}
