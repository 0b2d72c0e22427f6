import CAutogradKernels

// Picking along an axis: with x as [O, N, I] and tokens as [O, M, I]
//   y[o, m, i] = x[o, token[o, m, i], i],   dx[o, token[o, m, i], i] += dy[o, m, i], m ascending.
// One owner per o. Keeps the tokens.
//
// INVARIANT: as in TapeCore+Kernels.swift; tokens lie inside the axis, which `checkTokens` makes sure of.

extension TapeCore {
  package func gather(_ x: Slot, _ tokens: Slot, axis: Int) throws(Misuse) -> Slot {
    let shape = nodes[x].shape, axis = try axisIndex(x, axis, "gather"), given = nodes[tokens].shape
    var kept = shape, dropped = Shape()
    if given.rank == shape.rank { kept[axis] = given.lengths[axis] }
    for index in 0..<shape.rank where index != axis { dropped.append(shape.lengths[index]) }
    guard given == kept && given.rank == shape.rank || given == dropped else {
      throw Misuse(
        "gather", "tokens of shape \(given) do not pick along axis \(axis) of shape \(shape)",
        hint: "they have the same axes, with any length along that one, or the same without it")
    }
    try checkTokens(tokens, below: shape.lengths[axis], "gather")
    let y = try result(given, "gather", of: x)
    let (outer, inner) = (shape.count(of: 0..<axis), shape.count(of: axis + 1..<shape.rank))
    let picks = given.rank == shape.rank ? given.lengths[axis] : 1
    let arguments = unsafe ck_gather(
      y: data(y), x: data(x), tokens: tokenData(tokens), length: shape.lengths[axis], picks: picks,
      inner: inner)
    unsafe runRows(arguments, count: outer, columns: picks * inner)
    unsafe record(.gather, x, tokens, output: y, integers: [axis, picks, 0, 0])
    return y
  }

  func gatherBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], shape = nodes[x].shape, axis = record.integers[0], picks = record.integers[1]
    guard let target = unsafe try contribution(to: x, "gather") else { return }
    unsafe clear(target, count: shape.count)
    let (outer, inner) = (shape.count(of: 0..<axis), shape.count(of: axis + 1..<shape.rank))
    let arguments = unsafe ck_gather_backward(
      dx: target.target, dy: gradient(of: record.output), tokens: tokenData(record.inputs[1]),
      length: shape.lengths[axis], picks: picks, inner: inner)
    unsafe runRows(arguments, count: outer, columns: picks * inner)
  }
}

extension Variable {
  /// Picks elements along an axis: `logProbabilities.gather(targets, axis: -1)` takes one number of each row.
  ///
  /// Whole rows by token are `Tokens.embedding`.
  ///
  /// Shapes: `self` [..., N, ...], `tokens` [..., M, ...] → [..., M, ...]; or `tokens` without the axis →
  /// without it.
  ///
  /// - Precondition: Every token lies in 0..<N, and the other axes agree; otherwise stops and says which do
  ///   not.
  /// - Complexity: one read per element; backward zeroes the gradient of the whole `self`.
  public func gather(_ tokens: Tokens, axis: Int) -> Variable {
    apply("gather") { c, x throws(Misuse) in
      try c.gather(x, try c.slot(tokens.handle, "gather"), axis: axis)
    }
  }
}
