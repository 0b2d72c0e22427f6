public import AutogradEngine

/// Two linear layers with an activation between them, applied to each token alone: plain, or gated as in SwiGLU, GeGLU
/// and GLU.
///
/// A gated layer's input weight holds gate and value in one, their rows in turns: gate 0, value 0, gate 1, value 1 and so
/// on. Files mostly have them apart.
public struct FeedForward<Scalar: TensorScalar>: Module {
  /// [width, C]; of a gated layer [2 · width, C].
  public let input: Linear<Scalar>
  /// [C, width]
  public let output: Linear<Scalar>
  public let activation: Activation
  /// Whether what the activation makes of one half of the input's channels is multiplied by the other half.
  public let isGated: Bool
  public let dropout: Double

  /// - Parameters:
  ///   - width: Channels between the two layers, 4C in a GPT.
  ///   - activation: What these channels go through, or their gates.
  ///   - dropout: The share of the result to drop while recording.
  ///   - initially: How both weights begin once `initialize(seed:)` is called. What it takes from a weight's shape, it
  ///     takes from that of the whole.
  ///   - outputInitially: How the output's weight begins where that differs: deep models make it smaller.
  public init(
    channels: Int, width: Int, activation: Activation = .geluTanh, isGated: Bool = false, bias: Bool = true,
    dropout: Double = 0, initially: Initialization = .xavierUniform(), outputInitially: Initialization? = nil
  ) {
    input = Linear(inputs: channels, outputs: isGated ? 2 * width : width, bias: bias, initially: initially)
    output = Linear(inputs: width, outputs: channels, bias: bias, initially: outputInitially ?? initially)
    self.activation = activation
    self.isGated = isGated
    self.dropout = dropout
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("input", input)
    parts.add("output", output)
  }

  /// Applies both layers and adds `residual`. Between them stands one value of `width` channels, which is given up
  /// once the second layer has it: backward computes it again from what the first one keeps.
  ///
  /// Shapes: x and `residual` [..., C] → [..., C].
  public func callAsFunction(_ x: Variable<Scalar>, adding residual: Variable<Scalar>) -> Variable<Scalar> {
    let hidden = isGated
      ? x.gatedLinear(input.weight, bias: input.bias, gate: activation) : input(x, activation: activation)
    defer { hidden.forget() }
    if dropout == 0 { return output(hidden, adding: residual) }
    return residual + output(hidden).dropout(rate: dropout)
  }
}
