public import AutogradEngine
import AutogradBase
public import AutogradNeuralNetwork

/// One layer of a decoder: attention and feed-forward, each after a norm and added to its input.
public struct DecoderBlock<Scalar: TensorScalar>: Layer {
  public let attentionNorm: DecoderNorm<Scalar>
  public let attention: CausalSelfAttention<Scalar>
  public let feedForwardNorm: DecoderNorm<Scalar>
  public let feedForward: FeedForward<Scalar>

  /// - Parameters:
  ///   - index: Which layer it is, counted from 0: not all need have a window.
  ///   - rotary: The angles, where the model has rotary positions.
  public init(_ configuration: DecoderConfiguration, index: Int, rotary: RotaryTable<Scalar>?) {
    let dropout = configuration.dropout
    attentionNorm = DecoderNorm(configuration)
    attention = CausalSelfAttention(
      channels: configuration.channelCount, headCount: configuration.headCount,
      keyValueHeadCount: configuration.keyValueHeadCount, headSize: configuration.headSize,
      bias: configuration.biases.contains(.attentionInput), outputBias: configuration.biases.contains(.attentionOutput),
      rotary: rotary, queryKeyNorm: configuration.headNorm, window: configuration.window(ofLayer: index),
      dropout: dropout.attention, outputDropout: dropout.residual, initially: configuration.initialization,
      outputInitially: configuration.residualInitialization)
    feedForwardNorm = DecoderNorm(configuration)
    feedForward = FeedForward(configuration)
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("attentionNorm", attentionNorm)
    parts.add("attention", attention)
    parts.add("feedForwardNorm", feedForwardNorm)
    parts.add("feedForward", feedForward)
  }

  /// Shapes: x [B, T, C] → [B, T, C].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> { self(x, positions: nil) }

  /// Shapes: x [B, T, C], `positions` [B, T] → [B, T, C].
  ///
  /// - Parameters:
  ///   - positions: Each token's place in its document, or in its text; nil where a row is one text.
  ///   - cache: Where keys and values are kept of texts that go on.
  public func callAsFunction(
    _ x: Variable<Scalar>, positions: Tokens?, through cache: CachedLayer<Scalar>? = nil
  ) -> Variable<Scalar> {
    // What is cheap to compute again is given up as soon as it has served.
    let attended = attentionNorm(x)
    let h = attention(attended, positions: positions, through: cache, adding: x)
    attended.forget()
    let fed = feedForwardNorm(h)
    let y = feedForward(fed, adding: h)
    fed.forget()
    return y
  }
}

/// A decoder-only transformer, built by a configuration: embeddings, blocks, a norm, a head.
public struct Decoder<Scalar: TensorScalar>: LanguageModel {
  public let configuration: DecoderConfiguration
  /// [V, C]; also the weight of a tied head.
  public let tokenEmbedding: Embedding<Scalar>
  /// [contextLength, C]; nil where positions are not learned.
  public let positionEmbedding: Embedding<Scalar>?
  /// What the embeddings go through, where the model has that.
  public let embeddingNorm: DecoderNorm<Scalar>?
  public let blocks: [DecoderBlock<Scalar>]
  public let finalNorm: DecoderNorm<Scalar>
  /// [V, C]: the head's own weight, where it is not tied to the token embedding.
  public let head: Parameter<Scalar>?
  /// The angles of rotary positions, which all blocks share; nil where positions are others.
  private let rotary: RotaryTable<Scalar>?
  /// The blocks once more, where backward recomputes them; empty where it does not.
  private var recomputed: [Recomputation<Scalar>] = []

  public var recomputesBlocks: Bool {
    get { !recomputed.isEmpty }
    set {
      recomputed = newValue ? blocks.map { block in Recomputation { x, positions in block(x, positions: positions) } } : []
    }
  }

  /// Makes a model whose weights have no values yet: load them, or call `initialize`, which draws them as GPT-2's are.
  /// Matrices and embeddings come from N(0, σ²), σ being the configuration's `initialDeviation`, the projections back into
  /// the residual stream from N(0, σ²/2L); biases are 0, norm scales 1.
  ///
  /// Takes next to no memory before weights are written or used.
  public init(_ configuration: DecoderConfiguration) {
    let initially = configuration.initialization, C = configuration.channelCount
    self.configuration = configuration
    tokenEmbedding = Embedding(rows: configuration.vocabularySize, channels: C, initially: initially)
    positionEmbedding = configuration.positions == .learned
      ? Embedding(rows: configuration.contextLength, channels: C, initially: initially) : nil
    embeddingNorm = configuration.normalizesEmbedding ? DecoderNorm(configuration) : nil
    let rotary = configuration.rotaryTable(of: Scalar.self)
    self.rotary = rotary
    blocks = (0..<configuration.layerCount).map { DecoderBlock(configuration, index: $0, rotary: rotary) }
    finalNorm = DecoderNorm(configuration)
    head = configuration.tiesHead
      ? nil : Parameter(shape: [configuration.vocabularySize, C], initially: initially)
  }

