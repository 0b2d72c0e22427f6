import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

typealias ModelPointer = UnsafeMutablePointer<TransformerV2>

extension Context {
  /// The most blocks of a model. Their parameters would fill more memory than there is long before.
  static let mostLayers = 65536

  func makeTransformer(
    vocabulary: Int, channels: Int, heads: Int, layers: Int, width: Int, contextLength: Int
  ) throws(Misuse) -> ModelPointer {
    guard layers >= 0, layers <= Context.mostLayers else {
      throw Misuse("", "n_layers is \(layers)", hint: "give 0 to \(Context.mostLayers)")
    }
    let model = try make(TransformerV2.self, .transformer)
    do throws(Misuse) {
      model.pointee.token_embed = try makeParameter([vocabulary, channels]) { tensor, _ in
        fillNormal(tensor, deviation: 0.02)
      }
      model.pointee.pos_embed = try makeParameter([contextLength, channels]) { tensor, _ in
        fillNormal(tensor, deviation: 0.02)
      }
      guard let blocks = calloc(max(1, layers), MemoryLayout<BlockPointer?>.size) else {
        throw core.outOfMemory("model")
      }
      model.pointee.blocks = blocks.bindMemory(to: BlockPointer?.self, capacity: max(1, layers))
      for index in 0..<layers {
        model.pointee.blocks[index] = try makeBlock(channels, heads, width)
        model.pointee.n_layers = Int32(index + 1)
      }
      model.pointee.ln_final = try makeLayerNorm(channels)
      model.pointee.lm_head = try makeLinear(channels, vocabulary)
    } catch {
      freeTransformer(model)
      throw error
    }
    model.pointee.vocab_size = Int32(vocabulary)
    model.pointee.d_model = Int32(channels)
    model.pointee.n_heads = Int32(heads)
    model.pointee.d_ff = Int32(width)
    model.pointee.max_seq_len = Int32(contextLength)
    return model
  }

  func freeTransformer(_ model: ModelPointer?) { freePart(model, .transformer, freeParts) }

  func freeParts(_ model: ModelPointer) {
    release(model.pointee.token_embed)
    release(model.pointee.pos_embed)
    if let blocks = model.pointee.blocks {
      for index in 0..<max(0, Int(model.pointee.n_layers)) { freeBlock(blocks[index]) }
      free(blocks)
    }
    freeLayerNorm(model.pointee.ln_final)
    freeLinear(model.pointee.lm_head)
  }

  func visit(_ model: ModelPointer, _ body: (V) -> Void) {
    if let table = model.pointee.token_embed { body(table) }
    if let places = model.pointee.pos_embed { body(places) }
    if let blocks = model.pointee.blocks {
      for index in 0..<max(0, Int(model.pointee.n_layers)) { visit(blocks[index], body) }
    }
    visit(model.pointee.ln_final, body)
    visit(model.pointee.lm_head, body)
  }

  /// Throws where parts of a model are missing that no forward can do without.
  func checkParts(_ model: ModelPointer) throws(Misuse) {
    guard model.pointee.token_embed != nil else { throw CellKind.transformer.unusable(model, "token_embed") }
    guard model.pointee.pos_embed != nil else { throw absent("pos_embed") }
    guard (0...Context.mostLayers).contains(Int(model.pointee.n_layers)) else {
      throw Misuse("", "the model's n_layers is \(model.pointee.n_layers)")
    }
    guard model.pointee.n_layers == 0 || model.pointee.blocks != nil else { throw absent("blocks") }
    for index in 0..<Int(model.pointee.n_layers) where model.pointee.blocks[index] == nil {
      throw absent("blocks[\(index)]")
    }
    guard model.pointee.ln_final != nil else { throw absent("ln_final") }
    guard model.pointee.lm_head != nil else { throw absent("lm_head") }
  }

