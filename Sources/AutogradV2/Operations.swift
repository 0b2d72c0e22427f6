import AutogradEngine
import CAutogradV2

// C's names of the operations. What each does stands in Sources/AutogradEngine/Operations.

typealias V = UnsafeMutablePointer<VariableV2>

@c @implementation func autograd_v2_impl_ag_add(_ a: V!, _ b: V!) -> V! {
  operation("ag_add", a, b) { c, x, y throws(Misuse) in try c.add(x, y) }
}

@c @implementation func autograd_v2_impl_var_add(_ a: V!, _ b: V!) -> V! {
  operation("var_add", a, b) { c, x, y throws(Misuse) in try c.add(x, y) }
}

@c @implementation func autograd_v2_impl_ag_subtract(_ a: V!, _ b: V!) -> V! {
  operation("ag_subtract", a, b) { c, x, y throws(Misuse) in try c.subtract(x, y) }
}

@c @implementation func autograd_v2_impl_ag_multiply(_ a: V!, _ b: V!) -> V! {
  operation("ag_multiply", a, b) { c, x, y throws(Misuse) in try c.multiply(x, y) }
}

@c @implementation func autograd_v2_impl_ag_divide(_ a: V!, _ b: V!) -> V! {
  operation("ag_divide", a, b) { c, x, y throws(Misuse) in try c.divide(x, y) }
}

@c @implementation func autograd_v2_impl_ag_matmul(_ a: V!, _ b: V!) -> V! {
  operation("ag_matmul", a, b) { c, x, y throws(Misuse) in
    try c.matmul(x, y, transposingA: false, transposingB: false)
  }
}

@c @implementation func autograd_v2_impl_ag_matmul_transposed(
  _ a: V!, _ b: V!, _ transpose_a: Bool, _ transpose_b: Bool
) -> V! {
  operation("ag_matmul_transposed", a, b) { c, x, y throws(Misuse) in
    try c.matmul(x, y, transposingA: transpose_a, transposingB: transpose_b)
  }
}

@c @implementation func autograd_v2_impl_ag_transpose(_ x: V!) -> V! {
  operation("ag_transpose", x) { c, x throws(Misuse) in try c.transpose(x) }
}

@c @implementation func autograd_v2_impl_ag_permute(_ x: V!, _ order: UnsafePointer<Int32>!, _ rank: Int32)
  -> V!
{
  operation("ag_permute", x) { c, x throws(Misuse) in
    try c.permute(x, try axes(order, rank, "order"), "permute")
  }
}

@c @implementation func autograd_v2_impl_var_reshape(_ x: V!, _ shape: UnsafePointer<Int32>!, _ rank: Int32)
  -> V!
{
  operation("var_reshape", x) { c, x throws(Misuse) in try c.reshape(x, to: try axes(shape, rank, "shape")) }
}

/// A number for each axis, which may be negative.
private func axes(
  _ numbers: UnsafePointer<Int32>?, _ rank: Int32, _ what: StaticString
) throws(Misuse) -> Shape {
  guard rank >= 0, rank <= Shape.maximumRank else {
    throw Misuse("", "the \(what) has \(rank) axes", hint: "0 to \(Shape.maximumRank) axes are possible")
  }
  var list = Shape()
  for axis in 0..<Int(rank) {
    guard let numbers else { throw Misuse("", "the \(what) is NULL") }
    list.append(Int(numbers[axis]))
  }
  return list
}

// MARK: Element by element

@c @implementation func autograd_v2_impl_ag_relu(_ x: V!) -> V! {
  operation("ag_relu", x) { c, x throws(Misuse) in try c.unary(.relu, x) }
}

@c @implementation func autograd_v2_impl_var_relu(_ x: V!) -> V! {
  operation("var_relu", x) { c, x throws(Misuse) in try c.unary(.relu, x) }
}

@c @implementation func autograd_v2_impl_ag_gelu(_ x: V!) -> V! {
  operation("ag_gelu", x) { c, x throws(Misuse) in try c.unary(.geluTanh, x) }
}

@c @implementation func autograd_v2_impl_ag_gelu_exact(_ x: V!) -> V! {
  operation("ag_gelu_exact", x) { c, x throws(Misuse) in try c.unary(.geluErf, x) }
}

@c @implementation func autograd_v2_impl_ag_tanh(_ x: V!) -> V! {
  operation("ag_tanh", x) { c, x throws(Misuse) in try c.unary(.tanh, x) }
}

