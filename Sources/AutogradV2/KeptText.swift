import AutogradEngine
import CAutogradV2

/// The keys and values of a text that `generate_text` writes: each token costs one pass over the weights.
struct KeptText {
  private let cache: KeyValueCacheCore

  fileprivate init(_ cache: KeyValueCacheCore) { self.cache = cache }

  /// The tokens that are not kept yet of a text of `count`.
  func pass(upTo count: Int) throws(Misuse) -> KeptPass {
    let first = cache.lengths[0]
    return KeptPass(core: try CachePassCore(cache, [(sequence: 0, count: count - first, position: first)]), first: first)
  }

  func complete(_ pass: KeptPass) throws(Misuse) { try cache.complete(pass.core) }
}

/// Tokens that go on with a kept text: from number `first` on.
struct KeptPass {
  let core: CachePassCore
  let first: Int

  func layer(_ index: Int) -> KeptLayer { KeptLayer(pass: core, first: first, layer: index) }
}

/// The same for one layer.
struct KeptLayer {
  let pass: CachePassCore
  let first, layer: Int
}

extension Context {
  /// Room for the keys and values of a text of `count` tokens; nil where the layers' heads are not of one size, which a
  /// program may have made so.
  func keptText(of model: ModelPointer, count: Int) throws(Misuse) -> KeptText? {
    let heads = Int(model.pointee.n_heads), channels = Int(model.pointee.d_model), layers = Int(model.pointee.n_layers)
    guard count > 0, layers > 0, heads > 0, channels > 0, channels % heads == 0 else { return nil }
    for index in 0..<layers where Int(model.pointee.blocks[index]?.pointee.attn?.pointee.n_heads ?? 0) != heads {
      return nil
    }
    let cache = try KeyValueCacheCore(
      CacheSizes(layerCount: layers, capacity: count, keyValueHeadCount: heads, headSize: channels / heads), tape: core)
    guard cache.reserve() else { throw core.outOfMemory("generate") }
    return KeptText(cache)
  }
}
