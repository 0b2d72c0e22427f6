// Another shape for the same elements: the result shares its input's memory, and backward hands the gradient on.
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
    noteShared(x, by: y)
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
}

extension Variable {
  /// The same elements, in the same order, in another shape; one length may be −1 and is worked out.
  ///
  /// Shares memory with its input: no element is copied. While both are there, `forget` and `updated` leave it to them.
  public func reshape<let n: Int>(_ shape: InlineArray<n, Int>) -> Variable {
    apply("reshape") { c, x throws(Misuse) in try c.reshape(x, to: Shape(shape)) }
  }

  /// The same for a shape whose rank is known at run time only. A literal takes the other form, which allocates nothing.
  @_disfavoredOverload
  public func reshape(_ shape: [Int]) -> Variable {
    apply("reshape") { c, x throws(Misuse) in try c.reshape(x, to: Shape(shape)) }
  }
}
