import CAutogradKernels

// Cutting ranges out of axes.
//
// Forward: y[i, j, …] = x[start₀ + i, start₁ + j, …], one copy.
// Backward: dx takes dy inside the ranges, 0 outside. Keeps nothing.
//
// INVARIANT: as in TapeCore+Kernels.swift; ranges lie inside their axes, which is checked before an offset is
// made of them.

package extension TapeCore {
  /// `ranges` name a start and a length for every axis.
  func slice(_ x: Slot, starts: InlineArray<8, Int>, lengths: Shape) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, strides = shape.strides
    var offset = 0
    for axis in 0..<shape.rank {
      let start = starts[axis], length = lengths.lengths[axis]
      guard start >= 0, length >= 0, start <= shape.lengths[axis], length <= shape.lengths[axis] - start
      else {
        throw Misuse(
          "slice", "axis \(axis) of shape \(shape) does not hold \(length) elements from \(start) on",
          hint: "ranges lie within 0..<\(shape.lengths[axis])")
      }
      offset += start * strides[axis]
    }
    let y = try result(lengths, "slice", of: x)
    unsafe stridedCopy(data(x) + offset * type.size, lengths, strides, scale: 1, into: data(y), adds: false)
    unsafe record(.slice, x, output: y, integers: [offset, 0, 0, 0])
    return y
  }

  /// `length` steps of one axis, from `start` on.
  func slice(_ x: Slot, axis: Int, start: Int, length: Int) throws(Misuse) -> Slot {
    let axis = try axisIndex(x, axis, "slice")
    var starts = InlineArray<8, Int>(repeating: 0), lengths = nodes[x].shape
    starts[axis] = start
    lengths[axis] = length
    return try slice(x, starts: starts, lengths: lengths)
  }

  func sliceBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape, cut = nodes[record.output].shape
    guard let target = unsafe try contribution(to: x, "slice") else { return }
    if cut != shape { unsafe clear(target, count: shape.count) }
    unsafe stridedWrite(
      gradient(of: record.output), cut, into: target.target + record.integers[0] * type.size, shape.strides,
      adds: target.adds)
  }

  /// y, read through `strides`, becomes x or is added x; x is contiguous of shape `shape`.
  @unsafe func stridedWrite(
    _ x: UnsafeMutableRawPointer, _ shape: Shape, into y: UnsafeMutableRawPointer,
    _ strides: InlineArray<8, Int>,
    adds: Bool
  ) {
    guard shape.count > 0 else { return }
    var loop = StridedLoop(shape, strides)
    loop.merge()
    let arguments = unsafe ck_strided_write(
      rank: Int32(loop.shape.rank), accumulate: adds ? 1 : 0, y: y, x: x, shape: loop.shape.lengths.tuple,
      y_strides: loop.first.tuple)
    unsafe runStrided(arguments, loop.shape)
  }

  /// An axis counted from the front; negative ones count from the back.
  func axisIndex(_ x: Slot, _ axis: Int, _ operation: StaticString) throws(Misuse) -> Int {
    let shape = nodes[x].shape, index = axis < 0 ? axis + shape.rank : axis
    guard index >= 0, index < shape.rank else {
      throw Misuse(operation, "shape \(shape) has no axis \(axis)")
    }
    return index
  }
}

extension Variable {
  /// Cuts a range out of each axis; nil takes the whole axis, and so do the axes that are not named.
  ///
  /// Copies. `x.slice([nil, 2..<5])` takes the columns 2, 3 and 4.
  ///
  /// Shapes: [n₀, n₁, …] → [length of range 0, length of range 1, …].
  ///
  /// - Precondition: Every range lies within its axis; otherwise stops and prints axis and shape.
  /// - Complexity: one pass over the result; backward also zeroes the gradient of what was left out.
  public func slice<let n: Int>(_ ranges: InlineArray<n, Range<Int>?>) -> Variable {
    slice(count: n) { ranges[$0] }
  }

  /// The same for a number of ranges known at run time only.
  @_disfavoredOverload
  public func slice(_ ranges: [Range<Int>?]) -> Variable { slice(count: ranges.count) { ranges[$0] } }

  private func slice(count: Int, _ range: (Int) -> Range<Int>?) -> Variable {
    apply("slice") { c, x throws(Misuse) in
      let shape = c.nodes[x].shape
      guard count <= shape.rank else {
        throw Misuse("slice", "\(count) ranges for the \(shape.rank) axes of shape \(shape)")
      }
      var starts = InlineArray<8, Int>(repeating: 0), lengths = shape
      for axis in 0..<count {
        guard let range = range(axis) else { continue }
        starts[axis] = range.lowerBound
        lengths[axis] = range.upperBound &- range.lowerBound
      }
      return try c.slice(x, starts: starts, lengths: lengths)
    }
  }

  /// Cuts an axis into pieces of these lengths; negative axes count from the back.
  ///
  /// The way back is `concatenate`.
  ///
  /// - Precondition: The lengths add up to that of the axis; otherwise stops and prints both.
  public func split(_ lengths: [Int], axis: Int) -> [Variable] {
    let length = shapeValue.rank > 0 ? lengths.reduce(0, &+) : 0
    var start = 0
    return lengths.map { piece in
      defer { start += piece }
      return apply("split") { c, x throws(Misuse) in
        let own = c.nodes[x].shape.lengths[try c.axisIndex(x, axis, "split")]
        guard length == own, lengths.allSatisfy({ $0 >= 0 }) else {
          throw Misuse("split", "lengths \(lengths) do not make up axis \(axis) of shape \(c.nodes[x].shape)")
        }
        return try c.slice(x, axis: axis, start: start, length: piece)
      }
    }
  }
}
