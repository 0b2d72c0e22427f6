import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Context {
  /// A zeroed C struct, which `freeStruct` takes back.
  func make<Struct>(_ type: Struct.Type, _ kind: CellKind) throws(Misuse) -> UnsafeMutablePointer<Struct> {
    guard let memory = Cells.take(type, kind) else { throw core.outOfMemory("struct") }
    return memory
  }

  /// Runs `body`, which frees what a struct holds, then frees the struct itself. Throws, and frees nothing, where it
  /// was freed before or is not one of the library.
  func freeStruct<Struct>(
    _ pointer: UnsafeMutablePointer<Struct>?, _ kind: CellKind, _ body: (UnsafeMutablePointer<Struct>) -> Void
  ) throws(Misuse) {
    guard let pointer else { return }
    try kind.require(pointer)
    freePart(pointer, kind, body)
  }

  /// The same inside of a larger one: a part that the program has freed by itself, or made by itself, is left alone.
  func freePart<Struct>(
    _ pointer: UnsafeMutablePointer<Struct>?, _ kind: CellKind, _ body: (UnsafeMutablePointer<Struct>) -> Void
  ) {
    guard let pointer, Cells.isLive(pointer, kind) else { return }
    body(pointer)
    _ = Cells.giveBack(pointer, kind)
  }

  /// A trained parameter; `fill` writes its first values.
  func makeParameter(_ lengths: [Int], _ fill: (TensorPointer, Shape) -> Void) throws(Misuse) -> VariablePointer {
    for length in lengths where length <= 0 {
      throw Misuse("", "a parameter of shape \(Shape(lengths))", hint: "sizes must be at least 1")
    }
    let shape = try Shape(lengths).validated("parameter")
    try shape.checkSize(atMost: Context.largestTensor, "parameter")
    let tensor = try persistentTensor(shape)
    do throws(Misuse) {
      fill(tensor, shape)
      return try persistentVariable(tensor, requiresGradient: true, isParameter: true)
    } catch {
      freePersistent(tensor)
      throw error
    }
  }

  /// Frees a layer's variable, where it is one that can be freed.
  func release(_ variable: VariablePointer?) {
    guard let variable, variable.pointee.private_kind == HeaderKind.persistentVariable else { return }
    freePersistent(variable)
  }

  // MARK: Linear

  func makeLinear(_ inputs: Int, _ outputs: Int) throws(Misuse) -> UnsafeMutablePointer<Linear> {
    let layer = try make(Linear.self, .linear)
    do throws(Misuse) {
      layer.pointee.weight = try makeParameter([outputs, inputs]) { fillXavier($0, $1) }
      layer.pointee.bias = try makeParameter([outputs]) { _, _ in }
      return layer
    } catch {
      freeLinear(layer)
      throw error
    }
  }

  func freeLinear(_ layer: UnsafeMutablePointer<Linear>?) { freePart(layer, .linear, releaseVariables) }

  func releaseVariables(_ layer: UnsafeMutablePointer<Linear>) {
    release(layer.pointee.weight)
    release(layer.pointee.bias)
  }

  /// y = x·Wᵀ + b, then an activation, then a residual.
  func linear(
    _ layer: UnsafeMutablePointer<Linear>?, _ x: Slot, activation: Activation? = nil, residual: Slot = -1
  ) throws(Misuse) -> Slot {
    guard let layer else { throw absent("the linear layer") }
    guard layer.pointee.weight != nil else { throw CellKind.linear.unusable(layer, "the layer's weight") }
    let weight = try slot(layer.pointee.weight, "the layer's weight")
    let bias = layer.pointee.bias == nil ? -1 : try slot(layer.pointee.bias, "the layer's bias")
    return try core.linear(x, weight: weight, bias: bias, activation: activation, residual: residual)
  }
}

/// Runs a layer over `x`; it stands on the tape as one operation, with `x` and what `visit` names as inputs.
func layerForward(
  _ name: StaticString, _ x: V?, operations: Int, parameters: Int,
  _ body: (Context, Slot) throws(Misuse) -> Slot, visit: (Context, (V) -> Void) -> Void
) -> V? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name, operations: operations) { () throws(Misuse) in
      let slot = try body(context, try context.slot(x, "x"))
      return try context.finish(name, slot, capacity: 1 + parameters) { list in
        list.add(x)
        visit(context) { list.add($0) }
      }
    }
  }
}

