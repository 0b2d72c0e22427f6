public import AutogradEngine
public import AutogradNeuralNetwork

/// A norm of a decoder, of the kind that its configuration names.
public enum DecoderNorm<Scalar: TensorScalar>: Layer {
  case layer(LayerNorm<Scalar>)
  case rms(RMSNorm<Scalar>)

  public init(_ configuration: DecoderConfiguration) {
    let C = configuration.channelCount, epsilon = configuration.normEpsilon
    switch configuration.norm {
    case .layer: self = .layer(LayerNorm(channels: C, bias: configuration.biases.contains(.norms), epsilon: epsilon))
    case .rms(let hasScale): self = .rms(RMSNorm(channels: C, hasScale: hasScale, epsilon: epsilon))
    }
  }

  /// [C]; nil where nothing is scaled.
  public var weight: Parameter<Scalar>? {
    switch self {
    case .layer(let norm): norm.weight
    case .rms(let norm): norm.weight
    }
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    switch self {
    case .layer(let norm): norm.listParts(&parts)
    case .rms(let norm): norm.listParts(&parts)
    }
  }

  /// Shapes: x [..., C] → [..., C].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> {
    switch self {
    case .layer(let norm): norm(x)
    case .rms(let norm): norm(x)
    }
  }
}

/// The feed-forward part of a block, plain or gated as its configuration says.
public enum DecoderFeedForward<Scalar: TensorScalar>: Module {
  case plain(FeedForward<Scalar>)
  case gated(GatedFeedForward<Scalar>)

  public init(_ configuration: DecoderConfiguration) {
    let C = configuration.channelCount, F = configuration.feedForwardWidth
    let bias = configuration.biases.contains(.feedForward), dropout = configuration.dropout.residual
    let initially = configuration.initialization, outputInitially = configuration.residualInitialization
    switch configuration.feedForward {
    case .plain(let activation):
      self = .plain(
        FeedForward(
          channels: C, width: F, activation: activation, bias: bias, dropout: dropout, initially: initially,
          outputInitially: outputInitially))
    case .gated(let activation):
      self = .gated(
        GatedFeedForward(
          channels: C, width: F, activation: activation, bias: bias, dropout: dropout, initially: initially,
          outputInitially: outputInitially))
    }
  }

  /// [F, C]; of gated layers [2F, C].
  public var input: Linear<Scalar> {
    switch self {
    case .plain(let layers): layers.input
    case .gated(let layers): layers.input
    }
  }

  /// [C, F]
  public var output: Linear<Scalar> {
    switch self {
    case .plain(let layers): layers.output
    case .gated(let layers): layers.output
    }
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    switch self {
    case .plain(let layers): layers.listParts(&parts)
    case .gated(let layers): layers.listParts(&parts)
    }
  }

  /// Shapes: x and `residual` [..., C] → [..., C].
  public func callAsFunction(_ x: Variable<Scalar>, adding residual: Variable<Scalar>) -> Variable<Scalar> {
    switch self {
    case .plain(let layers): layers(x, adding: residual)
    case .gated(let layers): layers(x, adding: residual)
    }
  }
}

extension DecoderConfiguration {
  /// The angles that all layers share; nil where positions are others.
  func rotaryTable<Scalar: TensorScalar>(of type: Scalar.Type) -> RotaryTable<Scalar>? {
    guard let rotary else { return nil }
    return RotaryTable(
      contextLength: contextLength, headSize: headSize, base: rotary.base, scaling: rotary.scaling, share: rotary.share,
      convention: rotary.convention, direction: rotary.direction)
  }

  /// How each head of queries and keys is normalised; nil where it is not.
  var headNorm: HeadNorm? {
    queryKeyNorm == .none ? nil : HeadNorm(hasScale: queryKeyNorm == .scaled, epsilon: normEpsilon)
  }

  /// How embeddings and matrices begin, as GPT-2's do.
  var initialization: Initialization { .normal(deviation: initialDeviation) }

  /// How matrices begin whose results are added to the residual stream, once and again in each of the L layers.
  var residualInitialization: Initialization {
    .normal(deviation: initialDeviation / Double(2 * layerCount).squareRoot())
  }
}
