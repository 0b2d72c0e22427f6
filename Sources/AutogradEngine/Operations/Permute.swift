import CAutogradKernels

// Axes in another order: y[i, j, …] = x in the order asked for, one copy; dx is dy in the order of x.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  /// Axis i of the result is axis order[i] of x.
  func permute(_ x: Slot, _ order: Shape, _ operation: StaticString) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, strides = shape.strides
    var permuted = Shape(), from = InlineArray<8, Int>(repeating: 0), seen: UInt8 = 0
    for axis in 0..<order.rank {
      let source = order.lengths[axis] < 0 ? order.lengths[axis] + shape.rank : order.lengths[axis]
      guard source >= 0, source < shape.rank, seen & 1 << UInt8(source) == 0, order.rank == shape.rank else {
        throw Misuse(operation, "\(order) does not name each axis of shape \(shape) once")
      }
      seen |= 1 << UInt8(source)
      permuted.append(shape.lengths[source])
      from[axis] = strides[source]
    }
    guard order.rank == shape.rank else {
      throw Misuse(operation, "\(order) does not name each axis of shape \(shape) once")
    }
    let y = try result(permuted, operation, of: x)
    unsafe stridedCopy(data(x), permuted, from, scale: 1, into: data(y), adds: false)
    // Backward reads dy in x's order: the distance along x's axis order[i] is y's distance along i.
    var back = 0
    for axis in stride(from: order.rank - 1, through: 0, by: -1) {
      let source = order.lengths[axis] < 0 ? order.lengths[axis] + shape.rank : order.lengths[axis]
      back |= axis << (source * 4)
    }
    unsafe record(.permute, x, output: y, integers: [back, 0, 0, 0])
    return y
  }

  func permuteBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape, strides = nodes[record.output].shape.strides
    guard let target = unsafe try contribution(to: x, "permute") else { return }
    var from = InlineArray<8, Int>(repeating: 0)
    for axis in 0..<shape.rank { from[axis] = strides[record.integers[0] >> (axis * 4) & 15] }
    unsafe stridedCopy(
      gradient(of: record.output), shape, from, scale: 1, into: target.target, adds: target.adds)
  }

  /// Exchanges the last two axes.
  func transpose(_ x: Slot) throws(Misuse) -> Slot {
    let shape = nodes[x].shape
    guard shape.rank >= 2 else {
      throw Misuse("transpose", "expected at least 2 axes, got shape \(shape)")
    }
    var order = Shape()
    for axis in 0..<shape.rank - 2 { order.append(axis) }
    order.append(shape.rank - 1)
    order.append(shape.rank - 2)
    return try permute(x, order, "transpose")
  }

  /// y = scale · x read through `strides`; y is contiguous of shape `shape`.
  @unsafe func stridedCopy(
    _ x: UnsafeMutableRawPointer, _ shape: Shape, _ strides: InlineArray<8, Int>, scale: Double,
    into y: UnsafeMutableRawPointer, adds: Bool
  ) {
    guard shape.count > 0 else { return }
    var loop = StridedLoop(shape, strides)
    loop.merge()
    let arguments = unsafe ck_strided_copy(
      rank: Int32(loop.shape.rank), accumulate: adds ? 1 : 0, scale: scale, y: y, x: x,
      shape: loop.shape.lengths.tuple, x_strides: loop.first.tuple)
    unsafe runStrided(arguments, loop.shape)
  }
}

extension Variable {
  /// Reorders axes: axis i of the result is axis `order[i]` of this. Copies.
  public func permute<let n: Int>(_ order: InlineArray<n, Int>) -> Variable {
    apply("permute") { c, x throws(Misuse) in try c.permute(x, Shape(order), "permute") }
  }

  /// The same for a rank known at run time only.
  @_disfavoredOverload
  public func permute(_ order: [Int]) -> Variable {
    apply("permute") { c, x throws(Misuse) in try c.permute(x, Shape(order), "permute") }
  }

  /// Exchanges the last two axes. Copies; products take transposed operands without it (see `matmul`).
  public func transpose() -> Variable {
    apply("transpose") { c, x throws(Misuse) in try c.transpose(x) }
  }
}
