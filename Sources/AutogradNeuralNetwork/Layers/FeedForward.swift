public import AutogradEngine

/// Two linear layers with an activation between them, applied to each token alone.
public struct FeedForward<Scalar: TensorScalar>: Module {
  /// [width, C]
  public let input: Linear<Scalar>
  /// [C, width]
  public let output: Linear<Scalar>
  public let activation: Activation
  public let dropout: Double

  /// - Parameters:
  ///   - width: Channels between the two layers, 4C in a GPT.
  ///   - dropout: The share of the result to drop while recording.
  ///   - initially: How both weights begin once `initialize(seed:)` is called.
  ///   - outputInitially: How the output's weight begins where that differs: deep models make it smaller.
  public init(
    channels: Int, width: Int, activation: Activation = .geluTanh, bias: Bool = true, dropout: Double = 0,
    initially: Initialization = .xavierUniform(), outputInitially: Initialization? = nil
  ) {
    input = Linear(inputs: channels, outputs: width, bias: bias, initially: initially)
    output = Linear(inputs: width, outputs: channels, bias: bias, initially: outputInitially ?? initially)
    self.activation = activation
    self.dropout = dropout
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("input", input)
    parts.add("output", output)
  }

  /// Applies both layers and adds `residual`. Between them stands one value of `width` channels, which is given up
  /// once the second layer has it: backward computes it again.
  ///
  /// Shapes: x and `residual` [..., C] → [..., C].
  public func callAsFunction(_ x: Variable<Scalar>, adding residual: Variable<Scalar>) -> Variable<Scalar> {
    let hidden = input(x, activation: activation)
    defer { hidden.forget() }
    if dropout == 0 { return output(hidden, adding: residual) }
    return residual + output(hidden).dropout(rate: dropout)
  }
}
