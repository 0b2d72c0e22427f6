import CKernels

// Cutting along an axis and joining along one. With `inner` the elements of one step along the axis:
//   slice        y[o, i] = x[o, start + i]                 dx[o, start + i] = dy[o, i], 0 elsewhere
//   concatenate  y[o, start_p + i] = x_p[o, i]             dx_p[o, i] = dy[o, start_p + i]
// One pass over memory each way; keeps nothing.

package extension TapeCore {
  func slice(_ x: Slot, axis: Int, start: Int, length: Int) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, axis = try axisIndex(x, axis, "slice")
    guard start >= 0, length >= 0, length <= shape.lengths[axis] - start else {
      throw Misuse("slice", "axis \(axis) of shape \(shape) does not hold \(length) elements from \(start) on")
    }
    var cut = shape
    cut[axis] = length
    let y = try result(cut, "slice", of: x)
    let (outer, inner) = runs(shape, axis), total = shape.lengths[axis] * inner
    unsafe stridedCopy(
      data(x) + start * inner * type.size, Shape([outer, length * inner] as InlineArray<2, Int>),
      [total, 1, 0, 0, 0, 0, 0, 0], scale: 1, into: data(y), adds: false)
    unsafe record(.slice, x, output: y, integers: [axis, start, 0, 0])
    return y
  }

  func sliceBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape, axis = record.integers[0]
    guard let target = unsafe try contribution(to: x, "slice") else { return }
    unsafe clear(target, count: shape.count)
    let (outer, inner) = runs(shape, axis), count = nodes[record.output].shape.lengths[axis] * inner
    for row in 0..<outer {
      let offset = row * shape.lengths[axis] * inner + record.integers[1] * inner
      unsafe copy(
        gradient(of: record.output) + row * count * type.size, to: target.target + offset * type.size, count: count,
        accumulate: true)
    }
  }

  /// INVARIANT: `parts` are `count` slots of this tape.
  @unsafe func concatenate(_ parts: UnsafePointer<Slot>, count: Int, axis: Int) throws(Misuse) -> Slot {
    guard count > 0 else { throw Misuse("concatenate", "no parts to join") }
    let first = unsafe nodes[parts[0]].shape, axis = unsafe try axisIndex(parts[0], axis, "concatenate")
    var joined = first, needed = false, length = 0
    for index in 0..<count {
      let shape = unsafe nodes[parts[index]].shape
      var wanted = first
      if shape.rank == first.rank { wanted[axis] = shape.lengths[axis] }
      guard shape == wanted else {
        throw Misuse("concatenate", "shapes \(first) and \(shape) differ in more than axis \(axis)")
      }
      length += shape.lengths[axis]
      needed = unsafe needed || nodes[parts[index]].requiresGradient
    }
    joined[axis] = length
    let y = try temporary(joined.validated("concatenate"), "concatenate", requiresGradient: needed)
    let list = unsafe try allocate(count * MemoryLayout<Slot>.stride, joined, "concatenate")
    unsafe list.copyMemory(from: parts, byteCount: isPlanning ? 0 : count * MemoryLayout<Slot>.stride)
    unsafe join(parts, count, into: y, axis)
    unsafe record(.concatenate, parts[0], output: y, saved: [list, nil, nil], integers: [count, axis, 0, 0])
    return y
  }

  @unsafe private func join(_ parts: UnsafePointer<Slot>, _ count: Int, into y: Slot, _ axis: Int) {
    if isPlanning { return }
    let (outer, inner) = runs(nodes[y].shape, axis), row = nodes[y].shape.lengths[axis] * inner * type.size
    var start = 0
    for index in 0..<count {
      let bytes = unsafe nodes[parts[index]].shape.lengths[axis] * inner * type.size
      for position in 0..<outer {
        unsafe (data(y) + position * row + start).copyMemory(
          from: data(parts[index]) + position * bytes, byteCount: bytes)
      }
      start += bytes
    }
  }

  func concatenateBackward(_ record: Record) throws(Misuse) {
    let shape = nodes[record.output].shape, axis = record.integers[1]
    let (outer, inner) = runs(shape, axis), total = shape.lengths[axis] * inner
    var start = 0
    try forEachInput(of: record) { part throws(Misuse) in
      let length = nodes[part].shape.lengths[axis] * inner
      defer { start += length }
      guard let target = unsafe try contribution(to: part, "concatenate") else { return }
      unsafe stridedCopy(
        gradient(of: record.output) + start * type.size, Shape([outer, length] as InlineArray<2, Int>),
        [total, 1, 0, 0, 0, 0, 0, 0], scale: 1, into: target.target, adds: target.adds)
    }
  }

  /// How often a step along `axis` is repeated outside of it, and the elements of one step.
  private func runs(_ shape: Shape, _ axis: Int) -> (outer: Int, inner: Int) {
    (shape.count(of: 0..<axis), shape.count(of: axis + 1..<shape.rank))
  }

  /// An axis counted from the front; negative ones count from the back.
  func axisIndex(_ x: Slot, _ axis: Int, _ operation: StaticString) throws(Misuse) -> Int {
    let shape = nodes[x].shape, index = axis < 0 ? axis + shape.rank : axis
    guard index >= 0, index < shape.rank else { throw Misuse(operation, "shape \(shape) has no axis \(axis)") }
    return index
  }
}

package extension Variable {
  /// `length` steps of an axis from `start` on.
  func slice(axis: Int, start: Int, length: Int) -> Variable {
    apply("slice") { c, x throws(Misuse) in try c.slice(x, axis: axis, start: start, length: length) }
  }

  /// This and `others`, one after the other along an axis.
  func concatenated(with others: [Variable], axis: Int) -> Variable {
    apply("concatenate") { c, x throws(Misuse) in
      var slots = [x]
      for other in others { slots.append(try c.slot(other.handle, "concatenate")) }
      return unsafe try slots.withUnsafeBufferPointer { buffer throws(Misuse) in
        unsafe try c.concatenate(buffer.baseAddress!, count: buffer.count, axis: axis)
      }
    }
  }
}
