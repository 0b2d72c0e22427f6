import AutogradEngine
import AutogradBase
import CAutogradV2

// Plain tensors: made, filled, combined without a tape.

typealias T = UnsafeMutablePointer<TensorV2>

@c @implementation func autograd_v2_impl_tensor_create_persistent(
  _ shape: UnsafePointer<Int32>!, _ rank: Int32
) -> T! {
  call("tensor_create_persistent", nil) { context throws(Misuse) in
    try context.persistentTensor(try context.shape(shape, rank))
  }
}

@c @implementation func autograd_v2_impl_tensor_zeros_persistent(
  _ shape: UnsafePointer<Int32>!, _ rank: Int32
) -> T! {
  call("tensor_zeros_persistent", nil) { context throws(Misuse) in
    try context.persistentTensor(try context.shape(shape, rank))
  }
}

@c @implementation func autograd_v2_impl_tensor_create_temp(
  _ shape: UnsafePointer<Int32>!, _ rank: Int32
) -> T! {
  temporary("tensor_create_temp", shape, rank)
}

@c @implementation func autograd_v2_impl_tensor_zeros_temp(_ shape: UnsafePointer<Int32>!, _ rank: Int32) -> T! {
  temporary("tensor_zeros_temp", shape, rank)
}

/// Both names give zeros: what a program has not written yet must not depend on the iteration before.
private func temporary(_ name: StaticString, _ shape: UnsafePointer<Int32>?, _ rank: Int32) -> T? {
  call(name, nil) { context throws(Misuse) in
    let tensor = try context.temporaryTensor(try context.shape(shape, rank))
    tensor.pointee.data.update(repeating: 0, count: Int(tensor.pointee.size))
    return tensor
  }
}

@c @implementation func autograd_v2_impl_tensor_randn_persistent(
  _ shape: UnsafePointer<Int32>!, _ rank: Int32, _ scale: Double
) -> T! {
  call("tensor_randn_persistent", nil) { context throws(Misuse) in
    guard scale >= 0, scale.isFinite else {
      throw Misuse("", "a standard deviation of \(scale)", hint: "give 0 or more, and finite")
    }
    let tensor = try context.persistentTensor(try context.shape(shape, rank))
    context.fillNormal(tensor, deviation: scale)
    return tensor
  }
}

@c @implementation func autograd_v2_impl_tensor_clone_temp(_ tensor: UnsafePointer<TensorV2>!) -> T! {
  call("tensor_clone_temp", nil) { context throws(Misuse) in
    let source = try context.check(tensor), shape = try context.shape(of: source)
    let copy = try context.temporaryTensor(shape)
    copy.pointee.data.update(from: source.pointee.data, count: shape.count)
    return copy
  }
}

@c @implementation func autograd_v2_impl_tensor_free_persistent(_ tensor: T!) {
  call("tensor_free_persistent", ()) { context throws(Misuse) in
    // The arena sees to temporaries, of whatever iteration.
    guard let tensor, !Context.isTemporary(tensor) else { return }
    let checked = try context.check(tensor)
    guard context.owner(of: checked) == nil else {
      throw Misuse("", "a variable owns this tensor", hint: "free the variable with var_free_persistent")
    }
    context.freePersistent(checked)
  }
}

@c @implementation func autograd_v2_impl_tensor_init_xavier(_ tensor: T!) {
  call("tensor_init_xavier", ()) { context throws(Misuse) in
    context.fillXavier(try context.check(tensor), try context.shape(of: try context.check(tensor)))
  }
}

extension Context {
  /// The next stream of random numbers for weights.
  func initializationStream() -> RandomStream {
    draws.initialization += 1
    return RandomStream(seed: seed, purpose: .initialization, step: draws.initialization)
  }

  func fillNormal(_ tensor: TensorPointer, deviation: Double) {
    var random = initializationStream()
    for index in 0..<Int(tensor.pointee.size) { tensor.pointee.data[index] = random.normal() * deviation }
  }

  /// Glorot and Bengio, 2010: uniform in ±√(6/(inputs + outputs)), so that the variance is 2/(inputs + outputs).
  func fillXavier(_ tensor: TensorPointer, _ shape: Shape) {
    var random = initializationStream()
    let outputs = shape.rank == 0 ? 1 : shape[0], inputs = shape.rank < 2 ? 1 : shape[1]
    let field = shape.rank > 2 ? shape.count(of: 2..<shape.rank) : 1
    let limit = (6 / Double(max(1, (inputs + outputs) * field))).squareRoot()
    for index in 0..<shape.count { tensor.pointee.data[index] = (2 * random.uniform() - 1) * limit }
  }

