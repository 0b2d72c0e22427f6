import CAutogradKernels
import AutogradKernels

// One product for a gate and what it is multiplied by. With z = x·Wᵀ + b, [rows, 2F], whose columns are pairs:
//   y[i] = gate(z[2i]) · z[2i + 1].
// With dz[2i] = gate′(z[2i]) · z[2i + 1] · dy[i] and dz[2i + 1] = gate(z[2i]) · dy[i]: dx, dW and db are those of a
// linear layer. The gate is the product's epilogue: pairs lie in one tile of it, whatever its width. Keeps z, in whose
// place backward writes dz; y can be forgotten. 4·rows·F·K flops forward, 8·rows·F·K backward.
//
// Without a backward to come, z exists for a chunk of rows at a time.
//
// INVARIANT: as in TapeCore+Kernels.swift; z has twice the elements of y. Nobody reads z after the record's backward: y
// is restored from it for the backward of what used y, which came before.

package extension TapeCore {
  /// Rows of z at a time where it is not kept: at least 256, so that packing the weight again costs little.
  private static func chunkRows(_ N: Int) -> Int { max(1, (1 << 20) / max(1, N) / 256) * 256 }

  func gatedLinear(
    _ x: Slot, weight: Slot, bias: Slot, gate: Activation, low: LowRank = .none
  ) throws(Misuse) -> Slot {
    let operation: StaticString = "gatedLinear"
    let zShape = try linearShape(x, weight, bias, -1, operation), N = zShape.last
    try checkLowRank(low, zShape, operation)
    guard N % 2 == 0 else {
      throw Misuse(
        operation, "weight is \(nodes[weight].shape): \(N) outputs do not make pairs",
        hint: "its rows are gate 0, value 0, gate 1, value 1 and so on")
    }
    var shape = zShape
    shape[-1] = N / 2
    let y = try result(shape, operation, of: x, weight, bias, low.u, low.up), code = gate.kind.code
    if isRecording, requiresGradient(y) {
      let z = unsafe try allocate(zShape.count * type.size, zShape, operation)
      unsafe multiplyGated(x, weight, bias, low, code, rows: 0..<shape.rows, z: z, into: y)
      unsafe record(
        .gatedLinear, x, weight, bias, -1, low.u, low.up, output: y, saved: [z, nil, nil], integers: [Int(gate.kind.rawValue), 0, 0, 0])
      return y
    }
    let mark = arena.mark(), chunk = TapeCore.chunkRows(N)
    let part = Shape([min(shape.rows, chunk), N] as InlineArray<2, Int>)
    // Outside of recording the arena is rewound: a block of it must not go to the step's free ones.
    let z = isRecording
      ? unsafe try allocateGradient(part, operation)
      : unsafe try allocate(part.count * type.size, part, operation)
    for first in stride(from: 0, to: shape.rows, by: chunk) {
      unsafe multiplyGated(
        x, weight, bias, low, code, rows: first..<min(first + chunk, shape.rows), z: z, into: y)
    }
    if isRecording { unsafe free(z, part) } else { arena.rewind(to: mark) }
    return y
  }

  /// Computes some rows of y, with their rows of x·Wᵀ + b in `z`.
  @unsafe private func multiplyGated(
    _ x: Slot, _ weight: Slot, _ bias: Slot, _ low: LowRank, _ code: Int32, rows: Range<Int>,
    z: UnsafeMutableRawPointer, into y: Slot
  ) {
    let N = nodes[weight].shape[0], K = nodes[x].shape.last, size = type.size
    let epilogue = unsafe ck_epilogue(
      bias: optionalData(bias), preactivation: nil, activation: code, residual: nil,
      gated: data(y) + rows.lowerBound * (N / 2) * size)
    let view = unsafe MatrixView(data(x) + rows.lowerBound * K * size, rowStride: K, columnStride: 1)
    unsafe multiply(
      m: rows.count, n: N, k: K, view, byWeight: weight, and: low, from: rows.lowerBound, into: z, epilogue: epilogue)
  }

  func gatedLinearBackward(_ record: Record) throws(Misuse) {
    guard let z = unsafe record.saved[0], let kind = OperationKind(rawValue: UInt8(record.integers[0])) else { return }
    let arguments = unsafe ck_gate_backward(op: kind.unary.op, dz: z, dy: gradient(of: record.output), z: z)
    unsafe runElements(arguments, count: nodes[record.output].shape.count, cost: 2 * kind.unary.cost)
    unsafe try passProductGradient(z, record, "gatedLinear")
  }

  /// Computes the result of a record again.
  @unsafe internal func gate(_ record: Record, into y: UnsafeMutableRawPointer) {
    guard let z = unsafe record.saved[0], let kind = OperationKind(rawValue: UInt8(record.integers[0])) else { return }
    unsafe runElements(
      ck_gate(op: kind.unary.op, y: y, z: z), count: nodes[record.output].shape.count, cost: 2 * kind.unary.cost)
  }
}

extension Variable {
  /// Multiplies each row by a weight matrix and then, pair by pair, one number through an activation by the other: one
  /// pass. SwiGLU where the gate is `silu`, GeGLU where it is a GELU, GLU where it is `sigmoid`.
  ///
  /// The weight's rows are in pairs, the gate first: gate 0, value 0, gate 1, value 1 and so on.
  ///
  /// Shapes: `self` [..., K], `weight` [2F, K] (output, input), `bias` [2F] → [..., F].
  /// Formula: y[i] = gate(z[2i]) · z[2i + 1] with z = x·Wᵀ + b; and s·(x·Aᵀ)·Bᵀ more where the weight has an adapter.
  ///
  /// - Precondition: The shapes fit and the weight has an even number of rows; otherwise stops and prints them.
  /// - Complexity: 4·rows·F·K flops, twice that backward; keeps z, from which a forgotten result is computed again.
  ///   Where nothing is recorded, z takes at most 2²⁰ numbers, or 256 rows.
  /// - SeeAlso: Shazeer, "GLU Variants Improve Transformer", 2020.
  public func gatedLinear(
    _ weight: some Operand<Scalar>, bias: (any Operand<Scalar>)? = nil, gate: Activation
  ) -> Variable {
    apply("gatedLinear") { c, x throws(Misuse) in
      try c.gatedLinear(
        x, weight: try weight.weightPlace(c, "gatedLinear"), bias: try c.place(bias, "gatedLinear"), gate: gate,
        low: try c.lowRank(weight, x, "gatedLinear"))
    }
  }
}
