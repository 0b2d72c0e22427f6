public import AutogradEngine

/// Divides the last axis by its root mean square, then scales.
public struct RMSNorm<Scalar: TensorScalar>: Layer {
  /// [channels], ones at first; nil where nothing is scaled
  public let weight: Parameter<Scalar>?
  public let epsilon: Double

  /// Scale one: it needs no initialisation.
  ///
  /// - Parameters:
  ///   - hasScale: Whether there is a weight at all.
  ///   - epsilon: Added to the mean square, so that a row of zeros does not divide by zero.
  public init(channels: Int, hasScale: Bool = true, epsilon: Double = 1e-6) {
    weight = hasScale ? Parameter(shape: [channels], initially: .ones) : nil
    self.epsilon = epsilon
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) { parts.add("weight", weight) }

  /// Shapes: x [..., channels] → [..., channels].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> { x.rmsNorm(scale: weight, epsilon: epsilon) }
}
