import CAutogradKernels
import AutogradKernels

// Fused linear layer: y = activation(x·Wᵀ + b) + residual, W [N, K] = [output, input].
// With z = x·Wᵀ + b and dz = dy ∘ activation′(z):  dx = dz·W,  dW = dzᵀ·x,  db = Σ dz,  dresidual = dy.
// Bias, activation and residual are the product's epilogue: no pass over memory of their own. Keeps z where there
// is an activation. 2·rows·N·K flops forward, 4·rows·N·K backward.
//
// With a low rank, z = x·Wᵀ + u·Bᵀ + b, u [rows, R], B [N, R]: u·Bᵀ goes on with the chains of x·Wᵀ, and the epilogue is
// its. dB = dzᵀ·u, du = dz·B. See `LowRankAdapter`.

// INVARIANT: as in TapeCore+Kernels.swift; the saved preactivation has the elements of the output.

package extension TapeCore {
  func linear(
    _ x: Slot, weight: Slot, bias: Slot, activation: Activation?, residual: Slot, low: LowRank = .none
  ) throws(Misuse) -> Slot {
    let shape = try linearShape(x, weight, bias, residual, "linear")
    try checkLowRank(low, shape, "linear")
    let rows = shape.rows, N = shape.last, K = nodes[x].shape.last
    let y = try result(shape, "linear", of: x, weight, bias, residual, low.u, low.up)
    var preactivation: UnsafeMutableRawPointer? = nil
    if activation != nil, isRecording, requiresGradient(y) {
      unsafe preactivation = try allocate(shape.count * type.size, shape, "linear")
    }
    let code = activation.map { $0.kind.code } ?? Int32(CK_ACTIVATION_NONE)
    let isPlain = bias < 0 && activation == nil && residual < 0
    let epilogue = unsafe isPlain ? nil : ck_epilogue(
      bias: optionalData(bias), preactivation: preactivation, activation: code, residual: optionalData(residual),
      gated: nil)
    unsafe multiply(
      m: rows, n: N, k: K, MatrixView(data(x), rowStride: K, columnStride: 1), byWeight: weight, and: low, into: data(y),
      epilogue: epilogue)
    unsafe record(
      .linear, x, weight, bias, residual, low.u, low.up, output: y, saved: [preactivation, nil, nil],
      integers: [activation.map { Int($0.kind.rawValue) } ?? -1, 0, 0, 0])
    return y
  }

  /// The shape of x·Wᵀ; throws where the operands do not fit.
  internal func linearShape(
    _ x: Slot, _ weight: Slot, _ bias: Slot, _ residual: Slot, _ operation: StaticString
  ) throws(Misuse) -> Shape {
    let input = nodes[x].shape, w = nodes[weight].shape
    guard w.rank == 2, input.rank >= 1, w[1] == input.last else {
      throw Misuse(
        operation, "x has shape \(input), so weight must be [outputs, \(input.last)]; got \(w)",
        hint: "weights are stored [output, input]")
    }
    var shape = input
    shape[-1] = w[0]
    if bias >= 0, !(nodes[bias].shape.rank == 1 && nodes[bias].shape.last == w[0]) {
      throw Misuse(operation, "weight is \(w), so bias must be [\(w[0])]; got \(nodes[bias].shape)")
    }
    if residual >= 0, nodes[residual].shape != shape {
      throw Misuse(operation, "the product has shape \(shape), so must the residual; got \(nodes[residual].shape)")
    }
    return try shape.validated(operation)
  }

  func linearBackward(_ record: Record) throws(Misuse) {
    let (dz, isCopy) = unsafe try preactivationGradient(record)
    unsafe try passProductGradient(dz, record, "linear")
    if isCopy { unsafe free(dz, nodes[record.output].shape) }
    try passGradient(from: record.output, to: record.inputs[3], "linear")
  }

  internal func checkLowRank(_ low: LowRank, _ product: Shape, _ operation: StaticString) throws(Misuse) {
    guard low.exists else { return }
    let u = nodes[low.u].shape, up = nodes[low.up].shape
    guard up.rank == 2, up[0] == product.last, u.rank >= 1, u.last == up[1], u.rows == product.rows else {
      throw Misuse(operation, "the product has shape \(product), so an adapter's factors \(u) and \(up) do not fit")
    }
  }

  /// Computes x·Wᵀ, plus u·Bᵀ where there is a low rank, and finishes it.
  ///
  /// - Parameter first: The row of u that goes with the first of x.
  @unsafe internal func multiply(
    m: Int, n: Int, k: Int, _ x: MatrixView, byWeight weight: Slot, and low: LowRank, from first: Int = 0,
    into z: UnsafeMutableRawPointer, epilogue: ck_epilogue?
  ) {
    guard low.exists else {
      return unsafe multiply(m: m, n: n, k: k, x, byWeight: weight, into: z, yStride: n, epilogue: epilogue)
    }
    unsafe multiply(m: m, n: n, k: k, x, byWeight: weight, into: z, yStride: n)
    let R = nodes[low.u].shape.last
    unsafe multiply(
      m: m, n: n, k: R, MatrixView(data(low.u) + first * R * type.size, rowStride: R, columnStride: 1),
      MatrixView(data(low.up), rowStride: 1, columnStride: R), into: z, cStride: n, accumulate: true, epilogue: epilogue)
  }

  /// Passes the gradient of z = x·Wᵀ + u·Bᵀ + b on to x, W and b, a record's first three inputs, and to u and B, its
  /// last two.
  @unsafe internal func passProductGradient(
    _ dz: UnsafeMutableRawPointer, _ record: Record, _ operation: StaticString
  ) throws(Misuse) {
    let x = record.inputs[0], weight = record.inputs[1], bias = record.inputs[2]
    let rows = nodes[x].shape.rows, N = nodes[weight].shape[0], K = nodes[x].shape.last
    let dzView = unsafe MatrixView(dz, rowStride: N, columnStride: 1)
    if let db = unsafe try contribution(to: bias, operation) {
      unsafe sum(dz, Shape([rows, N] as InlineArray<2, Int>), over: 1, scale: 1, into: db.target, adds: db.adds)
    }
    if let dW = unsafe try contribution(to: weight, operation) {
      unsafe multiply(
        m: N, n: K, k: rows, dzView.transposed, MatrixView(data(x), rowStride: K, columnStride: 1),
        into: dW.target, cStride: K, accumulate: dW.adds, sumsOverRows: true)
    }
    if let dx = unsafe try contribution(to: x, operation) {
      unsafe multiply(m: rows, n: N, k: K, dzView, throughWeight: weight, into: dx)
    }
    let low = LowRank(u: record.inputs[4], up: record.inputs[5])
    guard low.exists else { return }
    let R = nodes[low.u].shape.last
    if let dB = unsafe try contribution(to: low.up, operation) {
      unsafe multiply(
        m: N, n: R, k: rows, dzView.transposed, MatrixView(data(low.u), rowStride: R, columnStride: 1),
        into: dB.target, cStride: R, accumulate: dB.adds, sumsOverRows: true)
    }
    if let du = unsafe try contribution(to: low.u, operation) {
      unsafe multiply(
        m: rows, n: R, k: N, dzView, MatrixView(data(low.up), rowStride: R, columnStride: 1), into: du.target,
        cStride: R, accumulate: du.adds)
    }
  }

  /// dz = dy ∘ activation′(z), in the place of dy unless the residual still needs that.
  private func preactivationGradient(_ record: Record) throws(Misuse) -> (dz: UnsafeMutableRawPointer, isCopy: Bool) {
    let dy = unsafe gradient(of: record.output), shape = nodes[record.output].shape
    guard record.integers[0] >= 0, let kind = OperationKind(rawValue: UInt8(record.integers[0])) else {
      return unsafe (dy, false)
    }
    let isCopy = requiresGradient(record.inputs[3]) || nodes[record.output].retainsGradient
    let dz = isCopy ? unsafe try allocateGradient(shape, "linear") : unsafe dy
    let arguments = unsafe ck_unary_backward(
      op: kind.unary.op, dx: dz, dy: dy, x: record.saved[0], y: nil, accumulate: 0)
    unsafe runElements(arguments, count: shape.count, cost: kind.unary.cost)
    return unsafe (dz, isCopy)
  }
}

