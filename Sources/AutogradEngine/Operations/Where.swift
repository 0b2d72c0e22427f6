import CAutogradKernels

// Comparisons, and a choice by a mask: NumPy's `where`.
//
//   compare   y = 1 where it holds, else 0; no gradient, never recorded. With NaN only .!= holds.
//   select    y = a where the mask is not 0, else b;   da = dy there, 0 elsewhere;   db the other way round
//
// INVARIANT: as in TapeCore+Kernels.swift.

extension TapeCore {
  package func compare(
    _ op: ck_binary_op, _ a: Slot, _ b: Slot, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    let shape = try Shape.broadcast(nodes[a].shape, nodes[b].shape, operation)
    let y = try temporary(shape, operation, requiresGradient: false)
    unsafe combine(
      op, shape, (data(a), nodes[a].shape), (data(b), nodes[b].shape), into: data(y), adds: false)
    return y
  }

  package func select(_ mask: Slot, _ a: Slot, _ b: Slot) throws(Misuse) -> Slot {
    let shape = try Shape.broadcast(
      try Shape.broadcast(nodes[a].shape, nodes[b].shape, "replacing"), nodes[mask].shape, "replacing")
    let y = try result(shape, "replacing", of: a, b), m = unsafe (data(mask), nodes[mask].shape)
    unsafe combine(CK_KEEP_WHERE, shape, m, (data(a), nodes[a].shape), into: data(y), adds: false)
    unsafe combine(CK_KEEP_UNLESS, shape, m, (data(b), nodes[b].shape), into: data(y), adds: true)
    unsafe record(.select, mask, a, b, output: y)
    return y
  }

  func selectBackward(_ record: Record) throws(Misuse) {
    try selectGradient(record, CK_KEEP_WHERE, into: record.inputs[1])
    try selectGradient(record, CK_KEEP_UNLESS, into: record.inputs[2])
  }

  private func selectGradient(_ record: Record, _ op: ck_binary_op, into input: Slot) throws(Misuse) {
    guard requiresGradient(input) else { return }
    let mask = record.inputs[0], shape = nodes[record.output].shape
    let m = unsafe (data(mask), nodes[mask].shape), dy = unsafe (gradient(of: record.output), shape)
    if nodes[input].shape == shape {
      guard let target = unsafe try contribution(to: input, "replacing") else { return }
      unsafe combine(op, shape, m, dy, into: target.target, adds: target.adds)
      return
    }
    let chosen = unsafe try allocateGradient(shape, "replacing")
    unsafe combine(op, shape, m, dy, into: chosen, adds: false)
    unsafe try sumGradient(unsafe chosen, shape, into: input, scale: 1, "replacing")
    unsafe free(chosen, shape)
  }
}

extension Variable {
  /// 1 where `a` is less than `b`, else 0, with the shapes of `+`. A constant: gradients end here, as they do
  /// at the other comparisons. Where one side is NaN all of them give 0, but `.!=` gives 1.
  public static func .< (a: Variable, b: Variable) -> Variable { a.compare(CK_LESS, b, ".<") }
  public static func .<= (a: Variable, b: Variable) -> Variable { a.compare(CK_LESS_EQUAL, b, ".<=") }
  public static func .> (a: Variable, b: Variable) -> Variable { b.compare(CK_LESS, a, ".>") }
  public static func .>= (a: Variable, b: Variable) -> Variable { b.compare(CK_LESS_EQUAL, a, ".>=") }
  public static func .== (a: Variable, b: Variable) -> Variable { a.compare(CK_EQUAL, b, ".==") }
  public static func .!= (a: Variable, b: Variable) -> Variable { a.compare(CK_NOT_EQUAL, b, ".!=") }

  public static func .< (a: Variable, b: Scalar) -> Variable { a.compare(CK_LESS, b, ".<") }
  public static func .<= (a: Variable, b: Scalar) -> Variable { a.compare(CK_LESS_EQUAL, b, ".<=") }
  public static func .> (a: Variable, b: Scalar) -> Variable {
    a.compare(CK_LESS, b, numberFirst: true, ".>")
  }
  public static func .>= (a: Variable, b: Scalar) -> Variable {
    a.compare(CK_LESS_EQUAL, b, numberFirst: true, ".>=")
  }
  public static func .== (a: Variable, b: Scalar) -> Variable { a.compare(CK_EQUAL, b, ".==") }
  public static func .!= (a: Variable, b: Scalar) -> Variable { a.compare(CK_NOT_EQUAL, b, ".!=") }

  private func compare(_ op: ck_binary_op, _ other: Variable, _ operation: StaticString) -> Variable {
    apply(other, operation) { c, x, y throws(Misuse) in try c.compare(op, x, y, operation) }
  }

  private func compare(
    _ op: ck_binary_op, _ number: Scalar, numberFirst: Bool = false, _ operation: StaticString
  ) -> Variable {
    apply(operation) { c, x throws(Misuse) in
      let y = try c.constant(Double(number))
      return numberFirst ? try c.compare(op, y, x, operation) : try c.compare(op, x, y, operation)
    }
  }

  /// Takes the elements of `other` where `mask` is not 0, and its own elsewhere.
  ///
  /// What is not taken gets no gradient, not even from NaN or infinity. `scores.replacing(with: -.infinity,
  /// where: isPadding)` masks scores; a comparison makes a mask: `x.replacing(with: 0, where: x .< 0)`.
  ///
  /// Shapes: all three broadcast as for `+`.
  ///
  /// - Precondition: The shapes fit; otherwise stops and prints two of them.
  /// - Complexity: two passes; keeps the mask.
  public func replacing(with other: some Operand<Scalar>, where mask: Variable) -> Variable {
    apply(other, "replacing") { c, x, y throws(Misuse) in
      try c.select(try c.slot(mask.handle, "replacing"), y, x)
    }
  }

  /// Takes `number` where `mask` is not 0, and its own elements elsewhere.
  public func replacing(with number: Scalar, where mask: Variable) -> Variable {
    apply(mask, "replacing") { c, x, m throws(Misuse) in try c.select(m, try c.constant(Double(number)), x) }
  }
}
