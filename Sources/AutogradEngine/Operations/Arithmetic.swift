import CAutogradKernels

// Addition, subtraction, multiplication and division of two variables, NumPy broadcasting both ways.
//
// Forward: y = a ∘ b over the broadcast shape.
// Backward: the local derivative at the broadcast shape, summed over the axes along which an operand repeated.
// Keeps nothing but the operands. About 1 flop and 3 elements of memory traffic per result element.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func add(_ a: Slot, _ b: Slot) throws(Misuse) -> Slot { try binary(.add, CK_ADD, a, b, "add") }
  func subtract(_ a: Slot, _ b: Slot) throws(Misuse) -> Slot { try binary(.subtract, CK_SUBTRACT, a, b, "subtract") }
  func multiply(_ a: Slot, _ b: Slot) throws(Misuse) -> Slot { try binary(.multiply, CK_MULTIPLY, a, b, "multiply") }
  func divide(_ a: Slot, _ b: Slot) throws(Misuse) -> Slot { try binary(.divide, CK_DIVIDE, a, b, "divide") }

  private func binary(
    _ kind: OperationKind, _ op: ck_binary_op, _ a: Slot, _ b: Slot, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    let shape = try Shape.broadcast(nodes[a].shape, nodes[b].shape, operation)
    let y = try result(shape, operation, of: a, b)
    unsafe combine(op, shape, (data(a), nodes[a].shape), (data(b), nodes[b].shape), into: data(y), adds: false)
    unsafe record(kind, a, b, output: y)
    return y
  }

  func addBackward(_ record: Record) throws(Misuse) {
    let a = record.inputs[0], b = record.inputs[1], shape = nodes[record.output].shape
    // One of the two may take over the buffer, after the other has had its copy.
    let aTakes = nodes[a].requiresGradient && nodes[a].shape == shape
    let (copied, taken) = aTakes ? (b, a) : (a, b)
    unsafe try sumGradient(unsafe gradient(of: record.output), shape, into: copied, scale: 1, "add")
    if nodes[taken].shape == shape {
      try passGradient(from: record.output, to: taken, "add")
    } else {
      unsafe try sumGradient(unsafe gradient(of: record.output), shape, into: taken, scale: 1, "add")
    }
  }

  func subtractBackward(_ record: Record) throws(Misuse) {
    let shape = nodes[record.output].shape
    unsafe try sumGradient(unsafe gradient(of: record.output), shape, into: record.inputs[0], scale: 1, "subtract")
    unsafe try sumGradient(unsafe gradient(of: record.output), shape, into: record.inputs[1], scale: -1, "subtract")
  }

  func multiplyBackward(_ record: Record) throws(Misuse) {
    let a = record.inputs[0], b = record.inputs[1]
    try productGradient(record, CK_MULTIPLY, into: a, other: b, "multiply")
    try productGradient(record, CK_MULTIPLY, into: b, other: a, "multiply")
  }

  /// da = dy / b; db = −dy · y / b.
  func divideBackward(_ record: Record) throws(Misuse) {
    let a = record.inputs[0], b = record.inputs[1], y = record.output, shape = nodes[y].shape
    try productGradient(record, CK_DIVIDE, into: a, other: b, "divide")
    guard nodes[b].requiresGradient else { return }
    let product = unsafe try allocateGradient(shape, "divide")
    unsafe combine(
      CK_NEGATED_PRODUCT, shape, (gradient(of: y), shape), (data(y), shape), into: product, adds: false)
    unsafe combine(CK_DIVIDE, shape, (product, shape), (data(b), nodes[b].shape), into: product, adds: false)
    unsafe try sumGradient(unsafe product, shape, into: b, scale: 1, "divide")
    unsafe free(product, shape)
  }

  /// d(input) += Σ over repeated axes of dy ∘ other.
  private func productGradient(
    _ record: Record, _ op: ck_binary_op, into input: Slot, other: Slot, _ operation: StaticString
  ) throws(Misuse) {
    guard nodes[input].requiresGradient else { return }
    let shape = nodes[record.output].shape, dy = unsafe gradient(of: record.output)
    if nodes[input].shape == shape {
      guard let target = unsafe try contribution(to: input, operation) else { return }
      unsafe combine(
        op, shape, (dy, shape), (data(other), nodes[other].shape), into: target.target, adds: target.adds)
      return
    }
    let product = unsafe try allocateGradient(shape, operation)
    unsafe combine(op, shape, (dy, shape), (data(other), nodes[other].shape), into: product, adds: false)
    unsafe try sumGradient(unsafe product, shape, into: input, scale: 1, operation)
    unsafe free(product, shape)
  }

  private func addGradient(of output: Slot, to input: Slot, scale: Double, _ operation: StaticString) throws(Misuse) {
    guard let target = unsafe try contribution(to: input, operation) else { return }
    unsafe copy(
      gradient(of: output), to: target.target, count: nodes[input].shape.count, scale: scale,
      accumulate: target.adds)
  }

  /// Adds a gradient of shape `shape` to that of an input which was broadcast to it.
  func sumGradient(
    _ dy: UnsafeMutableRawPointer, _ shape: Shape, into input: Slot, scale: Double, _ operation: StaticString
  ) throws(Misuse) {
    guard let target = unsafe try contribution(to: input, operation) else { return }
    let own = nodes[input].shape
    if own == shape {
      unsafe copy(dy, to: target.target, count: shape.count, scale: scale, accumulate: target.adds)
      return
    }
    var reduced: UInt8 = 0
    for axis in 0..<shape.rank {
      let mine = axis - (shape.rank - own.rank)
      if mine < 0 || own.lengths[mine] == 1 { reduced |= 1 << UInt8(axis) }
    }
    unsafe sum(dy, shape, over: reduced, scale: scale, into: target.target, adds: target.adds)
  }

  /// y = op(a, b) over `shape`, the operands broadcast to it.
  @unsafe func combine(
    _ op: ck_binary_op, _ shape: Shape, _ a: (data: UnsafeMutableRawPointer, shape: Shape),
    _ b: (data: UnsafeMutableRawPointer, shape: Shape), into y: UnsafeMutableRawPointer, adds: Bool
  ) {
    guard shape.count > 0 else { return }
    // Nothing repeats in the common case: one run over all elements.
    var loop = StridedLoop(elements: shape.count)
    if unsafe a.shape != shape || b.shape != shape {
      loop = unsafe StridedLoop(shape, a.shape.strides(broadcastTo: shape), b.shape.strides(broadcastTo: shape))
      loop.merge()
    }
    let arguments = unsafe ck_binary(
      op: op, rank: Int32(loop.shape.rank), accumulate: adds ? 1 : 0, y: y, a: a.data, b: b.data,
      shape: loop.shape.lengths.tuple, a_strides: loop.first.tuple, b_strides: loop.second.tuple)
    unsafe runStrided(arguments, loop.shape)
  }
}

