import CAutogradKernels

// Joining along an axis, one there is (concatenate) or a new one (stack).
//
// With `outer` the product of the axes before it, every part is a matrix [outer, count/outer] and so is the
// result:
//   y[o, startₚ + i] = xₚ[o, i],   dxₚ[o, i] = dy[o, startₚ + i].
// One pass over memory each way; keeps nothing but the list of parts.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  /// INVARIANT: `parts` are `count` slots of this tape.
  @unsafe func concatenate(_ parts: UnsafePointer<Slot>, count: Int, axis: Int) throws(Misuse) -> Slot {
    let first = unsafe try firstPart(parts, count, "concatenate"), shape = nodes[first].shape
    let axis = try axisIndex(first, axis, "concatenate")
    var joined = shape, length = 0
    for index in 0..<count {
      let part = unsafe nodes[parts[index]].shape
      var wanted = shape
      if part.rank == shape.rank { wanted[axis] = part.lengths[axis] }
      guard part == wanted else {
        throw Misuse("concatenate", "shapes \(shape) and \(part) differ in more than axis \(axis)")
      }
      length += part.lengths[axis]
    }
    joined[axis] = length
    return unsafe try join(
      parts, count, joined.validated("concatenate"), outer: shape.count(of: 0..<axis), "concatenate")
  }

  /// INVARIANT: `parts` are `count` slots of this tape.
  @unsafe func stack(_ parts: UnsafePointer<Slot>, count: Int, axis: Int) throws(Misuse) -> Slot {
    let first = unsafe try firstPart(parts, count, "stack"), shape = nodes[first].shape
    let place = axis < 0 ? axis + shape.rank + 1 : axis
    guard place >= 0, place <= shape.rank, shape.rank < Shape.maximumRank else {
      throw Misuse("stack", "there is no place \(axis) for a new axis in shape \(shape)")
    }
    var joined = Shape()
    for index in 0...shape.rank {
      if index == place { joined.append(count) }
      if index < shape.rank { joined.append(shape.lengths[index]) }
    }
    for index in 0..<count {
      let part = unsafe nodes[parts[index]].shape
      guard part == shape else {
        throw Misuse("stack", "shapes \(shape) and \(part) differ", hint: "only equal shapes make a new axis")
      }
    }
    return unsafe try join(
      parts, count, joined.validated("stack"), outer: shape.count(of: 0..<place), "stack")
  }

  private func firstPart(
    _ parts: UnsafePointer<Slot>, _ count: Int, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    guard count > 0 else { throw Misuse(operation, "there are no parts to join") }
    return unsafe parts[0]
  }

  private func join(
    _ parts: UnsafePointer<Slot>, _ count: Int, _ shape: Shape, outer: Int, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    var needed = false
    for index in 0..<count where unsafe requiresGradient(parts[index]) { needed = true }
    let y = try temporary(shape, operation, requiresGradient: needed)
    let total = shape.count / max(1, outer)
    var start = 0
    for index in 0..<count {
      let part = unsafe parts[index], columns = nodes[part].shape.count / max(1, outer)
      unsafe stridedWrite(
        data(part), Shape([outer, columns] as InlineArray<2, Int>), into: data(y) + start * type.size,
        [total, 1, 0, 0, 0, 0, 0, 0], adds: false)
      start += columns
    }
    guard isRecording, needed else { return y }
    unsafe record(
      .concatenate, -1, output: y, integers: [listInputs(parts, count), count, outer, 0])
    return y
  }

  /// Remembers inputs until the end of the step; returns where they stand in `inputLists`.
  @unsafe func listInputs(_ slots: UnsafePointer<Slot>, _ count: Int) -> Int {
    for index in 0..<count { inputLists.append(unsafe slots[index]) }
    return inputLists.count - count
  }

  func concatenateBackward(_ record: Record) throws(Misuse) {
    let outer = record.integers[2], total = nodes[record.output].shape.count / max(1, outer)
    var start = 0
    for index in 0..<record.integers[1] {
      let part = inputLists[record.integers[0] + index], columns = nodes[part].shape.count / max(1, outer)
      defer { start += columns }
      guard let target = unsafe try contribution(to: part, "concatenate") else { continue }
      unsafe stridedCopy(
        gradient(of: record.output) + start * type.size, Shape([outer, columns] as InlineArray<2, Int>),
        [total, 1, 0, 0, 0, 0, 0, 0], scale: 1, into: target.target, adds: target.adds)
    }
  }
}

extension Variable {
  /// Joins variables along an axis that they have; negative axes count from the back.
  ///
  /// Shapes: [..., n₀, ...], [..., n₁, ...], … → [..., n₀ + n₁ + …, ...]. The way back is `split`.
  ///
  /// - Precondition: At least one part; all lengths but that of the axis agree. Otherwise stops and prints
  ///   two shapes.
  /// - Complexity: one pass over the result; copies. Allocates an array beside that of the parts.
  public static func concatenate(_ parts: [Variable], axis: Int) -> Variable {
    unsafe join(parts, "concatenate") { c, list, count throws(Misuse) in
      unsafe try c.concatenate(list, count: count, axis: axis)
    }
  }

  /// Joins variables of one shape along a new axis, which gets the index `axis` in the result.
  ///
  /// Shapes: n times [a, b] → [n, a, b], [a, n, b] or [a, b, n].
  ///
  /// - Precondition: At least one part; all shapes are equal. Otherwise stops and prints two of them.
  /// - Complexity: one pass over the result; copies. Allocates an array beside that of the parts.
  public static func stack(_ parts: [Variable], axis: Int = 0) -> Variable {
    unsafe join(parts, "stack") { c, list, count throws(Misuse) in
      unsafe try c.stack(list, count: count, axis: axis)
    }
  }

  private static func join(
    _ parts: [Variable], _ operation: StaticString,
    _ body: (TapeCore, UnsafePointer<Slot>, Int) throws(Misuse) -> Slot
  ) -> Variable {
    stopping { () throws(Misuse) in
      guard let first = parts.first else { throw Misuse(operation, "there are no parts to join") }
      let core = try TapeTable.core(of: first.handle, operation)
      var slots: [Slot] = []
      for part in parts { slots.append(try core.slot(part.handle, operation)) }
      let result = unsafe try slots.withUnsafeBufferPointer { list throws(Misuse) in
        // INVARIANT: there is a first part, so the list has an address.
        unsafe try body(core, list.baseAddress!, list.count)
      }
      return Variable(core.handle(result))
    }
  }
}
