import AutogradEngine
import CAutogradV2

// C's names of the losses.

extension Context {
  /// The mean over the rows of −Σ target · log softmax(logits): targets are distributions.
  func distributionCrossEntropy(_ logits: Slot, _ targets: Slot) throws(Misuse) -> Slot {
    let rows = Double(core.nodes[logits].shape.rows)
    let product = try core.multiply(targets, try core.logSoftmax(logits))
    let all = try core.axisBits(product, [], "sum")
    let sum = try core.sum(product, over: all, keeping: false, mean: false, "sum")
    return try core.affine(sum, scale: -1 / rows, shift: 0, "cross entropy")
  }

  /// Class numbers that the program keeps as doubles.
  func classes(_ targets: Slot) throws(Misuse) -> Slot {
    let shape = core.nodes[targets].shape
    let data = try core.allocate(shape.count * 4, shape, "targets")
    let ids = data.bindMemory(to: Int32.self, capacity: shape.count)
    for index in 0..<shape.count {
      let value = core.element(core.data(targets), index)
      guard let id = Int32(exactly: value) else {
        throw Misuse("", "target \(value) at position \(index) is no class number", hint: "give 0, 1, 2 …")
      }
      ids[index] = id
    }
    return core.append(shape, data: data, requiresGradient: false, isTokens: true)
  }

  /// Cross-entropy of logits [..., V] against one target for each of their rows.
  fileprivate func crossEntropy(
    _ logits: Slot, _ targets: UnsafePointer<Int32>?, _ count: Int32, ignoring: Int32?, _ word: StaticString
  ) throws(Misuse) -> Slot {
    let (rows, ids) = try rowsAndTargets(logits, "logits", "have", targets, count, word)
    return try core.crossEntropy(rows, ids, ignoring: ignoring)
  }

  /// The same for logits x·Wᵀ that never exist.
  ///
  /// Gradients are computed in backward, not in forward as Swift's default has it: a program may look at gradients,
  /// clear them or leave a loss without backward whenever it likes.
  fileprivate func linearCrossEntropy(
    _ x: Slot, _ weight: Slot, _ targets: UnsafePointer<Int32>?, _ count: Int32, ignoring: Int32?
  ) throws(Misuse) -> Slot {
    let (rows, ids) = try rowsAndTargets(x, "x", "has", targets, count, "count")
    return try core.linearCrossEntropy(rows, weight: weight, ids, ignoring: ignoring, expectedSeed: nil)
  }

  /// x as [rows, ...], and one target for each row.
  private func rowsAndTargets(
    _ x: Slot, _ name: StaticString, _ verb: StaticString, _ targets: UnsafePointer<Int32>?, _ count: Int32,
    _ word: StaticString
  ) throws(Misuse) -> (rows: Slot, targets: Slot) {
    let shape = core.nodes[x].shape
    guard shape.rank >= 1, shape.rows == Int(count) else {
      throw Misuse("", "\(name) \(shape) \(verb) \(shape.rows) rows, \(word) is \(count)")
    }
    let rows = shape.rank == 2
      ? x : try core.reshape(x, to: Shape([shape.rows, shape.last] as InlineArray<2, Int>))
    return (rows, try tokens(targets, Shape([Int(count)] as InlineArray<1, Int>)))
  }
}

@c @implementation func autograd_v2_impl_compute_cross_entropy_loss(
  _ logits: V!, _ targets: UnsafePointer<Int32>!, _ seq_len: Int32
) -> V! {
  crossEntropy("compute_cross_entropy_loss", logits, targets, seq_len, ignoring: nil, "seq_len")
}

@c @implementation func autograd_v2_impl_ag_cross_entropy_ignoring(
  _ logits: V!, _ targets: UnsafePointer<Int32>!, _ count: Int32, _ ignored: Int32
) -> V! {
  crossEntropy("ag_cross_entropy_ignoring", logits, targets, count, ignoring: ignored, "count")
}

private func crossEntropy(
  _ name: StaticString, _ logits: V?, _ targets: UnsafePointer<Int32>?, _ count: Int32, ignoring: Int32?,
  _ word: StaticString
) -> V? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name, operations: 2) { () throws(Misuse) in
      let x = try context.slot(logits, "logits")
      let slot = try context.crossEntropy(x, targets, count, ignoring: ignoring, word)
      return try context.finish(name, slot, logits)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_linear_cross_entropy(
  _ x: V!, _ weight: V!, _ targets: UnsafePointer<Int32>!, _ count: Int32
) -> V! {
  linearCrossEntropy("ag_linear_cross_entropy", x, weight, targets, count, ignoring: nil)
}

@c @implementation func autograd_v2_impl_ag_linear_cross_entropy_ignoring(
  _ x: V!, _ weight: V!, _ targets: UnsafePointer<Int32>!, _ count: Int32, _ ignored: Int32
) -> V! {
  linearCrossEntropy("ag_linear_cross_entropy_ignoring", x, weight, targets, count, ignoring: ignored)
}

private func linearCrossEntropy(
  _ name: StaticString, _ x: V?, _ weight: V?, _ targets: UnsafePointer<Int32>?, _ count: Int32, ignoring: Int32?
) -> V? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name, operations: 2) { () throws(Misuse) in
      let input = try context.slot(x, "x"), w = try context.slot(weight, "the weight")
      let slot = try context.linearCrossEntropy(input, w, targets, count, ignoring: ignoring)
      return try context.finish(name, slot, x, weight)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_cross_entropy_loss(_ logits: V!, _ targets: V!) -> V! {
  call("ag_cross_entropy_loss", nil) { context throws(Misuse) in
    try context.record("ag_cross_entropy_loss", operations: 9) { () throws(Misuse) in
      let x = try context.slot(logits, "logits"), t = try context.slot(targets, "targets")
      let core = context.core, shape = core.nodes[x].shape, given = core.nodes[t].shape
      let slot: Slot
      if shape.rank >= 1, given == shape {
        slot = try context.distributionCrossEntropy(x, t)
      } else if shape.rank >= 1, given.count == shape.rows {
        let rows = try core.reshape(x, to: Shape([shape.rows, shape.last] as InlineArray<2, Int>))
        slot = try core.crossEntropy(
          rows, try context.classes(try core.reshape(t, to: Shape([shape.rows] as InlineArray<1, Int>))), ignoring: nil)
      } else {
        throw Misuse(
          "", "logits \(shape) want targets \(shape), distributions, or one class number for each row; got \(given)")
      }
      return try context.finish("ag_cross_entropy_loss", slot, logits, targets)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_squared_error(_ predictions: V!, _ targets: V!) -> V! {
  operation("ag_squared_error", predictions, targets) { c, x, t throws(Misuse) in
    try c.pairLoss(.squaredError, x, t)
  }
}

@c @implementation func autograd_v2_impl_ag_binary_cross_entropy(_ logits: V!, _ targets: V!) -> V! {
  operation("ag_binary_cross_entropy", logits, targets) { c, x, t throws(Misuse) in
    try c.pairLoss(.binaryCrossEntropy, x, t)
  }
}
