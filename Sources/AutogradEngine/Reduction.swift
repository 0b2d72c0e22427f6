/// The axes of a reduction as its kernels take them: neighbouring axes of the same kind are one, axes of
/// length 1 have vanished.
struct Reduction {
  struct Axes {
    var shape = Shape()
    var strides = InlineArray<8, Int>(repeating: 0)

    /// Adds an axis, as part of the last one where it `joins` that.
    mutating func add(_ length: Int, _ stride: Int, joins: Bool) {
      if joins { shape[shape.rank - 1] *= length } else { shape.append(length) }
      strides[shape.rank - 1] = stride
    }
  }

  /// The axes that stay, without the contiguous elements at the end.
  private(set) var kept = Axes()
  /// The axes that vanish, at least one.
  private(set) var reduced = Axes()
  /// The contiguous elements at the end that stay; 1 where the last axis vanishes.
  private(set) var inner = 1
  /// How many results there are, and how many elements make up each.
  let outputs, terms: Int
  /// Nothing but axes of length 1 vanishes.
  let isCopy: Bool

  init(_ shape: Shape, over axes: UInt8) {
    let strides = shape.strides
    var lastIsReduced: Bool?
    for axis in 0..<shape.rank where shape.lengths[axis] != 1 {
      let isReduced = axes & 1 << UInt8(axis) != 0, joins = lastIsReduced == isReduced
      if isReduced {
        reduced.add(shape.lengths[axis], strides[axis], joins: joins)
      } else {
        kept.add(shape.lengths[axis], strides[axis], joins: joins)
      }
      lastIsReduced = isReduced
    }
    (outputs, terms, isCopy) = (kept.shape.count, reduced.shape.count, reduced.shape.rank == 0)
    if isCopy { reduced.shape.append(1) }
    if lastIsReduced == false {
      inner = kept.shape.last
      kept.shape = kept.shape.droppingLast()
    }
  }
}

extension Shape {
  /// The shape without the axes whose bits are set, or with length 1 there where `keeping`.
  func reduced(over axes: UInt8, keeping: Bool) -> Shape {
    var kept = Shape()
    for axis in 0..<rank {
      if axes & 1 << UInt8(axis) == 0 { kept.append(lengths[axis]) } else if keeping { kept.append(1) }
    }
    return kept
  }
}
