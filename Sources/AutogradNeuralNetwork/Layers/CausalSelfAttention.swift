public import AutogradEngine

/// How a layer normalises each head of its queries and keys: see `QueryKeyNorm`.
public struct HeadNorm: Sendable, Hashable {
  /// Queries and keys have weights, ones at first.
  public var hasScale: Bool
  public var epsilon: Double

  public init(hasScale: Bool = true, epsilon: Double = 1e-6) {
    self.hasScale = hasScale
    self.epsilon = epsilon
  }
}

/// Multi-head attention of every token to itself and the tokens before it.
///
/// Queries, keys and values come from one product, whose weight has H·D rows for the queries, KV·D for the keys and as
/// many for the values; D is C/H unless given. Each head of keys and values serves H/KV heads of queries. See
/// `Variable.causalAttention` for what the choices do.
public struct CausalSelfAttention<Scalar: TensorScalar>: Module {
  /// [(H + 2·KV)·D, C]: queries, keys, values
  public let input: Linear<Scalar>
  /// [C, H·D]
  public let output: Linear<Scalar>
  /// [D], where queries and keys are normalised and scaled
  public let queryNorm: Parameter<Scalar>?
  /// [D]
  public let keyNorm: Parameter<Scalar>?
  public let headCount: Int
  public let keyValueHeadCount: Int
  /// Columns of a head.
  public let headSize: Int
  /// Turns queries and keys by their positions; a model's layers share it.
  public let rotary: RotaryTable<Scalar>?
  public let queryKeyNorm: HeadNorm?
  /// How many tokens a token sees, itself among them; nil for all.
  public let window: Int?
  /// The share of attention weights that fall while recording.
  public let dropout: Double
  /// The share of the result that falls while recording, before it is added.
  public let outputDropout: Double

  /// - Parameters:
  ///   - keyValueHeadCount: A divisor of `headCount`; as many unless given.
  ///   - headSize: `channels` / `headCount` unless given.
  ///   - bias: Of queries, keys and values.
  ///   - outputBias: As `bias` unless given.
  ///   - outputDropout: As `dropout` unless given.
  ///   - initially: How both weights begin once `initialize(seed:)` is called.
  ///   - outputInitially: How the output's weight begins where that differs: deep models make it smaller.
  /// - Precondition: `channels` is a multiple of `headCount` unless `headSize` is given, and `headCount` of
  ///   `keyValueHeadCount`; otherwise stops and prints both.
  public init(
    channels: Int, headCount: Int, keyValueHeadCount: Int? = nil, headSize: Int? = nil, bias: Bool = true,
    outputBias: Bool? = nil, rotary: RotaryTable<Scalar>? = nil, queryKeyNorm: HeadNorm? = nil, window: Int? = nil,
    dropout: Double = 0, outputDropout: Double? = nil, initially: Initialization = .xavierUniform(),
    outputInitially: Initialization? = nil
  ) {
    guard headCount > 0, headSize.map({ $0 > 0 }) ?? (channels % headCount == 0) else {
      if let headSize { fatalError("CausalSelfAttention: \(headCount) heads of \(headSize) columns") }
      fatalError("CausalSelfAttention: \(channels) channels do not divide into \(headCount) heads")
    }
    let KV = keyValueHeadCount ?? headCount
    guard KV > 0, headCount % KV == 0 else {
      fatalError("CausalSelfAttention: \(headCount) heads do not divide among \(KV) heads of keys and values")
    }
    let D = headSize ?? channels / headCount
    input = Linear(inputs: channels, outputs: (headCount + 2 * KV) * D, bias: bias, initially: initially)
    output = Linear(
      inputs: headCount * D, outputs: channels, bias: outputBias ?? bias, initially: outputInitially ?? initially)
    queryNorm = queryKeyNorm?.hasScale == true ? Parameter(shape: [D], initially: .ones) : nil
    keyNorm = queryKeyNorm?.hasScale == true ? Parameter(shape: [D], initially: .ones) : nil
    self.headCount = headCount
    self.keyValueHeadCount = KV
    self.headSize = D
    self.rotary = rotary
    self.queryKeyNorm = queryKeyNorm
    self.window = window
    self.dropout = dropout
    self.outputDropout = outputDropout ?? dropout
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("input", input)
    parts.add("output", output)
    parts.add("queryNorm.weight", queryNorm)
    parts.add("keyNorm.weight", keyNorm)
  }

  /// Shapes: x and `residual` [B, T, C] → [B, T, C].
  ///
  /// - Parameters:
  ///   - positions: Each token's place in its document, [B, T], where documents are kept apart; with a cache, in its text.
  ///   - cache: Where keys and values are kept of texts that go on; then B is 1 and T counts the rows of the pass.
  public func callAsFunction(
    _ x: Variable<Scalar>, positions: Tokens? = nil, through cache: CachedLayer<Scalar>? = nil,
    adding residual: Variable<Scalar>
  ) -> Variable<Scalar> {
    let heads = attend(input(x), positions, cache)
    if outputDropout == 0 { return output(heads, adding: residual) }
    return residual + output(heads).dropout(rate: outputDropout)
  }

  private func attend(
    _ qkv: Variable<Scalar>, _ positions: Tokens?, _ cache: CachedLayer<Scalar>?
  ) -> Variable<Scalar> {
    let norm = queryKeyNorm.map { QueryKeyNorm<Scalar>(query: queryNorm, key: keyNorm, epsilon: $0.epsilon) }
    guard let cache, let positions else {
      return qkv.causalAttention(
        headCount: headCount, keyValueHeadCount: keyValueHeadCount, rotary: rotary, queryKeyNorm: norm, window: window,
        positions: positions, dropout: dropout)
    }
    return qkv.causalAttention(
      headCount: headCount, keyValueHeadCount: keyValueHeadCount, rotary: rotary, queryKeyNorm: norm, window: window,
      positions: positions, through: cache)
  }
}
