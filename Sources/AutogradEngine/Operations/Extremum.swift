import CAutogradKernels

// The largest (or smallest) element over axes: y[kept] = max x[kept, reduced].
// Backward: dy goes to the element that was taken, which among equals is the first; NaN beats every number.
// Keeps the place of each, as an integer of the element's size.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func extremum(
    _ x: Slot, over axes: UInt8, keeping: Bool, minimum: Bool, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, kept = shape.reduced(over: axes, keeping: keeping)
    let reduction = Reduction(shape, over: axes)
    guard reduction.terms > 0 || kept.count == 0 else {
      throw Misuse(
        operation, "an empty axis of shape \(shape) has no \(minimum ? "smallest" : "largest") element")
    }
    guard reduction.terms <= Int(Int32.max) else {
      throw Misuse(operation, "more than \(Int32.max) elements of shape \(shape) become one")
    }
    let y = try result(kept, operation, of: x)
    let places = unsafe try allocate(kept.count * type.size, kept, operation)
    if kept.count > 0 {
      let arguments = unsafe extremumArguments(reduction, x, y, places, minimum: minimum)
      unsafe run(arguments, reduction)
    }
    unsafe record(
      .extremum, x, output: y, saved: [places, nil, nil], integers: [Int(axes), minimum ? 1 : 0, 0, 0])
    return y
  }

  func extremumBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape
    guard let target = unsafe try contribution(to: x, "max") else { return }
    unsafe clear(target, count: shape.count)
    guard nodes[record.output].shape.count > 0 else { return }
    let reduction = Reduction(shape, over: UInt8(record.integers[0]))
    let forward = unsafe extremumArguments(
      reduction, x, record.output, record.saved[0], minimum: record.integers[1] == 1)
    unsafe run(
      ck_extremum_backward(forward: forward, dx: target.target, dy: gradient(of: record.output)), reduction)
  }

  @unsafe private func extremumArguments(
    _ r: Reduction, _ x: Slot, _ y: Slot, _ places: UnsafeMutableRawPointer?, minimum: Bool
  ) -> ck_extremum {
    unsafe ck_extremum(
      kept_rank: Int32(r.kept.shape.rank), reduced_rank: Int32(r.reduced.shape.rank),
      minimum: minimum ? 1 : 0,
      inner: r.inner, y: data(y), places: places, x: data(x), kept_shape: r.kept.shape.lengths.tuple,
      kept_strides: r.kept.strides.tuple, reduced_shape: r.reduced.shape.lengths.tuple,
      reduced_strides: r.reduced.strides.tuple)
  }
}

extension Variable {
  /// The largest element over `axes` (all where none is named); negative axes count from the back.
  ///
  /// The gradient goes to the element that was taken, the first of equal ones. NaN beats every number.
  ///
  /// Shapes: the axes vanish, or stay with length 1 where `keepingAxes`.
  ///
  /// - Precondition: There is an element to take; otherwise stops and prints the shape.
  /// - Complexity: one pass; keeps one number per result.
  public func max(over axes: [Int] = [], keepingAxes: Bool = false) -> Variable {
    extremum(axes, keepingAxes, minimum: false, "max")
  }

  /// The smallest element over `axes` (all where none is named); otherwise as `max`.
  public func min(over axes: [Int] = [], keepingAxes: Bool = false) -> Variable {
    extremum(axes, keepingAxes, minimum: true, "min")
  }

  private func extremum(
    _ axes: [Int], _ keeping: Bool, minimum: Bool, _ operation: StaticString
  ) -> Variable {
    apply(operation) { c, x throws(Misuse) in
      try c.extremum(
        x, over: try c.axisBits(x, axes, operation), keeping: keeping, minimum: minimum, operation)
    }
  }
}
