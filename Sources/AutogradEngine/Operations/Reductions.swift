import CAutogradKernels
import AutogradKernels

// Sums and means over axes.
//
// Forward: y[kept] = Σ x[kept, reduced]; the mean is the sum divided by n.
// Backward: dx = scale · dy, repeated along the reduced axes.
// A sum is right to the rounding of its last digit, however many terms it has: floats are added up in double, doubles with
// what each addition loses. Its order is fixed by the shape.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  /// Sums over the axes whose bits are set; keeps them with length 1 where `keeping`.
  func sum(
    _ x: Slot, over axes: UInt8, keeping: Bool, mean: Bool, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, kept = shape.reduced(over: axes, keeping: keeping)
    let terms = mean ? Double(Reduction(shape, over: axes).terms) : 1
    let y = try result(kept, operation, of: x)
    unsafe sum(data(x), shape, over: axes, scale: 1, divisor: terms, into: data(y), adds: false)
    unsafe record(.sum, x, output: y, integers: [Int(axes), 0, 0, 0], scalars: [1 / terms, 0])
    return y
  }

  func sumBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape, axes = UInt8(record.integers[0])
    guard let target = unsafe try contribution(to: x, "sum"), shape.count > 0 else { return }
    // The strides of dy over x's axes: 0 along the reduced ones.
    var strides = InlineArray<8, Int>(repeating: 0), distance = 1
    for axis in stride(from: shape.rank - 1, through: 0, by: -1) where axes & 1 << UInt8(axis) == 0 {
      strides[axis] = distance
      distance *= shape.lengths[axis]
    }
    unsafe stridedCopy(
      gradient(of: record.output), shape, strides, scale: record.scalars[0], into: target.target, adds: target.adds)
  }

  /// y = scale · Σ x / divisor over the axes whose bits are set; y is contiguous over the others.
  @unsafe func sum(
    _ x: UnsafeMutableRawPointer, _ shape: Shape, over axes: UInt8, scale: Double, divisor: Double = 1,
    into y: UnsafeMutableRawPointer, adds: Bool
  ) {
    let r = Reduction(shape, over: axes)
    if r.isCopy { return unsafe copy(x, to: y, count: shape.count, scale: scale / divisor, accumulate: adds) }
    guard r.outputs > 0 else { return }
    let arguments = unsafe ck_sum(
      kept_rank: Int32(r.kept.shape.rank), reduced_rank: Int32(r.reduced.shape.rank),
      accumulate: adds ? 1 : 0, scale: scale, divisor: divisor, inner: r.inner, y: y, x: x,
      kept_shape: r.kept.shape.lengths.tuple, kept_strides: r.kept.strides.tuple,
      reduced_shape: r.reduced.shape.lengths.tuple, reduced_strides: r.reduced.strides.tuple)
    unsafe run(arguments, r)
  }

  /// Runs a kernel over blocks of 64 outputs of a reduction.
  @unsafe internal func run<Arguments: KernelArguments>(_ arguments: Arguments, _ r: Reduction) {
    let units = r.outputs / r.inner * ((r.inner + 63) / 64), work = r.terms * min(r.inner, 64)
    unsafe run(arguments, count: units, grain: max(units / (backend.pool.threadCount * 4), 8192 / max(1, work)))
  }

  /// The bits of a list of axes, negative ones counted from the back; all axes where the list is empty.
  func axisBits(_ x: Slot, _ axes: [Int], _ operation: StaticString) throws(Misuse) -> UInt8 {
    let rank = nodes[x].shape.rank
    if axes.isEmpty { return UInt8((1 << rank) - 1) }
    var bits: UInt8 = 0
    // By index: iterating over the array allocates in debug builds.
    for position in 0..<axes.count {
      let axis = axes[position]
      let index = axis < 0 ? axis + rank : axis
      guard index >= 0, index < rank else {
        throw Misuse(operation, "shape \(nodes[x].shape) has no axis \(axis)")
      }
      guard bits & 1 << UInt8(index) == 0 else { throw Misuse(operation, "axis \(axis) is named twice") }
      bits |= 1 << UInt8(index)
    }
    return bits
  }
}

extension Variable {
  /// Sums over `axes` (all where none is named); negative axes count from the back.
  ///
  /// Shapes: the summed axes vanish, or stay with length 1 where `keepingAxes`.
  public func sum(over axes: [Int] = [], keepingAxes: Bool = false) -> Variable {
    reduce(axes, keepingAxes, mean: false, "sum")
  }

  /// Averages over `axes` (all where none is named); otherwise as `sum`. The mean of nothing is NaN.
  public func mean(over axes: [Int] = [], keepingAxes: Bool = false) -> Variable {
    reduce(axes, keepingAxes, mean: true, "mean")
  }

  private func reduce(_ axes: [Int], _ keeping: Bool, mean: Bool, _ operation: StaticString) -> Variable {
    apply(operation) { c, x throws(Misuse) in
      try c.sum(x, over: try c.axisBits(x, axes, operation), keeping: keeping, mean: mean, operation)
    }
  }
}