// Operations with a plain number: y = scale · x + shift.
package extension TapeCore {
  func affine(_ x: Slot, scale: Double, shift: Double, _ operation: StaticString) throws(Misuse) -> Slot {
    let y = try result(nodes[x].shape, operation, of: x)
    unsafe runElements(
      ck_affine(y: data(y), x: data(x), scale: scale, shift: shift, accumulate: 0), count: nodes[x].shape.count)
    unsafe record(.affine, x, output: y, scalars: [scale, 0])
    return y
  }

  func affineBackward(_ record: Record) throws(Misuse) {
    try addGradient(of: record.output, to: record.inputs[0], scale: record.scalars[0], "affine")
  }
}

extension Variable {
  /// Adds element by element.
  ///
  /// The second operand may be a parameter as it is: `x * scale` in a layer of your own.
  ///
  /// Shapes: axes aligned at the end, each pair equal or one of them 1 (it repeats).
  ///
  /// - Precondition: The shapes fit; otherwise stops and prints both.
  /// - Complexity: one pass; keeps nothing for backward.
  public static func + (a: Variable, b: some Operand<Scalar>) -> Variable {
    a.apply(b, "add") { c, x, y throws(Misuse) in try c.add(x, y) }
  }

  /// Subtracts element by element; shapes as for `+`.
  public static func - (a: Variable, b: some Operand<Scalar>) -> Variable {
    a.apply(b, "subtract") { c, x, y throws(Misuse) in try c.subtract(x, y) }
  }

  /// Multiplies element by element (not the matrix product: see `matmul`); shapes as for `+`.
  public static func * (a: Variable, b: some Operand<Scalar>) -> Variable {
    a.apply(b, "multiply") { c, x, y throws(Misuse) in try c.multiply(x, y) }
  }

  /// Divides element by element; shapes as for `+`.
  public static func / (a: Variable, b: some Operand<Scalar>) -> Variable {
    a.apply(b, "divide") { c, x, y throws(Misuse) in try c.divide(x, y) }
  }

  public static func + (a: Variable, b: Scalar) -> Variable { a.affine(1, Double(b), "add") }
  public static func + (a: Scalar, b: Variable) -> Variable { b.affine(1, Double(a), "add") }
  public static func - (a: Variable, b: Scalar) -> Variable { a.affine(1, -Double(b), "subtract") }
  public static func - (a: Scalar, b: Variable) -> Variable { b.affine(-1, Double(a), "subtract") }
  public static func * (a: Variable, b: Scalar) -> Variable { a.affine(Double(b), 0, "multiply") }
  public static func * (a: Scalar, b: Variable) -> Variable { b.affine(Double(a), 0, "multiply") }
  /// Divides each element, correctly rounded: not a product with 1/b.
  public static func / (a: Variable, b: Scalar) -> Variable {
    a.apply("divide") { c, x throws(Misuse) in try c.divide(x, try c.constant(Double(b))) }
  }
  public static func / (a: Scalar, b: Variable) -> Variable {
    b.apply("divide") { c, x throws(Misuse) in try c.divide(try c.constant(Double(a)), x) }
  }

  /// Negates each element.
  public static prefix func - (x: Variable) -> Variable { x.affine(-1, 0, "negate") }

  private func affine(_ scale: Double, _ shift: Double, _ operation: StaticString) -> Variable {
    apply(operation) { c, x throws(Misuse) in try c.affine(x, scale: scale, shift: shift, operation) }
  }
}

// A parameter on the left: it becomes a variable of the step that the right one belongs to.
extension Parameter {
  public static func + (a: Parameter, b: Variable<Scalar>) -> Variable<Scalar> { a.variable(beside: b) + b }
  public static func - (a: Parameter, b: Variable<Scalar>) -> Variable<Scalar> { a.variable(beside: b) - b }
  public static func * (a: Parameter, b: Variable<Scalar>) -> Variable<Scalar> { a.variable(beside: b) * b }
  public static func / (a: Parameter, b: Variable<Scalar>) -> Variable<Scalar> { a.variable(beside: b) / b }

  /// Its values as a variable of the step that `other` belongs to: for layers, which know no tape.
  ///
  /// ```swift
  /// x * temperature.variable(beside: x).exp()
  /// ```
  public func variable(beside other: Variable<Scalar>) -> Variable<Scalar> {
    other.apply("variable", isScope: true) { c, _ throws(Misuse) in try c.use(core) }
  }
}
