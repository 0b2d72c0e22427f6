import CAutogradKernels

// Changing the shape: reshape shares its input's memory, permute (and transpose) copies.
//
// INVARIANT: as in TapeCore+Kernels.swift; a reshaped variable has as many elements as the one whose memory it shares.

package extension TapeCore {
  /// The same elements in another shape; shares memory with x.
  func reshape(_ x: Slot, to shape: Shape) throws(Misuse) -> Slot {
    let old = nodes[x].shape, shape = try inferred(shape, old)
    guard shape.count == old.count else {
      throw Misuse("reshape", "\(old) has \(old.count) elements, \(shape) has \(shape.count)")
    }
    // Who steps within this step of the tape changes what y shows, as it always did.
    if let parameter = unsafe nodes[x].parameter, !isPlanning { unsafe parameter._withUnsafeGuaranteedRef { $0.hold() } }
    let y = unsafe append(shape, data: data(x), requiresGradient: requiresGradient(x))
    unsafe record(.reshape, x, output: y)
    return y
  }

  /// Replaces one −1 by the length that makes the counts equal.
  private func inferred(_ shape: Shape, _ old: Shape) throws(Misuse) -> Shape {
    var result = shape, unknown: Int?
    for axis in 0..<shape.rank where shape.lengths[axis] < 0 {
      guard shape.lengths[axis] == -1 else { throw Misuse("reshape", "shape \(shape) has a negative length") }
      guard unknown == nil else { throw Misuse("reshape", "\(shape) leaves two lengths open") }
      unknown = axis
      result[axis] = 1
    }
    let known = try result.validated("reshape").count
    guard let unknown else { return result }
    guard known > 0, old.count % known == 0 else {
      throw Misuse("reshape", "\(old.count) elements of \(old) do not divide into \(shape)")
    }
    result[unknown] = old.count / known
    return result
  }

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
  /// The same elements, in the same order, in another shape; one length may be −1 and is worked out.
  ///
  /// Shares memory with its input: no element is copied.
  public func reshape<let n: Int>(_ shape: InlineArray<n, Int>) -> Variable {
    apply("reshape") { c, x throws(Misuse) in try c.reshape(x, to: Shape(shape)) }
  }

  /// Reorders axes: axis i of the result is axis `order[i]` of this. Copies.
  public func permute<let n: Int>(_ order: InlineArray<n, Int>) -> Variable {
    apply("permute") { c, x throws(Misuse) in try c.permute(x, Shape(order), "permute") }
  }

  /// Exchanges the last two axes. Copies; products take transposed operands without it (see `matmul`).
  public func transpose() -> Variable {
    apply("transpose") { c, x throws(Misuse) in try c.transpose(x) }
  }
}
