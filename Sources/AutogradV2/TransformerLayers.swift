import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

typealias AttentionPointer = UnsafeMutablePointer<MultiHeadAttention>
typealias FeedForwardPointer = UnsafeMutablePointer<FeedForward>
typealias BlockPointer = UnsafeMutablePointer<TransformerBlock>
typealias NormPointer = UnsafeMutablePointer<LayerNormV2>

extension Context {
  // MARK: Forward, on slots

  func norm(_ layer: NormPointer?, _ x: Slot) throws(Misuse) -> Slot {
    guard let layer else { throw absent("the norm") }
    guard layer.pointee.gamma != nil else { throw CellKind.layerNormV2.unusable(layer, "gamma") }
    try checkEpsilon(layer.pointee.eps)
    let gamma = try slot(layer.pointee.gamma, "gamma"), beta = try slot(layer.pointee.beta, "beta")
    return try core.layerNorm(x, scale: gamma, shift: beta, epsilon: layer.pointee.eps)
  }

  func attention(
    _ layer: AttentionPointer?, _ x: Slot, residual: Slot = -1, through kept: KeptLayer? = nil
  ) throws(Misuse) -> Slot {
    guard let layer else { throw absent("the attention layer") }
    guard layer.pointee.q_proj != nil else { throw CellKind.attention.unusable(layer, "q_proj") }
    let q = try linear(layer.pointee.q_proj, x), k = try linear(layer.pointee.k_proj, x)
    let v = try linear(layer.pointee.v_proj, x)
    let heads = try attention(q, k, v, headCount: Int(layer.pointee.n_heads), through: kept)
    return try linear(layer.pointee.out_proj, heads, residual: residual)
  }

  func feedForward(_ layer: FeedForwardPointer?, _ x: Slot, residual: Slot = -1) throws(Misuse) -> Slot {
    guard let layer else { throw absent("the feed-forward layer") }
    guard layer.pointee.fc1 != nil else { throw CellKind.feedForward.unusable(layer, "fc1") }
    let hidden = try withoutSizeLimit { () throws(Misuse) in try linear(layer.pointee.fc1, x, activation: .relu) }
    return try linear(layer.pointee.fc2, hidden, residual: residual)
  }

  /// x + attention(norm(x)), then h + feedForward(norm(h)).
  func block(_ block: BlockPointer?, _ x: Slot, through kept: KeptLayer? = nil) throws(Misuse) -> Slot {
    guard let block else { throw absent("the block") }
    guard block.pointee.attn != nil else { throw CellKind.block.unusable(block, "attn") }
    try reserve(operations: 16, "block")
    let h = try attention(block.pointee.attn, try norm(block.pointee.ln1, x), residual: x, through: kept)
    return try feedForward(block.pointee.ff, try norm(block.pointee.ln2, h), residual: h)
  }

  // MARK: Making and freeing

  func makeLayerNorm(_ size: Int) throws(Misuse) -> NormPointer {
    let layer = try make(LayerNormV2.self, .layerNormV2)
    do throws(Misuse) {
      (layer.pointee.gamma, layer.pointee.beta) = try makeNorm(size)
    } catch {
      freeLayerNorm(layer)
      throw error
    }
    layer.pointee.size = Int32(size)
    layer.pointee.eps = 1e-5
    return layer
  }

  func freeLayerNorm(_ layer: NormPointer?) { freePart(layer, .layerNormV2, releaseVariables) }

  func releaseVariables(_ layer: NormPointer) {
    release(layer.pointee.gamma)
    release(layer.pointee.beta)
  }

  func makeAttention(_ channels: Int, _ heads: Int) throws(Misuse) -> AttentionPointer {
    guard heads > 0, channels > 0, channels % heads == 0 else {
      throw Misuse(
        "", "\(channels) channels do not split into \(heads) heads", hint: "d_model must be a multiple of n_heads")
    }
    let layer = try make(MultiHeadAttention.self, .attention)
    do throws(Misuse) {
      layer.pointee.q_proj = try makeLinear(channels, channels)
      layer.pointee.k_proj = try makeLinear(channels, channels)
      layer.pointee.v_proj = try makeLinear(channels, channels)
      layer.pointee.out_proj = try makeLinear(channels, channels)
    } catch {
      freeAttention(layer)
      throw error
    }
    layer.pointee.n_heads = Int32(heads)
    layer.pointee.d_model = Int32(channels)
    layer.pointee.d_head = Int32(channels / heads)
    layer.pointee.scale = 1 / Double(channels / heads).squareRoot()
    return layer
  }

  func freeAttention(_ layer: AttentionPointer?) { freePart(layer, .attention, freeParts) }

  func freeParts(_ layer: AttentionPointer) {
    for part in [layer.pointee.q_proj, layer.pointee.k_proj, layer.pointee.v_proj, layer.pointee.out_proj] {
      freeLinear(part)
    }
  }

  func makeFeedForward(_ channels: Int, _ width: Int) throws(Misuse) -> FeedForwardPointer {
    let layer = try make(FeedForward.self, .feedForward)
    do throws(Misuse) {
      layer.pointee.fc1 = try makeLinear(channels, width)
      layer.pointee.fc2 = try makeLinear(width, channels)
    } catch {
      freeFeedForward(layer)
      throw error
    }
    layer.pointee.d_model = Int32(channels)
    layer.pointee.d_ff = Int32(width)
    return layer
  }

  func freeFeedForward(_ layer: FeedForwardPointer?) { freePart(layer, .feedForward, freeParts) }

  func freeParts(_ layer: FeedForwardPointer) {
    freeLinear(layer.pointee.fc1)
    freeLinear(layer.pointee.fc2)
  }