@c @implementation func autograd_v2_impl_ag_exp(_ x: V!) -> V! {
  operation("ag_exp", x) { c, x throws(Misuse) in try c.unary(.exp, x) }
}

@c @implementation func autograd_v2_impl_ag_log(_ x: V!) -> V! {
  operation("ag_log", x) { c, x throws(Misuse) in try c.unary(.log, x) }
}

@c @implementation func autograd_v2_impl_ag_sigmoid(_ x: V!) -> V! {
  operation("ag_sigmoid", x) { c, x throws(Misuse) in try c.unary(.sigmoid, x) }
}

@c @implementation func autograd_v2_impl_ag_silu(_ x: V!) -> V! {
  operation("ag_silu", x) { c, x throws(Misuse) in try c.unary(.silu, x) }
}

@c @implementation func autograd_v2_impl_ag_sqrt(_ x: V!) -> V! {
  operation("ag_sqrt", x) { c, x throws(Misuse) in try c.unary(.squareRoot, x) }
}

@c @implementation func autograd_v2_impl_ag_pow(_ x: V!, _ exponent: Double) -> V! {
  operation("ag_pow", x) { c, x throws(Misuse) in try c.power(x, exponent) }
}

@c @implementation func autograd_v2_impl_ag_power(_ base: V!, _ exponent: V!) -> V! {
  operation("ag_power", base, exponent) { c, x, y throws(Misuse) in try c.power(x, y) }
}

@c @implementation func autograd_v2_impl_ag_neg(_ x: V!) -> V! {
  operation("ag_neg", x) { c, x throws(Misuse) in try c.affine(x, scale: -1, shift: 0, "negate") }
}

@c @implementation func autograd_v2_impl_ag_abs(_ x: V!) -> V! {
  operation("ag_abs", x) { c, x throws(Misuse) in try c.unary(.absolute, x) }
}

@c @implementation func autograd_v2_impl_ag_clip(_ x: V!, _ low: Double, _ high: Double) -> V! {
  operation("ag_clip", x) { c, x throws(Misuse) in try c.clip(x, low: low, high: high) }
}

@c @implementation func autograd_v2_impl_ag_scale(_ x: V!, _ factor: Double) -> V! {
  operation("ag_scale", x) { c, x throws(Misuse) in try c.affine(x, scale: factor, shift: 0, "scale") }
}

@c @implementation func autograd_v2_impl_ag_dropout(_ x: V!, _ rate: Double) -> V! {
  operation("ag_dropout", x) { c, x throws(Misuse) in
    try c.checkDropout(rate, "dropout")
    return rate == 0 || !c.isRecording ? try c.reshape(x, to: c.nodes[x].shape) : try c.dropout(x, rate: rate)
  }
}

// MARK: Rows and axes

@c @implementation func autograd_v2_impl_ag_softmax(_ x: V!) -> V! {
  operation("ag_softmax", x) { c, x throws(Misuse) in try c.softmax(x) }
}

@c @implementation func autograd_v2_impl_ag_log_softmax(_ x: V!) -> V! {
  operation("ag_log_softmax", x) { c, x throws(Misuse) in try c.logSoftmax(x) }
}

@c @implementation func autograd_v2_impl_ag_log_sum_exp(_ x: V!, _ keep: Bool) -> V! {
  operation("ag_log_sum_exp", x) { c, x throws(Misuse) in try c.logSumExp(x, keeping: keep) }
}

@c @implementation func autograd_v2_impl_var_softmax_2d(_ x: V!) -> V! {
  operation("var_softmax_2d", x) { c, x throws(Misuse) in try c.softmax(x) }
}

/// Sum or mean over all axes, or over one.
private func reduce(_ name: StaticString, _ x: V?, _ axis: Int32?, keep: Bool, mean: Bool) -> V? {
  operation(name, x) { c, x throws(Misuse) in
    let axes = try c.axisBits(x, axis.map { [Int($0)] } ?? [], "sum")
    return try c.sum(x, over: axes, keeping: keep, mean: mean, mean ? "mean" : "sum")
  }
}

@c @implementation func autograd_v2_impl_ag_sum(_ x: V!) -> V! {
  reduce("ag_sum", x, nil, keep: false, mean: false)
}

@c @implementation func autograd_v2_impl_ag_mean(_ x: V!) -> V! {
  reduce("ag_mean", x, nil, keep: false, mean: true)
}