@c @implementation func autograd_v2_impl_linear_create(_ in_features: Int32, _ out_features: Int32)
  -> UnsafeMutablePointer<Linear>!
{
  call("linear_create", nil) { context throws(Misuse) in
    try context.makeLinear(Int(in_features), Int(out_features))
  }
}

@c @implementation func autograd_v2_impl_linear_forward(_ layer: UnsafeMutablePointer<Linear>!, _ x: V!) -> V! {
  layerForward("linear_forward", x, operations: 1, parameters: 2) { context, x throws(Misuse) in
    try context.linear(layer, x)
  } visit: { context, body in context.visit(layer, body) }
}

@c @implementation func autograd_v2_impl_linear_free(_ layer: UnsafeMutablePointer<Linear>!) {
  call("linear_free", ()) { context throws(Misuse) in try context.freeStruct(layer, .linear, context.releaseVariables) }
}

// MARK: Embedding

@c @implementation func autograd_v2_impl_embedding_create(_ vocab_size: Int32, _ embed_dim: Int32)
  -> UnsafeMutablePointer<Embedding>!
{
  call("embedding_create", nil) { context throws(Misuse) in
    let layer = try context.make(Embedding.self, .embedding)
    do throws(Misuse) {
      layer.pointee.embeddings = try context.makeParameter([Int(vocab_size), Int(embed_dim)]) { tensor, _ in
        context.fillNormal(tensor, deviation: 0.02)
      }
    } catch {
      context.freePart(layer, .embedding) { _ in }
      throw error
    }
    layer.pointee.vocab_size = vocab_size
    layer.pointee.embed_dim = embed_dim
    return layer
  }
}

@c @implementation func autograd_v2_impl_embedding_forward(
  _ layer: UnsafeMutablePointer<Embedding>!, _ tokens: UnsafePointer<Int32>!, _ count: Int32
) -> V! {
  guard let layer, layer.pointee.embeddings != nil else {
    return call("embedding_forward", nil) { context throws(Misuse) in
      guard let layer else { throw absent("the layer") }
      throw CellKind.embedding.unusable(layer, "the layer's table")
    }
  }
  return embedding("embedding_forward", layer.pointee.embeddings, tokens, count)
}

@c @implementation func autograd_v2_impl_embedding_free(_ layer: UnsafeMutablePointer<Embedding>!) {
  call("embedding_free", ()) { context throws(Misuse) in
    try context.freeStruct(layer, .embedding) { context.release($0.pointee.embeddings) }
  }
}

// MARK: Layer normalisation

@c @implementation func autograd_v2_impl_layernorm_create(_ dim: Int32) -> UnsafeMutablePointer<LayerNorm>! {
  call("layernorm_create", nil) { context throws(Misuse) in
    let layer = try context.make(LayerNorm.self, .layerNorm)
    do throws(Misuse) {
      (layer.pointee.gamma, layer.pointee.beta) = try context.makeNorm(Int(dim))
    } catch {
      context.freePart(layer, .layerNorm) { _ in }
      throw error
    }
    layer.pointee.eps = 1e-5
    return layer
  }
}

extension Context {
  /// Scales of one and shifts of zero.
  func makeNorm(_ size: Int) throws(Misuse) -> (gamma: V, beta: V) {
    let gamma = try makeParameter([size]) { tensor, shape in
      for index in 0..<shape.count { tensor.pointee.data[index] = 1 }
    }
    do throws(Misuse) {
      return (gamma, try makeParameter([size]) { _, _ in })
    } catch {
      release(gamma)
      throw error
    }
  }
}

@c @implementation func autograd_v2_impl_layernorm_forward(_ layer: UnsafeMutablePointer<LayerNorm>!, _ x: V!)
  -> V!
{
  guard let layer, layer.pointee.gamma != nil || layer.pointee.beta != nil else {
    return call("layernorm_forward", nil) { context throws(Misuse) in
      guard let layer else { throw absent("the layer") }
      throw CellKind.layerNorm.unusable(layer, "gamma")
    }
  }
  return layerNorm("layernorm_forward", x, layer.pointee.gamma, layer.pointee.beta, layer.pointee.eps)
}

@c @implementation func autograd_v2_impl_layernorm_free(_ layer: UnsafeMutablePointer<LayerNorm>!) {
  call("layernorm_free", ()) { context throws(Misuse) in
    try context.freeStruct(layer, .layerNorm) {
      context.release($0.pointee.gamma)
      context.release($0.pointee.beta)
    }
  }
}
