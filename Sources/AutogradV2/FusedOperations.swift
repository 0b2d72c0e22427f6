import AutogradEngine
import CAutogradV2

// Operations with token ids, norms and attention.

extension Context {
  /// Throws for an epsilon that would let a norm divide by nothing, or by the root of less.
  func checkEpsilon(_ epsilon: Double) throws(Misuse) {
    guard epsilon >= 0, epsilon.isFinite else {
      throw Misuse("", "an epsilon of \(epsilon)", hint: "give 0 or more, and finite")
    }
  }

  /// Token ids of the program, copied into the iteration.
  func tokens(_ ids: UnsafePointer<Int32>?, _ shape: Shape) throws(Misuse) -> Slot {
    guard let ids else { throw absent("the token list") }
    let shape = try shape.validated("tokens"), bytes = shape.count * 4
    let data = try core.allocate(bytes, shape, "tokens")
    data.copyMemory(from: ids, byteCount: bytes)
    return core.append(shape, data: data, requiresGradient: false, isTokens: true)
  }

  /// 0, 1, 2 … count − 1, or from another number on; [count], or as a batch of one text [1, count].
  func positions(_ count: Int, from first: Int = 0, isBatch: Bool = false) throws(Misuse) -> Slot {
    let shape = isBatch ? Shape([1, count] as InlineArray<2, Int>) : Shape([count] as InlineArray<1, Int>)
    let data = try core.allocate(count * 4, shape, "positions")
    let ids = data.bindMemory(to: Int32.self, capacity: count)
    for index in 0..<count { ids[index] = Int32(first + index) }
    return core.append(shape, data: data, requiresGradient: false, isTokens: true)
  }

  /// Causal attention of q, k and v [T, C] or [B, T, C]; through kept keys and values, of [T, C] that goes on with a text.
  func attention(
    _ q: Slot, _ k: Slot, _ v: Slot, headCount: Int, dropout: Double = 0, through kept: KeptLayer? = nil
  ) throws(Misuse) -> Slot {
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
    let heads: Slot
    if let kept {
      let positions = try self.positions(kept.pass.rowCount, from: kept.first, isBatch: true)
      heads = try core.attention(
        joined, headCount: headCount, positions: positions, through: kept.pass, layer: kept.layer)
    } else {
      heads = try core.attention(joined, headCount: headCount, dropout: dropout)
    }
    return shape.rank == 2 ? try core.reshape(heads, to: shape) : heads
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
      try context.checkEpsilon(eps)
      let scale = gamma == nil ? -1 : try context.slot(gamma, "gamma")
      let shift = beta == nil ? -1 : try context.slot(beta, "beta")
      let slot = try context.core.layerNorm(input, scale: scale, shift: shift, epsilon: eps)
      return try context.finish(name, slot, x, gamma, beta)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_attention(_ q: V!, _ k: V!, _ v: V!, _ n_heads: Int32) -> V! {
  attention("ag_attention", q, k, v, n_heads, 0)
}

@c @implementation func autograd_v2_impl_ag_attention_dropout(
  _ q: V!, _ k: V!, _ v: V!, _ n_heads: Int32, _ rate: Double
) -> V! {
  attention("ag_attention_dropout", q, k, v, n_heads, rate)
}

private func attention(
  _ name: StaticString, _ q: V?, _ k: V?, _ v: V?, _ heads: Int32, _ rate: Double
) -> V? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name, operations: 4) { () throws(Misuse) in
      try context.core.checkDropout(rate, "dropout")
      let a = try context.slot(q, "q"), b = try context.slot(k, "k"), c = try context.slot(v, "v")
      let slot = try context.attention(
        a, b, c, headCount: Int(heads), dropout: context.core.isRecording ? rate : 0)
      return try context.finish(name, slot, q, k, v)
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