  func makeBlock(_ channels: Int, _ heads: Int, _ width: Int) throws(Misuse) -> BlockPointer {
    let block = try make(TransformerBlock.self, .block)
    do throws(Misuse) {
      block.pointee.attn = try makeAttention(channels, heads)
      block.pointee.ln1 = try makeLayerNorm(channels)
      block.pointee.ln2 = try makeLayerNorm(channels)
      block.pointee.ff = try makeFeedForward(channels, width)
      return block
    } catch {
      freeBlock(block)
      throw error
    }
  }

  func freeBlock(_ block: BlockPointer?) { freePart(block, .block, freeParts) }

  func freeParts(_ block: BlockPointer) {
    freeAttention(block.pointee.attn)
    freeLayerNorm(block.pointee.ln1)
    freeLayerNorm(block.pointee.ln2)
    freeFeedForward(block.pointee.ff)
  }

  // MARK: Variables, in the order of transformer_get_params. What is not there is left out.

  func visit(_ layer: UnsafeMutablePointer<Linear>?, _ body: (V) -> Void) {
    if let weight = layer?.pointee.weight { body(weight) }
    if let bias = layer?.pointee.bias { body(bias) }
  }

  func visit(_ layer: NormPointer?, _ body: (V) -> Void) {
    if let gamma = layer?.pointee.gamma { body(gamma) }
    if let beta = layer?.pointee.beta { body(beta) }
  }

  func visit(_ layer: AttentionPointer?, _ body: (V) -> Void) {
    guard let layer else { return }
    visit(layer.pointee.q_proj, body)
    visit(layer.pointee.k_proj, body)
    visit(layer.pointee.v_proj, body)
    visit(layer.pointee.out_proj, body)
  }

  func visit(_ layer: FeedForwardPointer?, _ body: (V) -> Void) {
    guard let layer else { return }
    visit(layer.pointee.fc1, body)
    visit(layer.pointee.fc2, body)
  }

  func visit(_ block: BlockPointer?, _ body: (V) -> Void) {
    guard let block else { return }
    visit(block.pointee.ln1, body)
    visit(block.pointee.ln2, body)
    visit(block.pointee.attn, body)
    visit(block.pointee.ff, body)
  }
}

@c @implementation func autograd_v2_impl_layer_norm_create(_ size: Int32) -> NormPointer! {
  call("layer_norm_create", nil) { context throws(Misuse) in try context.makeLayerNorm(Int(size)) }
}

@c @implementation func autograd_v2_impl_layer_norm_forward(_ layer: NormPointer!, _ x: V!) -> V! {
  guard let layer, layer.pointee.gamma != nil || layer.pointee.beta != nil else {
    return call("layer_norm_forward", nil) { context throws(Misuse) in
      guard let layer else { throw absent("the layer") }
      throw CellKind.layerNormV2.unusable(layer, "gamma")
    }
  }
  return layerNorm("layer_norm_forward", x, layer.pointee.gamma, layer.pointee.beta, layer.pointee.eps)
}

@c @implementation func autograd_v2_impl_layer_norm_free(_ layer: NormPointer!) {
  call("layer_norm_free", ()) { context throws(Misuse) in
    try context.freeStruct(layer, .layerNormV2, context.releaseVariables)
  }
}

@c @implementation func autograd_v2_impl_mha_create(_ d_model: Int32, _ n_heads: Int32) -> AttentionPointer! {
  call("mha_create", nil) { context throws(Misuse) in try context.makeAttention(Int(d_model), Int(n_heads)) }
}

@c @implementation func autograd_v2_impl_mha_forward(_ layer: AttentionPointer!, _ x: V!) -> V! {
  layerForward("mha_forward", x, operations: 10, parameters: 8) { context, x throws(Misuse) in
    try context.attention(layer, x)
  } visit: { context, body in context.visit(layer, body) }
}

@c @implementation func autograd_v2_impl_mha_free(_ layer: AttentionPointer!) {
  call("mha_free", ()) { context throws(Misuse) in try context.freeStruct(layer, .attention, context.freeParts) }
}

@c @implementation func autograd_v2_impl_ff_create(_ d_model: Int32, _ d_ff: Int32) -> FeedForwardPointer! {
  call("ff_create", nil) { context throws(Misuse) in try context.makeFeedForward(Int(d_model), Int(d_ff)) }
}

@c @implementation func autograd_v2_impl_ff_forward(_ layer: FeedForwardPointer!, _ x: V!) -> V! {
  layerForward("ff_forward", x, operations: 2, parameters: 4) { context, x throws(Misuse) in
    try context.feedForward(layer, x)
  } visit: { context, body in context.visit(layer, body) }
}

@c @implementation func autograd_v2_impl_ff_free(_ layer: FeedForwardPointer!) {
  call("ff_free", ()) { context throws(Misuse) in try context.freeStruct(layer, .feedForward, context.freeParts) }
}

@c @implementation func autograd_v2_impl_block_create(_ d_model: Int32, _ n_heads: Int32, _ d_ff: Int32)
  -> BlockPointer!
{
  call("block_create", nil) { context throws(Misuse) in
    try context.makeBlock(Int(d_model), Int(n_heads), Int(d_ff))
  }
}

@c @implementation func autograd_v2_impl_block_forward(_ block: BlockPointer!, _ x: V!) -> V! {
  layerForward("block_forward", x, operations: 16, parameters: 16) { context, x throws(Misuse) in
    try context.block(block, x)
  } visit: { context, body in context.visit(block, body) }
}

@c @implementation func autograd_v2_impl_block_free(_ block: BlockPointer!) {
  call("block_free", ()) { context throws(Misuse) in try context.freeStruct(block, .block, context.freeParts) }
}
