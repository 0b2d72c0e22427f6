import AutogradBase
import CAutogradKernels

// Cross-entropy of logits against token targets, averaged over the targets that count:
//   loss = Σ (log Σ exp(x) − x[target]) / n,   dx = (softmax(x) − onehot) / n.
// Row losses are kept in double and added in order, without loss. Stable for large logits.
//
// INVARIANT: as in TapeCore+Kernels.swift; targets lie inside the vocabulary, which `checkTokens` makes sure of.

package extension TapeCore {
  func crossEntropy(_ logits: Slot, _ targets: Slot, ignoring: Int32?) throws(Misuse) -> Slot {
    let shape = nodes[logits].shape, V = shape.last, rows = shape.rows
    guard shape.rank >= 1, nodes[targets].shape == shape.droppingLast() else {
      throw Misuse(
        "crossEntropy", "logits \(shape) want targets \(shape.rank >= 1 ? shape.droppingLast() : shape); "
          + "got \(nodes[targets].shape)")
    }
    try checkTokens(targets, below: V, ignoring: ignoring, "crossEntropy")
    let y = try result(Shape(), "crossEntropy", of: logits)
    let losses = unsafe try rowLosses(rows, "crossEntropy")
    let arguments = unsafe ck_cross_entropy(
      x: data(logits), gradient: nil, losses: losses, targets: tokenData(targets), columns: V, x_stride: V,
      ignore: ignoring ?? .min, accumulate: 0, scale: 1)
    unsafe runRows(arguments, count: rows, columns: V)
    let counted = countedTargets(targets, ignoring)
    unsafe setElement(data(y), to: total(losses, rows) / Double(counted))
    unsafe record(
      .crossEntropy, logits, targets, output: y, integers: [Int(ignoring ?? .min), counted, 0, 0])
    return y
  }

  func crossEntropyBackward(_ record: Record) throws(Misuse) {
    let logits = record.inputs[0], shape = nodes[logits].shape, V = shape.last
    guard let target = unsafe try contribution(to: logits, "crossEntropy") else { return }
    let seed = unsafe element(gradient(of: record.output))
    // The kernel writes the loss too; nobody reads it again.
    let losses = unsafe try rowLosses(shape.rows, "crossEntropy")
    let arguments = unsafe ck_cross_entropy(
      x: data(logits), gradient: target.target, losses: losses, targets: tokenData(record.inputs[1]), columns: V,
      x_stride: V, ignore: Int32(record.integers[0]), accumulate: target.accumulate,
      scale: seed / Double(record.integers[1]))
    unsafe runRows(arguments, count: shape.rows, columns: V)
  }

  /// A buffer for one double per row.
  @unsafe func rowLosses(_ rows: Int, _ operation: StaticString) throws(Misuse) -> UnsafeMutablePointer<Double> {
    let bytes = rows * 8
    return unsafe try allocate(bytes, Shape([rows] as InlineArray<1, Int>), operation)
      .bindMemory(to: Double.self, capacity: rows)
  }

  /// The number of targets that are not ignored.
  func countedTargets(_ targets: Slot, _ ignored: Int32?) -> Int {
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
  /// Targets equal to `ignoring` count neither in the sum nor in the mean; if all are ignored the loss is NaN.
  /// Where the logits come from a linear layer, `linearCrossEntropy` needs a fraction of the memory.
  ///
  /// Shapes: `self` [..., V], `targets` [...] → [].
  ///
  /// - Precondition: Every target lies in 0..<V or equals `ignoring`; otherwise stops and names it.
  /// - Complexity: about 10 flops per logit, twice in backward; keeps nothing but the logits.
  public func crossEntropy(_ targets: Tokens, ignoring: Int32? = nil) -> Variable {
    apply("crossEntropy") { c, x throws(Misuse) in
      try c.crossEntropy(x, try c.slot(targets.handle, "crossEntropy"), ignoring: ignoring)
    }
  }
}