  /// Runs an operation on tensors: what it makes is a temporary tensor.
  fileprivate func compute(
    _ name: StaticString, _ a: T?, _ b: T?, _ body: (TapeCore, Slot, Slot) throws(Misuse) -> Slot
  ) throws(Misuse) -> T {
    try reserve(operations: 1)
    let x = try slot(a, "argument 1"), y = b == nil ? -1 : try slot(b, "argument 2")
    let result = try core.inference { () throws(Misuse) in try body(core, x, y) }
    try checkMemory("tensor")
    return try temporaryTensorHeader(core.nodes[result].shape, core.nodes[result].data)
  }
}

private func unary(_ name: StaticString, _ x: T?, _ body: (TapeCore, Slot) throws(Misuse) -> Slot) -> T? {
  call(name, nil) { context throws(Misuse) in
    try context.compute(name, x, nil) { core, x, _ throws(Misuse) in try body(core, x) }
  }
}

private func binary(
  _ name: StaticString, _ a: T?, _ b: T?, _ body: (TapeCore, Slot, Slot) throws(Misuse) -> Slot
) -> T? {
  call(name, nil) { context throws(Misuse) in
    guard b != nil else { throw context.missing("argument 2") }
    return try context.compute(name, a, b, body)
  }
}

@c @implementation func autograd_v2_impl_tensor_add(_ a: T!, _ b: T!) -> T! {
  binary("tensor_add", a, b) { c, x, y throws(Misuse) in try c.add(x, y) }
}

@c @implementation func autograd_v2_impl_tensor_subtract(_ a: T!, _ b: T!) -> T! {
  binary("tensor_subtract", a, b) { c, x, y throws(Misuse) in try c.subtract(x, y) }
}

@c @implementation func autograd_v2_impl_tensor_multiply(_ a: T!, _ b: T!) -> T! {
  binary("tensor_multiply", a, b) { c, x, y throws(Misuse) in try c.multiply(x, y) }
}

@c @implementation func autograd_v2_impl_tensor_matmul(_ a: T!, _ b: T!) -> T! {
  binary("tensor_matmul", a, b) { c, x, y throws(Misuse) in
    try c.matmul(x, y, transposingA: false, transposingB: false)
  }
}

@c @implementation func autograd_v2_impl_tensor_transpose(_ x: T!) -> T! {
  unary("tensor_transpose", x) { c, x throws(Misuse) in try c.transpose(x) }
}

@c @implementation func autograd_v2_impl_tensor_relu(_ x: T!) -> T! {
  unary("tensor_relu", x) { c, x throws(Misuse) in try c.unary(.relu, x) }
}

@c @implementation func autograd_v2_impl_tensor_softmax(_ x: T!) -> T! {
  unary("tensor_softmax", x) { c, x throws(Misuse) in try c.softmax(x) }
}

@c @implementation func autograd_v2_impl_tensor_sum(_ tensor: UnsafePointer<TensorV2>!) -> Double {
  call("tensor_sum", .nan) { context throws(Misuse) in
    let tensor = try context.check(tensor)
    return compensatedSum(UnsafeBufferPointer(start: tensor.pointee.data, count: try context.shape(of: tensor).count))
  }
}

/// The sum in eight lanes, each of which keeps what its additions round off (Knuth's exact sum of two): the error does
/// not grow with the count. A sum that is not finite is as plain addition has it.
private func compensatedSum(_ numbers: UnsafeBufferPointer<Double>) -> Double {
  var sum = SIMD8<Double>(repeating: 0), lost = SIMD8<Double>(repeating: 0)
  func add(_ next: SIMD8<Double>) {
    let larger = sum + next, part = larger - sum
    lost += (sum - (larger - part)) + (next - part)
    sum = larger
  }
  let whole = numbers.count / 8 * 8
  for start in stride(from: 0, to: whole, by: 8) {
    add(UnsafeRawPointer(numbers.baseAddress! + start).loadUnaligned(as: SIMD8<Double>.self))
  }
  var rest = SIMD8<Double>(repeating: 0)
  for index in whole..<numbers.count { rest[index - whole] = numbers[index] }
  add(rest)
  var total = 0.0, remainder = lost.sum()
  for lane in 0..<8 {
    let larger = total + sum[lane], part = larger - total
    remainder += (total - (larger - part)) + (sum[lane] - part)
    total = larger
  }
  return total.isFinite ? total + remainder : total
}
