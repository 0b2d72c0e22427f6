public import AutogradEngine

/// Normalises the last axis to zero mean and unit variance, then scales and shifts.
public struct LayerNorm<Scalar: TensorScalar>: Layer {
  /// [channels], ones at first
  public let weight: Parameter<Scalar>
  /// [channels], zeros at first
  public let bias: Parameter<Scalar>?
  public let epsilon: Double

  /// Scale one, shift zero: it needs no initialisation.
  ///
  /// - Parameter epsilon: Added to the variance, so that a constant row does not divide by zero.
  public init(channels: Int, bias: Bool = true, epsilon: Double = 1e-5) {
    weight = Parameter(shape: [channels], initially: .ones)
    self.bias = bias ? Parameter(zeros: [channels]) : nil
    self.epsilon = epsilon
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("weight", weight)
    parts.add("bias", bias)
  }

  /// Shapes: x [..., channels] → [..., channels].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> {
    x.layerNorm(scale: weight, shift: bias, epsilon: epsilon)
  }
}
