public import AutogradEngine
import AutogradBase
public import AutogradNeuralNetwork

/// One layer of a decoder: attention and feed-forward, each after a norm and added to its input.
public struct DecoderBlock<Scalar: TensorScalar>: Layer {
  public let attentionNorm: LayerNorm<Scalar>
  public let attention: CausalSelfAttention<Scalar>
  public let feedForwardNorm: LayerNorm<Scalar>
  public let feedForward: FeedForward<Scalar>

  public init(_ configuration: DecoderConfiguration) {
    let C = configuration.channelCount, bias = configuration.hasBias, dropout = configuration.dropout
    attentionNorm = LayerNorm(channels: C, bias: bias, epsilon: configuration.normEpsilon)
    attention = CausalSelfAttention(
      channels: C, headCount: configuration.headCount, bias: bias, dropout: dropout.attention,
      outputDropout: dropout.residual)
    feedForwardNorm = LayerNorm(channels: C, bias: bias, epsilon: configuration.normEpsilon)
    feedForward = FeedForward(
      channels: C, width: configuration.feedForwardWidth, activation: configuration.activation, bias: bias,
      dropout: dropout.residual)
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("attentionNorm", attentionNorm)
    parts.add("attention", attention)
    parts.add("feedForwardNorm", feedForwardNorm)
    parts.add("feedForward", feedForward)
  }

  /// Shapes: x [B, T, C] → [B, T, C].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> {
    // What is cheap to compute again is given up as soon as it has served.
    let attended = attentionNorm(x)
    let h = attention(attended, adding: x)
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
  /// [contextLength, C]
  public let positionEmbedding: Embedding<Scalar>
  public let blocks: [DecoderBlock<Scalar>]
  public let finalNorm: LayerNorm<Scalar>
  /// [V, C]: the head's own weight, where it is not tied to the token embedding.
  public let head: Parameter<Scalar>?
  /// The blocks once more, where backward recomputes them; empty where it does not.
  private var recomputed: [Recomputed<DecoderBlock<Scalar>>] = []

  public var recomputesBlocks: Bool {
    get { !recomputed.isEmpty }
    set { recomputed = newValue ? blocks.map { Recomputed($0) } : [] }
  }

  /// Makes a model whose weights have no values yet: load them, or call `initialize`.
  ///
  /// Takes next to no memory before weights are written or used.
  public init(_ configuration: DecoderConfiguration) {
    self.configuration = configuration
    tokenEmbedding = Embedding(rows: configuration.vocabularySize, channels: configuration.channelCount)
    positionEmbedding = Embedding(rows: configuration.contextLength, channels: configuration.channelCount)
    blocks = (0..<configuration.layerCount).map { _ in DecoderBlock(configuration) }
    finalNorm = LayerNorm(
      channels: configuration.channelCount, bias: configuration.hasBias, epsilon: configuration.normEpsilon)
    head = configuration.tiesHead ? nil : Parameter(zeros: tokenEmbedding.weight.shape)
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

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("tokenEmbedding", tokenEmbedding)
    parts.add("positionEmbedding", positionEmbedding)
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

  /// GPT-2's initialisation, by role: matrices and embeddings from N(0, σ²), σ being the configuration's
  /// `initialDeviation`, the projections back into the residual stream from N(0, σ²/2L), biases 0, norm scales 1. Each
  /// tensor draws from a stream of its own.
  public func initialize(seed: UInt64) {
    let residual = configuration.initialDeviation / Double(2 * configuration.layerCount).squareRoot()
    for (index, tensor) in tensors.enumerated() {
      let deviation: Double
      switch tensor.description.role {
      case .tokenEmbedding, .positionEmbedding, .projection, .head: deviation = configuration.initialDeviation
      case .residualProjection: deviation = residual
      case .bias, .normShift, .normScale: continue
      }
      var random = RandomStream(seed: seed, purpose: .initialization, ordinal: UInt32(index))
      tensor.parameter.fill(.normal(deviation: deviation), &random)
    }
  }

  public func hiddenStates(_ tokens: Tokens, passing: (ModelStage) -> Void = { _ in }) -> Variable<Scalar> {
    // Without recording, each result takes the place of the last.
    var x = tokenEmbedding(tokens).updated { $0 + positionEmbedding(tokens.positions) }
    if configuration.dropout.embedding > 0 { x = x.dropout(rate: configuration.dropout.embedding) }
    passing(.embedding)
    for index in blocks.indices {
      x = x.updated { recomputesBlocks ? recomputed[index]($0) : blocks[index]($0) }
      passing(.block(index))
    }
    x = x.updated { finalNorm($0) }
    passing(.finalNorm)
    return x
  }

  public func logits(_ tokens: Tokens) -> Variable<Scalar> {
    hiddenStates(tokens).linear(head ?? tokenEmbedding.weight)
  }

  /// See `LanguageModel`; the logits never exist.
  public func loss(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, weights: (any Operand<Scalar>)?, ignoring: Int32?,
    expectedSeed: Scalar, passing: (ModelStage) -> Void
  ) -> Variable<Scalar> {
    guard positions == nil else {
      fatalError("Decoder: documents are not kept apart by this model; leave positions out")
    }
    return hiddenStates(tokens, passing: passing).linearCrossEntropy(
      head ?? tokenEmbedding.weight, targets, ignoring: ignoring, weights: weights, expectedSeed: expectedSeed)
  }
}
