import CAutogradKernels
import AutogradKernels

/// A loop over a shape with one or two strided operands, as the strided kernels take it.
struct StridedLoop {
  var shape: Shape
  var first: InlineArray<8, Int>
  var second: InlineArray<8, Int>

  init(_ shape: Shape, _ first: InlineArray<8, Int>, _ second: InlineArray<8, Int> = InlineArray(repeating: 0)) {
    self.shape = shape
    self.first = first
    self.second = second
  }

  /// One contiguous run of both operands.
  init(elements: Int) {
    shape = Shape([elements] as InlineArray<1, Int>)
    first = InlineArray(repeating: 0)
    first[0] = 1
    second = first
  }

  /// Drops axes of length 1 and joins neighbours along which both operands run on, so that the inner loop is
  /// as long as can be. Leaves at least one axis.
  mutating func merge() {
    var merged = Shape()
    var a = InlineArray<8, Int>(repeating: 0), b = a
    for axis in 0..<shape.rank where shape.lengths[axis] != 1 {
      let length = shape.lengths[axis], last = merged.rank - 1
      if last >= 0, a[last] == first[axis] * length, b[last] == second[axis] * length {
        merged[last] *= length
        (a[last], b[last]) = (first[axis], second[axis])
      } else {
        merged.append(length)
        (a[merged.rank - 1], b[merged.rank - 1]) = (first[axis], second[axis])
      }
    }
    if merged.rank == 0 { merged.append(1) }
    (shape, first, second) = (merged, a, b)
  }
}

extension InlineArray where count == 8, Element == Int {
  /// As C's `ptrdiff_t[8]` is imported.
  var tuple: (Int, Int, Int, Int, Int, Int, Int, Int) {
    (self[0], self[1], self[2], self[3], self[4], self[5], self[6], self[7])
  }
}

package extension TapeCore {
  /// Runs a strided kernel over a merged loop: by elements where one axis is left, by rows otherwise.
  ///
  /// INVARIANT: as in TapeCore+Kernels.swift; strides of the arguments stay inside their operands over all of `shape`.
  @unsafe func runStrided<Arguments: KernelArguments>(_ arguments: Arguments, _ shape: Shape) {
    if shape.rank == 1 {
      unsafe runElements(arguments, count: shape.count)
    } else {
      unsafe runRows(arguments, count: shape.rows, columns: shape.last)
    }
  }
}
