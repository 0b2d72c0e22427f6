public import AutogradEngine

/// A gated layer and a linear one, applied to each token alone: SwiGLU, GeGLU or GLU, as the activation says.
///
/// The input's weight holds gate and value in one, their rows in turns: gate 0, value 0, gate 1, value 1 and so on.
/// Files mostly have them apart.
public struct GatedFeedForward<Scalar: TensorScalar>: Module {
  /// [2 · width, C]
  public let input: Linear<Scalar>
  /// [C, width]
  public let output: Linear<Scalar>
  public let activation: Activation
  public let dropout: Double

  /// - Parameters:
  ///   - width: Channels between the two layers.
  ///   - activation: What the gate goes through.
  ///   - bias: Whether both layers have one.
  ///   - dropout: The share of the result to drop while recording.
  ///   - initially: How both weights begin once `initialize(seed:)` is called. What it takes from a weight's shape, it
  ///     takes from [2 · width, C].
  ///   - outputInitially: How the output's weight begins where that differs: deep models make it smaller.
  public init(
    channels: Int, width: Int, activation: Activation = .silu, bias: Bool = false, dropout: Double = 0,
    initially: Initialization = .xavierUniform(), outputInitially: Initialization? = nil
  ) {
    input = Linear(inputs: channels, outputs: 2 * width, bias: bias, initially: initially)
    output = Linear(inputs: width, outputs: channels, bias: bias, initially: outputInitially ?? initially)
    self.activation = activation
    self.dropout = dropout
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("input", input)
    parts.add("output", output)
  }

  /// Applies both layers and adds `residual`. Between them stands one value of `width` channels, which is given up
  /// once the second layer has it: backward computes it again from the 2 · width channels that the gated layer keeps.
  ///
  /// Shapes: x and `residual` [..., C] → [..., C].
  public func callAsFunction(_ x: Variable<Scalar>, adding residual: Variable<Scalar>) -> Variable<Scalar> {
    let hidden = x.gatedLinear(input.weight, bias: input.bias, gate: activation)
    defer { hidden.forget() }
    if dropout == 0 { return output(hidden, adding: residual) }
    return residual + output(hidden).dropout(rate: dropout)
  }
}