  /// Makes a model with random weights.
  public init(_ configuration: DecoderConfiguration, seed: UInt64) {
    self.init(configuration)
    initialize(seed: seed)
  }

  public func withoutWeights(contextLength: Int) -> Decoder {
    var sizes = configuration
    sizes.contextLength = contextLength
    return Decoder(sizes)
  }

  public var tableBytes: Int { rotary?.byteCount ?? 0 }

  public func reserveTables(positions: Int) -> Bool { rotary?.reserve(positions: positions) ?? true }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("tokenEmbedding", tokenEmbedding)
    if let positionEmbedding { parts.add("positionEmbedding", positionEmbedding) }
    if let embeddingNorm { parts.add("embeddingNorm", embeddingNorm) }
    parts.add("blocks", blocks)
    parts.add("finalNorm", finalNorm)
    parts.add("head.weight", head)
  }

  public var tensors: [ModelTensor<Scalar>] {
    let parameters = parameters, descriptions = configuration.tensors
    guard parameters.map(\.path) == descriptions.map(\.path) else {
      fatalError("Decoder: the list of tensors in DecoderConfiguration+Tensors.swift is not that of the model's parts")
    }
    return zip(descriptions, parameters).map { description, named in
      ModelTensor(
        description, storedName: configuration.family.storedName(of: description), parameter: named.parameter)
    }
  }

  public func hiddenStates(_ tokens: Tokens, passing: (ModelStage) -> Void = { _ in }) -> Variable<Scalar> {
    hiddenStates(tokens, positions: nil, passing: passing)
  }

  /// What the head sees of each token, documents kept apart.
  ///
  /// Shapes: tokens and `positions` [B, T] → [B, T, C].
  ///
  /// - Parameter positions: Each token's place in its document, 0 where one begins; nil where a row is one text. A
  ///   document's results are those that it has alone, bit for bit.
  public func hiddenStates(
    _ tokens: Tokens, positions: Tokens?, passing: (ModelStage) -> Void = { _ in }
  ) -> Variable<Scalar> {
    hiddenStates(tokens, positions, nil, passing)
  }

  public func hiddenStates(_ tokens: Tokens, through pass: CachePass<Scalar>) -> Variable<Scalar> {
    hiddenStates(tokens, pass.positions(beside: tokens), pass) { _ in }
  }

  private func hiddenStates(
    _ tokens: Tokens, _ positions: Tokens?, _ pass: CachePass<Scalar>?, _ passing: (ModelStage) -> Void
  ) -> Variable<Scalar> {
    // Without recording, each result takes the place of the last.
    var x = tokenEmbedding(tokens)
    if let positionEmbedding { x = x.updated { $0 + positionEmbedding(positions ?? tokens.positions) } }
    if let embeddingNorm { x = x.updated { embeddingNorm($0) } }
    if configuration.dropout.embedding > 0 { x = x.dropout(rate: configuration.dropout.embedding) }
    passing(.embedding)
    for index in blocks.indices {
      x = x.updated {
        // Nothing that goes through a cache is recorded, so there is nothing to recompute.
        if let pass { return blocks[index]($0, positions: positions, through: pass.layer(index)) }
        return recomputesBlocks ? recomputed[index]($0, positions) : blocks[index]($0, positions: positions)
      }
      passing(.block(index))
    }
    x = x.updated { finalNorm($0) }
    passing(.finalNorm)
    return x
  }

  public func logits(of hidden: Variable<Scalar>) -> Variable<Scalar> {
    let logits = hidden.linear(head ?? tokenEmbedding.weight)
    guard let cap = configuration.softCap else { return logits }
    return logits.updated { ($0 * Scalar(1 / cap)).tanh() * Scalar(cap) }
  }

  /// See `LanguageModel`; the logits never exist.
  public func loss(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, weights: (any Operand<Scalar>)?, ignoring: Int32?,
    expectedSeed: Scalar, passing: (ModelStage) -> Void
  ) -> Variable<Scalar> {
    hiddenStates(tokens, positions: positions, passing: passing).linearCrossEntropy(
      head ?? tokenEmbedding.weight, targets, ignoring: ignoring, weights: weights, softCap: configuration.softCap,
      expectedSeed: expectedSeed)
  }

  public func losses(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, passing: (ModelStage) -> Void
  ) -> Variable<Scalar> {
    hiddenStates(tokens, positions: positions, passing: passing).linearCrossEntropyLosses(
      head ?? tokenEmbedding.weight, targets, softCap: configuration.softCap)
  }
}