/// The places of u [rows, R] and B [N, R], whose product u·Bᵀ is added to another product; −1 both where none is.
package struct LowRank {
  let u, up: Slot

  package static let none = LowRank(u: -1, up: -1)
  var exists: Bool { u >= 0 }
}

extension Variable {
  /// Multiplies each row by a weight matrix, adds a bias, applies an activation and adds a residual: one pass.
  ///
  /// Shapes: `self` [..., K], `weight` [N, K] (output, input), `bias` [N], `residual` [..., N] → [..., N].
  /// Formula: y = activation(x·Wᵀ + b) + residual; x·Wᵀ + s·(x·Aᵀ)·Bᵀ where the weight has an adapter.
  ///
  /// - Precondition: The shapes fit; otherwise stops and prints them.
  /// - Complexity: 2·rows·N·K flops, twice that backward; keeps x·Wᵀ + b where there is an activation.
  public func linear(
    _ weight: some Operand<Scalar>, bias: (any Operand<Scalar>)? = nil, activation: Activation? = nil,
    adding residual: (any Operand<Scalar>)? = nil
  ) -> Variable {
    apply("linear") { c, x throws(Misuse) in
      try c.linear(
        x, weight: try weight.weightPlace(c, "linear"), bias: try c.place(bias, "linear"), activation: activation,
        residual: try c.place(residual, "linear"), low: try c.lowRank(weight, x, "linear"))
    }
  }
}
