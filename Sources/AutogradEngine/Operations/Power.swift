import CAutogradKernels

// Powers: y = aᵇ, NumPy broadcasting both ways.
//   da = dy · b · aᵇ⁻¹ (0 where b is 0),   db = dy · aᵇ · log a (0 where a is 0 and b ≥ 0; NaN where a < 0).
// The power itself is the C library's, one element at a time, but for the exponents 1 and 2. Keeps the
// operands.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func power(_ a: Slot, _ b: Slot) throws(Misuse) -> Slot {
    let shape = try Shape.broadcast(nodes[a].shape, nodes[b].shape, "power")
    let y = try result(shape, "power", of: a, b)
    unsafe combine(
      CK_POWER, shape, (data(a), nodes[a].shape), (data(b), nodes[b].shape), into: data(y), adds: false)
    unsafe record(.power, a, b, output: y)
    return y
  }

  func power(_ a: Slot, _ exponent: Double) throws(Misuse) -> Slot { try power(a, try constant(exponent)) }

  func powerBackward(_ record: Record) throws(Misuse) {
    try powerGradient(record, CK_POWER_BASE_SLOPE, into: record.inputs[0])
    try powerGradient(record, CK_POWER_EXPONENT_SLOPE, into: record.inputs[1])
  }

  private func powerGradient(_ record: Record, _ slope: ck_binary_op, into input: Slot) throws(Misuse) {
    guard requiresGradient(input) else { return }
    let a = record.inputs[0], b = record.inputs[1], shape = nodes[record.output].shape
    let product = unsafe try allocateGradient(shape, "power")
    unsafe combine(
      slope, shape, (data(a), nodes[a].shape), (data(b), nodes[b].shape), into: product, adds: false)
    unsafe combine(
      CK_MULTIPLY, shape, (product, shape), (gradient(of: record.output), shape), into: product, adds: false)
    unsafe try sumGradient(unsafe product, shape, into: input, scale: 1, "power")
    unsafe free(product, shape)
  }
}

extension Variable {
  /// Raises each element to a power; shapes as for `+`.
  ///
  /// For squares `x * x` is faster, for roots `sqrt()`: this takes the C library's power, an element at a
  /// time. A negative base has powers with whole exponents only: NaN otherwise.
  ///
  /// - Complexity: about 50 flops per element, twice that backward.
  public func power(_ exponent: some Operand<Scalar>) -> Variable {
    apply(exponent, "power") { c, x, y throws(Misuse) in try c.power(x, y) }
  }

  /// Raises each element to a power.
  public func power(_ exponent: Scalar) -> Variable {
    apply("power") { c, x throws(Misuse) in try c.power(x, Double(exponent)) }
  }
}
