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

extension FeedForward {
  /// The feed-forward part of a block, plain or gated as its configuration says.
  init(_ configuration: DecoderConfiguration) {
    let (activation, isGated) = switch configuration.feedForward {
    case .plain(let activation): (activation, false)
    case .gated(let activation): (activation, true)
    }
    self.init(
      channels: configuration.channelCount, width: configuration.feedForwardWidth, activation: activation,
      isGated: isGated, bias: configuration.biases.contains(.feedForward), dropout: configuration.dropout.residual,
      initially: configuration.initialization, outputInitially: configuration.residualInitialization)
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
