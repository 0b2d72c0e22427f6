public import AutogradEngine

/// Multi-head attention of every token to itself and the tokens before it.
///
/// Queries, keys and values come from one product with a [3C, C] weight, whose row slices are the three
/// projections.
public struct CausalSelfAttention<Scalar: TensorScalar>: Module {
  /// [3C, C]: queries, keys, values
  public let input: Linear<Scalar>
  /// [C, C]
  public let output: Linear<Scalar>
  public let headCount: Int
  /// The share of attention weights that fall while recording.
  public let dropout: Double
  /// The share of the result that falls while recording, before it is added.
  public let outputDropout: Double

  /// - Parameters:
  ///   - outputDropout: As `dropout` unless given.
  ///   - initially: How both weights begin once `initialize(seed:)` is called.
  ///   - outputInitially: How the output's weight begins where that differs: deep models make it smaller.
  /// - Precondition: `channels` is a multiple of `headCount`; otherwise stops and prints both.
  public init(
    channels: Int, headCount: Int, bias: Bool = true, dropout: Double = 0, outputDropout: Double? = nil,
    initially: Initialization = .xavierUniform(), outputInitially: Initialization? = nil
  ) {
    guard headCount > 0, channels % headCount == 0 else {
      fatalError("CausalSelfAttention: \(channels) channels do not divide into \(headCount) heads")
    }
    input = Linear(inputs: channels, outputs: 3 * channels, bias: bias, initially: initially)
    output = Linear(inputs: channels, outputs: channels, bias: bias, initially: outputInitially ?? initially)
    self.headCount = headCount
    self.dropout = dropout
    self.outputDropout = outputDropout ?? dropout
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("input", input)
    parts.add("output", output)
  }

  /// Shapes: x and `residual` [B, T, C] → [B, T, C].
  public func callAsFunction(_ x: Variable<Scalar>, adding residual: Variable<Scalar>) -> Variable<Scalar> {
    let heads = input(x).causalAttention(headCount: headCount, dropout: dropout)
    if outputDropout == 0 { return output(heads, adding: residual) }
    return residual + output(heads).dropout(rate: outputDropout)
  }
}