@c @implementation func autograd_v2_impl_ag_sum_axis(_ x: V!, _ axis: Int32, _ keep: Bool) -> V! {
  reduce("ag_sum_axis", x, axis, keep: keep, mean: false)
}

@c @implementation func autograd_v2_impl_ag_mean_axis(_ x: V!, _ axis: Int32, _ keep: Bool) -> V! {
  reduce("ag_mean_axis", x, axis, keep: keep, mean: true)
}

/// The variance of all elements, or along one axis.
private func variance(_ name: StaticString, _ x: V?, _ axis: Int32?, keep: Bool, correction: Double) -> V? {
  operation(name, x) { c, x throws(Misuse) in
    guard correction >= 0, correction.isFinite else {
      throw Misuse("", "a correction of \(correction)", hint: "give 0, or 1 for a sample's estimate")
    }
    let axes = try c.axisBits(x, axis.map { [Int($0)] } ?? [], "variance")
    return try c.variance(x, over: axes, keeping: keep, correction: correction)
  }
}

@c @implementation func autograd_v2_impl_ag_variance(_ x: V!, _ correction: Double) -> V! {
  variance("ag_variance", x, nil, keep: false, correction: correction)
}

@c @implementation func autograd_v2_impl_ag_variance_axis(
  _ x: V!, _ axis: Int32, _ keep: Bool, _ correction: Double
) -> V! {
  variance("ag_variance_axis", x, axis, keep: keep, correction: correction)
}

/// The largest or smallest element of all, or along one axis.
private func extremum(_ name: StaticString, _ x: V?, _ axis: Int32?, keep: Bool, minimum: Bool) -> V? {
  operation(name, x) { c, x throws(Misuse) in
    let axes = try c.axisBits(x, axis.map { [Int($0)] } ?? [], name)
    return try c.extremum(x, over: axes, keeping: keep, minimum: minimum, name)
  }
}

@c @implementation func autograd_v2_impl_ag_max(_ x: V!) -> V! {
  extremum("ag_max", x, nil, keep: false, minimum: false)
}

@c @implementation func autograd_v2_impl_ag_min(_ x: V!) -> V! {
  extremum("ag_min", x, nil, keep: false, minimum: true)
}

@c @implementation func autograd_v2_impl_ag_max_axis(_ x: V!, _ axis: Int32, _ keep: Bool) -> V! {
  extremum("ag_max_axis", x, axis, keep: keep, minimum: false)
}

@c @implementation func autograd_v2_impl_ag_min_axis(_ x: V!, _ axis: Int32, _ keep: Bool) -> V! {
  extremum("ag_min_axis", x, axis, keep: keep, minimum: true)
}

@c @implementation func autograd_v2_impl_ag_slice(_ x: V!, _ axis: Int32, _ start: Int32, _ length: Int32)
  -> V!
{
  operation("ag_slice", x) { c, x throws(Misuse) in
    try c.slice(x, axis: Int(axis), start: Int(start), length: Int(length))
  }
}

@c @implementation func autograd_v2_impl_ag_concat(
  _ parts: UnsafeMutablePointer<V?>!, _ count: Int32, _ axis: Int32
) -> V! {
  join("ag_concat", parts, count) { c, parts throws(Misuse) in
    try c.concatenate(parts, count: Int(count), axis: Int(axis))
  }
}

@c @implementation func autograd_v2_impl_ag_stack(
  _ parts: UnsafeMutablePointer<V?>!, _ count: Int32, _ axis: Int32
) -> V! {
  join("ag_stack", parts, count) { c, parts throws(Misuse) in
    try c.stack(parts, count: Int(count), axis: Int(axis))
  }
}

/// Runs an operation of a list of variables.
private func join(
  _ name: StaticString, _ parts: UnsafeMutablePointer<V?>?, _ count: Int32,
  _ body: (TapeCore, UnsafePointer<Slot>) throws(Misuse) -> Slot
) -> V? {
  call(name, nil) { context throws(Misuse) in
    guard count > 0 else { throw Misuse("", "\(count) parts to join") }
    guard let parts else { throw Misuse("", "the list of parts is NULL") }
    return try context.record(name, operations: Int(count)) { () throws(Misuse) in
      let list = try context.allocateList(Slot.self, Int(count))
      for index in 0..<Int(count) { list[index] = try context.slot(parts[index], "part \(index)") }
      return try context.finish(name, try body(context.core, list), capacity: Int(count)) { list in
        for index in 0..<Int(count) { list.add(parts[index]) }
      }
    }
  }
}