  /// Logits [T, V] of tokens [T], or [B, T, V] of tokens [B, T].
  ///
  /// - Parameter kept: Where tokens [T] go on with a text whose keys and values are kept.
  func logits(
    _ model: ModelPointer, _ ids: UnsafePointer<Int32>?, _ shape: Shape, through kept: KeptPass? = nil
  ) throws(Misuse) -> Slot {
    try checkParts(model)
    guard shape.last <= Int(model.pointee.max_seq_len) else {
      throw Misuse(
        "", "\(shape.last) tokens, more than the model's max_seq_len of \(model.pointee.max_seq_len)",
        hint: "give the last \(model.pointee.max_seq_len), or make the model longer")
    }
    // Known before anything is computed, so refused before.
    var result = shape
    result.append(Int(model.pointee.vocab_size))
    try result.validated("model").checkSize(atMost: Context.largestTensor, "model")
    try reserve(operations: 16, "model")
    let tokens = try tokens(ids, shape)
    let embedded = try core.embedding(try slot(model.pointee.token_embed, "token_embed"), tokens)
    let places = try core.embedding(
      try slot(model.pointee.pos_embed, "pos_embed"), try positions(shape.last, from: kept?.first ?? 0))
    var x = try core.add(embedded, places)
    for index in 0..<Int(model.pointee.n_layers) {
      x = try block(model.pointee.blocks?[index], x, through: kept?.layer(index))
    }
    try reserve(operations: 16, "model")
    return try linear(model.pointee.lm_head, try norm(model.pointee.ln_final, x))
  }
}

private func forward(
  _ name: StaticString, _ model: ModelPointer?, _ tokens: UnsafePointer<Int32>?,
  _ shape: (Context) throws(Misuse) -> Shape
) -> V? {
  call(name, nil) { context throws(Misuse) in
    guard let model else { throw absent("the model") }
    return try context.record(name) { () throws(Misuse) in
      let slot = try context.logits(model, tokens, try shape(context))
      return try context.finish(name, slot, capacity: 6 + 16 * Int(model.pointee.n_layers)) { list in
        context.visit(model) { list.add($0) }
      }
    }
  }
}

@c @implementation func autograd_v2_impl_transformer_create(
  _ vocab_size: Int32, _ d_model: Int32, _ n_heads: Int32, _ n_layers: Int32, _ d_ff: Int32, _ max_seq_len: Int32
) -> ModelPointer! {
  call("transformer_create", nil) { context throws(Misuse) in
    try context.makeTransformer(
      vocabulary: Int(vocab_size), channels: Int(d_model), heads: Int(n_heads), layers: Int(n_layers),
      width: Int(d_ff), contextLength: Int(max_seq_len))
  }
}

@c @implementation func autograd_v2_impl_transformer_free(_ model: ModelPointer!) {
  call("transformer_free", ()) { context throws(Misuse) in
    try context.freeStruct(model, .transformer, context.freeParts)
  }
}

@c @implementation func autograd_v2_impl_transformer_forward(
  _ model: ModelPointer!, _ tokens: UnsafePointer<Int32>!, _ seq_len: Int32
) -> V! {
  forward("transformer_forward", model, tokens) { _ throws(Misuse) in
    guard seq_len > 0 else { throw Misuse("", "seq_len is \(seq_len)", hint: "give at least one token") }
    return Shape([Int(seq_len)] as InlineArray<1, Int>)
  }
}

@c @implementation func autograd_v2_impl_transformer_forward_batch(
  _ model: ModelPointer!, _ tokens: UnsafePointer<Int32>!, _ batch: Int32, _ seq_len: Int32
) -> V! {
  forward("transformer_forward_batch", model, tokens) { _ throws(Misuse) in
    guard batch > 0, seq_len > 0 else {
      throw Misuse("", "batch is \(batch), seq_len is \(seq_len)", hint: "both must be at least 1")
    }
    return Shape([Int(batch), Int(seq_len)] as InlineArray<2, Int>)
  }
}

@c @implementation func autograd_v2_impl_transformer_get_params(
  _ model: ModelPointer!, _ params: UnsafeMutablePointer<UnsafeMutablePointer<V?>?>!,
  _ count: UnsafeMutablePointer<Int32>!
) -> Int32 {
  params?.pointee = nil
  count?.pointee = 0
  return call("transformer_get_params", -1) { context throws(Misuse) in
    guard let model else { throw absent("the model") }
    guard let params, let count else { throw absent("the place for the parameters or their number") }
    try context.checkParts(model)
    var found = 0
    context.visit(model) { _ in found += 1 }
    guard let memory = malloc(max(1, found) * MemoryLayout<V?>.stride) else { throw context.core.outOfMemory("params") }
    let list = memory.bindMemory(to: V?.self, capacity: max(1, found))
    found = 0
    context.visit(model) { variable in
      list[found] = variable
      found += 1
    }
    params.pointee = list
    count.pointee = Int32(found)
    return 0
  }
}
