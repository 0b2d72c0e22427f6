import Autograd
import CAutogradV2

// Operations with token ids, norms, attention and losses.

extension Context {
  /// Token ids of the program, copied into the iteration.
  func tokens(_ ids: UnsafePointer<Int32>?, _ shape: Shape) throws(Misuse) -> Slot {
    guard let ids else { throw Misuse("", "the token list is NULL") }
    let shape = try shape.validated("tokens"), bytes = shape.count * 4
    let data = try core.allocate(bytes, shape, "tokens")
    data.copyMemory(from: ids, byteCount: bytes)
    return core.append(shape, data: data, requiresGradient: false, isTokens: true)
  }

  /// 0, 1, 2 … count − 1.
  func positions(_ count: Int) throws(Misuse) -> Slot {
    let data = try core.allocate(count * 4, Shape([count] as InlineArray<1, Int>), "positions")
    let ids = data.bindMemory(to: Int32.self, capacity: count)
    for index in 0..<count { ids[index] = Int32(index) }
    return core.append(Shape([count] as InlineArray<1, Int>), data: data, requiresGradient: false, isTokens: true)
  }

  /// Causal attention of q, k and v [T, C] or [B, T, C].
  func attention(_ q: Slot, _ k: Slot, _ v: Slot, headCount: Int) throws(Misuse) -> Slot {
    let shape = core.nodes[q].shape
    guard shape.rank == 2 || shape.rank == 3, core.nodes[k].shape == shape, core.nodes[v].shape == shape else {
      throw Misuse(
        "", "queries \(shape), keys \(core.nodes[k].shape) and values \(core.nodes[v].shape) must all be [tokens, "
          + "channels] or [batch, tokens, channels]")
    }
    guard headCount > 0, shape.last % headCount == 0 else {
      throw Misuse("", "\(shape.last) channels do not split into \(headCount) heads")
    }
    var parts: InlineArray<3, Slot> = [q, k, v]
    var joined = try withoutSizeLimit { () throws(Misuse) in
      try withUnsafePointer(to: &parts) { pointer throws(Misuse) in
        try pointer.withMemoryRebound(to: Slot.self, capacity: 3) { slots throws(Misuse) in
          try core.concatenate(slots, count: 3, axis: -1)
        }
      }
    }
    if shape.rank == 2 { joined = try core.reshape(joined, to: Shape([1, shape[0], 3 * shape[1]])) }
    let heads = try core.attention(joined, headCount: headCount, dropout: 0)
    return shape.rank == 2 ? try core.reshape(heads, to: shape) : heads
  }

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
}

@c @implementation func autograd_v2_impl_ag_layer_norm(_ x: V!, _ gamma: V!, _ beta: V!, _ eps: Double) -> V! {
  layerNorm("ag_layer_norm", x, gamma, beta, eps)
}

/// Layer normalisation over the last axis; gamma and beta may be NULL.
func layerNorm(_ name: StaticString, _ x: V?, _ gamma: V?, _ beta: V?, _ eps: Double) -> V? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name) { () throws(Misuse) in
      let input = try context.slot(x, argument: 1)
      let scale = gamma == nil ? -1 : try context.slot(gamma, "gamma")
      let shift = beta == nil ? -1 : try context.slot(beta, "beta")
      let slot = try context.core.layerNorm(input, scale: scale, shift: shift, epsilon: eps)
      return try context.finish(name, slot, x, gamma, beta)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_attention(_ q: V!, _ k: V!, _ v: V!, _ n_heads: Int32) -> V! {
  call("ag_attention", nil) { context throws(Misuse) in
    try context.record("ag_attention", operations: 4) { () throws(Misuse) in
      let (a, b) = (try context.slot(q, "q"), try context.slot(k, "k"))
      let slot = try context.attention(a, b, try context.slot(v, "v"), headCount: Int(n_heads))
      return try context.finish("ag_attention", slot, q, k, v)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_embedding(
  _ table: V!, _ tokens: UnsafePointer<Int32>!, _ count: Int32
) -> V! {
  embedding("ag_embedding", table, tokens, count)
}

/// Rows of a table [V, C] by token: [count, C].
func embedding(_ name: StaticString, _ table: V?, _ tokens: UnsafePointer<Int32>?, _ count: Int32) -> V? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name) { () throws(Misuse) in
      let weight = try context.slot(table, "the table")
      let ids = try context.tokens(tokens, Shape([Int(count)] as InlineArray<1, Int>))
      return try context.finish(name, try context.core.embedding(weight, ids), table)
    }
  }
}

@c @implementation func autograd_v2_impl_compute_cross_entropy_loss(
  _ logits: V!, _ targets: UnsafePointer<Int32>!, _ seq_len: Int32
) -> V! {
  call("compute_cross_entropy_loss", nil) { context throws(Misuse) in
    try context.record("compute_cross_entropy_loss", operations: 2) { () throws(Misuse) in
      let core = context.core
      var x = try context.slot(logits, "logits")
      let shape = core.nodes[x].shape
      guard shape.rank >= 1, shape.rows == Int(seq_len) else {
        throw Misuse("", "logits \(shape) have \(shape.rows) rows, seq_len is \(seq_len)")
      }
      if shape.rank != 2 { x = try core.reshape(x, to: Shape([shape.rows, shape.last] as InlineArray<2, Int>)) }
      let ids = try context.tokens(targets, Shape([Int(seq_len)] as InlineArray<1, Int>))
      let slot = try core.crossEntropy(x, ids, ignoring: nil)
      return try context.finish("compute_cross_entropy_loss", slot, logits)
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
