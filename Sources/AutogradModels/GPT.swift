public import AutogradEngine
import AutogradBase
public import AutogradNeuralNetwork

/// One layer of a GPT: attention and feed-forward, each after a norm and added to its input.
public struct Block<Scalar: TensorScalar>: Layer {
  public let attentionNorm: LayerNorm<Scalar>
  public let attention: CausalSelfAttention<Scalar>
  public let feedForwardNorm: LayerNorm<Scalar>
  public let feedForward: FeedForward<Scalar>

  public init(_ configuration: GPTConfiguration) {
    let C = configuration.channelCount, bias = configuration.hasBias
    attentionNorm = LayerNorm(channels: C, bias: bias, epsilon: configuration.layerNormEpsilon)
    attention = CausalSelfAttention(
      channels: C, headCount: configuration.headCount, bias: bias, dropout: configuration.dropout)
    feedForwardNorm = LayerNorm(channels: C, bias: bias, epsilon: configuration.layerNormEpsilon)
    feedForward = FeedForward(
      channels: C, width: configuration.feedForwardWidth, bias: bias, dropout: configuration.dropout)
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("ln_1", attentionNorm)
    parts.add("attn", attention)
    parts.add("ln_2", feedForwardNorm)
    parts.add("mlp", feedForward)
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

/// GPT-2's architecture: pre-norm blocks, learned positions, GELU, a head tied to the token embedding.
///
/// A sequence's results depend neither on its batch nor on what follows: the first t rows of `logits` are those
/// of the first t tokens alone, bit for bit.
public struct GPT<Scalar: TensorScalar>: Module {
  public let configuration: GPTConfiguration
  /// [V, C]; also the weight of the head.
  public let tokenEmbedding: Embedding<Scalar>
  /// [contextLength, C]
  public let positionEmbedding: Embedding<Scalar>
  public let blocks: [Block<Scalar>]
  public let finalNorm: LayerNorm<Scalar>
  /// [V, C]: the head's own weight, where it is not tied to the token embedding.
  public let head: Parameter<Scalar>?
  /// The blocks once more, where backward recomputes them; empty where it does not.
  private var recomputed: [Recomputed<Block<Scalar>>] = []

  /// Whether only each block's input is kept for backward, which then computes the block again: about a third more
  /// time, the same gradients bit for bit.
  public var recomputesBlocks: Bool {
    get { !recomputed.isEmpty }
    set { recomputed = newValue ? blocks.map { Recomputed($0) } : [] }
  }

  /// Makes a model with weights of zero (norm scales of one): load weights, or call `initialize`.
  ///
  /// Takes next to no memory before weights are written or used.
  public init(_ configuration: GPTConfiguration) {
    self.configuration = configuration
    tokenEmbedding = Embedding(rows: configuration.vocabularySize, channels: configuration.channelCount)
    positionEmbedding = Embedding(rows: configuration.contextLength, channels: configuration.channelCount)
    blocks = (0..<configuration.layerCount).map { _ in Block(configuration) }
    finalNorm = LayerNorm(
      channels: configuration.channelCount, bias: configuration.hasBias, epsilon: configuration.layerNormEpsilon)
    head = configuration.tiesHead ? nil : Parameter(zeros: tokenEmbedding.weight.shape)
  }

  /// Makes a model with random weights.
  public init(_ configuration: GPTConfiguration, seed: UInt64) {
    self.init(configuration)
    initialize(seed: seed)
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("wte", tokenEmbedding)
    parts.add("wpe", positionEmbedding)
    parts.add("h", blocks)
    parts.add("ln_f", finalNorm)
    parts.add("lm_head.weight", head)
  }

  /// GPT-2's initialisation: matrices and embeddings from N(0, 0.02²), the projections back into the residual
  /// stream from N(0, 0.02²/2L), biases 0, norm scales 1. Each parameter draws from a stream of its own.
  public func initialize(seed: UInt64) {
    let residual = 0.02 / Double(2 * configuration.layerCount).squareRoot()
    for (index, named) in parameters.enumerated() where named.parameter.shape.count >= 2 {
      var random = RandomStream(seed: seed, purpose: .initialization, ordinal: UInt32(index))
      named.parameter.fillNormal(deviation: named.path.hasSuffix("c_proj.weight") ? residual : 0.02, &random)
    }
  }

  /// The residual stream after the final norm.
  ///
  /// Shapes: tokens [B, T] → [B, T, C].
  ///
  /// - Parameter passing: Called after each stage.
  /// - Precondition: T is at most the context length, tokens lie inside the vocabulary.
  public func hiddenStates(_ tokens: Tokens, passing: (GPTStage) -> Void = { _ in }) -> Variable<Scalar> {
    // Without recording, each result takes the place of the last.
    var x = tokenEmbedding(tokens).updated { $0 + positionEmbedding(tokens.positions) }
    if configuration.dropout > 0 { x = x.dropout(rate: configuration.dropout) }
    passing(.embedding)
    for index in blocks.indices {
      x = x.updated { recomputesBlocks ? recomputed[index]($0) : blocks[index]($0) }
      passing(.block(index))
    }
    x = x.updated { finalNorm($0) }
    passing(.finalNorm)
    return x
  }

  /// Shapes: tokens [B, T] → [B, T, V].
  public func logits(_ tokens: Tokens) -> Variable<Scalar> {
    hiddenStates(tokens).linear(head ?? tokenEmbedding.weight)
  }

  /// The mean negative log-likelihood of `targets`, in nats; the logits never exist.
  ///
  /// Shapes: tokens and `targets` [B, T] → [].
  ///
  /// - Parameters:
  ///   - expectedSeed: The seed that `backward` will get: 1, or 1/n where n batches accumulate.
  ///   - passing: Called after each stage.
  public func loss(
    _ tokens: Tokens, targets: Tokens, ignoring: Int32? = nil, expectedSeed: Scalar = 1,
    passing: (GPTStage) -> Void = { _ in }
  ) -> Variable<Scalar> {
    hiddenStates(tokens, passing: passing).linearCrossEntropy(
      head ?? tokenEmbedding.weight, targets, ignoring: ignoring, expectedSeed: expectedSeed)
  }
}

/// Where a pass through a GPT stands.
public enum GPTStage: Sendable, Equatable {
  case embedding
  case block(Int)
  case finalNorm
}
