public import AutogradEngine

/// Attention of every query to all keys, in several heads: an encoder's, or a decoder's to its encoder.
///
/// Not causal: for that `CausalSelfAttention` is faster and needs no memory for weights. Here all T × S
/// weights of every head exist.
public struct MultiHeadAttention<Scalar: TensorScalar>: Module {
  /// [C, C] each
  public let query, key, value, output: Linear<Scalar>
  public let headCount: Int
  /// The share of attention weights that fall while recording.
  public let dropout: Double

  /// - Parameter initially: How the weights begin once `initialize(seed:)` is called.
  /// - Precondition: `channels` is a multiple of `headCount`; otherwise stops and prints both.
  public init(
    channels: Int, headCount: Int, bias: Bool = true, dropout: Double = 0, initially: Initialization = .xavierUniform()
  ) {
    guard headCount > 0, channels % headCount == 0 else {
      fatalError("MultiHeadAttention: \(channels) channels do not divide into \(headCount) heads")
    }
    query = Linear(inputs: channels, outputs: channels, bias: bias, initially: initially)
    key = Linear(inputs: channels, outputs: channels, bias: bias, initially: initially)
    value = Linear(inputs: channels, outputs: channels, bias: bias, initially: initially)
    output = Linear(inputs: channels, outputs: channels, bias: bias, initially: initially)
    self.headCount = headCount
    self.dropout = dropout
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("query", query)
    parts.add("key", key)
    parts.add("value", value)
    parts.add("output", output)
  }

  /// Lets each token of `x` attend to all tokens of `memory`, or of `x` itself where there is none.
  ///
  /// A sequence whose keys are all padding attends to nothing: its weights are zero, not NaN.
  ///
  /// Shapes: x [B, T, C], `memory` [B, S, C], `isPadding` [B, S] → [B, T, C].
  /// Formula: softmax(Q·Kᵀ/√D)·V per head, D = C / headCount.
  ///
  /// - Parameter isPadding: Not 0 where a key is to be ignored.
  /// - Precondition: The shapes fit; otherwise stops and prints them.
  /// - Complexity: (4·T + 4·S)·B·C² + 4·B·T·S·C flops, twice that backward; keeps 2 to 4
  ///   times B·headCount·T·S weights and scores.
  public func callAsFunction(
    _ x: Variable<Scalar>, memory: Variable<Scalar>? = nil, isPadding: Variable<Scalar>? = nil
  ) -> Variable<Scalar> {
    let memory = memory ?? x, shape = x.shapeValue, source = memory.shapeValue
    guard shape.rank == 3, source.rank == 3, shape[0] == source[0] else {
      fatalError("MultiHeadAttention: expected [batch, tokens, channels], got \(shape) and memory \(source)")
    }
    let (B, T, C, S, H) = (shape[0], shape[1], shape[2], source[1], headCount)
    func heads(_ x: Variable<Scalar>, _ count: Int) -> Variable<Scalar> {
      x.reshape([B, count, H, C / H]).permute([0, 2, 1, 3])
    }
    let scale = Scalar(1 / Double(max(1, C / H)).squareRoot())
    var scores = (heads(query(x), T) * scale).matmul(heads(key(memory), S), transposingRight: true)
    if let isPadding {
      guard isPadding.shape == [B, S] else {
        fatalError("MultiHeadAttention: isPadding must be [\(B), \(S)], got \(isPadding.shapeValue)")
      }
      scores = scores.replacing(with: -.infinity, where: isPadding.reshape([B, 1, 1, S]))
    }
    let weights = scores.softmax().dropout(rate: dropout)
    return output(weights.matmul(heads(value(memory), S)).permute([0, 2, 1, 3]).reshape([B, T, C]))
  }
}
