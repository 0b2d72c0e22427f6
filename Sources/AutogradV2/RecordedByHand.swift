import AutogradEngine
import CAutogradV2

// Operations whose forward the program computed itself: only their backward is recorded.

extension Context {
  /// Records a layer normalisation of `rows` rows whose means and variances the program knows.
  fileprivate func recordLayerNorm(
    _ name: StaticString, _ out: V?, _ input: V?, _ gamma: V?, _ beta: V?, _ means: UnsafePointer<Double>?,
    _ variances: UnsafePointer<Double>?, _ rows: Int
  ) throws(Misuse) {
    guard let means, let variances else { throw Misuse("", "means or variances are NULL") }
    try reserve(operations: 1, name)
    let y = try slot(out, "out"), x = try slot(input, "in")
    let scale = gamma == nil ? -1 : try slot(gamma, "gamma"), shift = beta == nil ? -1 : try slot(beta, "beta")
    let shape = core.nodes[x].shape
    guard core.nodes[y].shape == shape, shape.rows == rows else {
      throw Misuse(
        "", "in is \(shape), which has \(shape.rows) rows; out is \(core.nodes[y].shape), \(rows) rows named")
    }
    for slot in [scale, shift] where slot >= 0 && core.nodes[slot].shape.count != shape.last {
      throw Misuse("", "gamma and beta must have \(shape.last) elements, got shape \(core.nodes[slot].shape)")
    }
    for row in 0..<rows where variances[row] < 0 {
      throw Misuse("", "a variance of \(variances[row]) in row \(row)", hint: "variances are 0 or more")
    }
    let mean = try core.allocate(rows * 8, shape, name), reciprocal = try core.allocate(rows * 8, shape, name)
    for row in 0..<rows {
      mean.storeBytes(of: means[row], toByteOffset: row * 8, as: Double.self)
      reciprocal.storeBytes(
        of: 1 / (variances[row] + 1e-5).squareRoot(), toByteOffset: row * 8, as: Double.self)
    }
    try recordByHand(out, [input, gamma, beta]) {
      core.record(.layerNorm, x, scale, shift, output: y, saved: [mean, reciprocal, nil])
    }
  }

  /// Enters the operation where a gradient can flow.
  fileprivate func recordByHand(_ out: V?, _ inputs: InlineArray<3, V?>, _ record: () -> Void) throws(Misuse) {
    guard let out, recordsNow, out.pointee.requires_grad else { return }
    guard out.pointee.private_kind == HeaderKind.temporaryVariable,
      core.nodes[Slot(out.pointee.private_slot)].record < 0
    else { throw Misuse("", "the output is persistent, or an operation made it already", hint: "use var_create_temp") }
    try enter(out, on: tape, capacity: 3, backward: nil, context: nil) { list in
      for index in 0..<3 where inputs[index] != nil { list.add(inputs[index]) }
    }
    record()
  }
}

@c @implementation func autograd_v2_impl_tape_record_layer_norm(
  _ out: V!, _ in: V!, _ gamma: V!, _ beta: V!, _ mean: Double, _ `var`: Double
) -> Int32 {
  call("tape_record_layer_norm", -1) { context throws(Misuse) in
    var mean = mean, variance = `var`
    try context.recordLayerNorm("tape_record_layer_norm", out, `in`, gamma, beta, &mean, &variance, 1)
    return 0
  }
}

@c @implementation func autograd_v2_impl_tape_record_layer_norm_v2(
  _ out: V!, _ in: V!, _ gamma: V!, _ beta: V!, _ means: UnsafePointer<Double>!, _ vars: UnsafePointer<Double>!,
  _ n: Int32
) -> Int32 {
  call("tape_record_layer_norm_v2", -1) { context throws(Misuse) in
    try context.recordLayerNorm("tape_record_layer_norm_v2", out, `in`, gamma, beta, means, vars, Int(n))
    return 0
  }
}

@c @implementation func autograd_v2_impl_tape_record_cross_entropy(
  _ loss: V!, _ logits: V!, _ targets: UnsafePointer<Int32>!, _ seq_len: Int32
) -> Int32 {
  call("tape_record_cross_entropy", -1) { context throws(Misuse) in
    try context.reserve(operations: 1, "tape")
    let y = try context.slot(loss, "the loss"), x = try context.slot(logits, "logits")
    let shape = context.core.nodes[x].shape
    guard shape.rank >= 1, shape.rows == Int(seq_len), context.core.nodes[y].shape.count == 1 else {
      throw Misuse("", "logits \(shape) have \(shape.rows) rows, seq_len is \(seq_len); the loss must be one number")
    }
    let ids = try context.tokens(targets, shape.droppingLast())
    try context.core.checkTokens(ids, below: shape.last, "targets")
    try context.recordByHand(loss, [logits, nil, nil]) {
      context.core.recordCrossEntropy(x, ids, loss: y)
    }
    return 0
  }
}
