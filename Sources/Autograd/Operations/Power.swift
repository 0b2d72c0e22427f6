#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// Powers with a plain exponent, and largest elements: plain loops on the calling thread, for what is small or rare.
//   power    y = xᵖ                    dx = dy · p · xᵖ⁻¹   (½ by the square root)
//   maximum  y[o, i] = max over an axis; dx goes to the first element that is largest. NaN counts as largest.

package extension TapeCore {
  func power(_ x: Slot, _ exponent: Double) throws(Misuse) -> Slot {
    let y = try result(nodes[x].shape, "power", of: x)
    eachElement(nodes[x].shape.count) { index in
      unsafe setElement(data(y), index, to: raise(element(data(x), index), exponent))
    }
    unsafe record(.power, x, output: y, scalars: [exponent, 0])
    return y
  }

  func powerBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], exponent = record.scalars[0]
    guard let target = unsafe try contribution(to: x, "power") else { return }
    if exponent == 0 { return unsafe clear(target, count: nodes[x].shape.count) }
    let dy = unsafe gradient(of: record.output)
    eachElement(nodes[x].shape.count) { index in
      let slope = unsafe exponent * raise(element(data(x), index), exponent - 1)
      let before = target.adds ? unsafe element(target.target, index) : 0
      unsafe setElement(target.target, index, to: before + element(dy, index) * slope)
    }
  }

  private func raise(_ x: Double, _ exponent: Double) -> Double {
    switch exponent {
    case 0.5: x.squareRoot()
    case -0.5: 1 / x.squareRoot()
    case 1: x
    case 2: x * x
    default: pow(x, exponent)
    }
  }

  private func eachElement(_ count: Int, _ body: (Int) -> Void) {
    if isPlanning { return }
    for index in 0..<count { body(index) }
  }

  /// The largest elements along an axis; the axis vanishes, or stays with length 1 where `keeping`.
  func maximum(_ x: Slot, axis: Int, keeping: Bool) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, axis = try axisIndex(x, axis, "max"), length = shape.lengths[axis]
    guard length > 0 else { throw Misuse("max", "axis \(axis) of shape \(shape) is empty: there is no largest") }
    var kept = Shape()
    for index in 0..<shape.rank where index != axis || keeping {
      kept.append(index == axis ? 1 : shape.lengths[index])
    }
    let y = try result(kept, "max", of: x)
    let places = unsafe try allocate(kept.count * 8, kept, "max")
    let inner = shape.count(of: axis + 1..<shape.rank)
    eachElement(kept.count) { index in
      let first = index / inner * length * inner + index % inner
      var best = 0
      for step in 1..<max(1, length) {
        let (value, largest) = unsafe (element(data(x), first + step * inner), element(data(x), first + best * inner))
        if value > largest || (value.isNaN && !largest.isNaN) { best = step }
      }
      unsafe places.storeBytes(of: first + best * inner, toByteOffset: index * 8, as: Int.self)
      unsafe setElement(data(y), index, to: element(data(x), first + best * inner))
    }
    unsafe record(.maximum, x, output: y, saved: [places, nil, nil])
    return y
  }

  func maximumBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0]
    guard let target = unsafe try contribution(to: x, "max"), let places = unsafe record.saved[0] else { return }
    unsafe clear(target, count: nodes[x].shape.count)
    let dy = unsafe gradient(of: record.output)
    eachElement(nodes[record.output].shape.count) { index in
      let place = unsafe places.load(fromByteOffset: index * 8, as: Int.self)
      unsafe setElement(target.target, place, to: element(target.target, place) + element(dy, index))
    }
  }
}

package extension Variable {
  /// xᵖ, element by element.
  func power(_ exponent: Double) -> Variable {
    apply("power") { c, x throws(Misuse) in try c.power(x, exponent) }
  }

  /// The largest elements along an axis.
  func maximum(axis: Int, keepingAxis: Bool = false) -> Variable {
    apply("max") { c, x throws(Misuse) in try c.maximum(x, axis: axis, keeping: keepingAxis) }
  }
}
