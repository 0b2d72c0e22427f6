public import AutogradEngine

/// Parameters that are updated alike.
public struct ParameterGroup<Scalar: TensorScalar> {
  public var parameters: [NamedParameter<Scalar>]
  public var weightDecay: Double
  /// Multiplies the learning rate of every step.
  public var learningRateFactor: Double

  /// - Parameter source: A module, or parameters.
  /// - Precondition: Every stored part of a module is listed; otherwise stops and names it.
  public init(
    _ source: some ParameterSource<Scalar>, weightDecay: Double = 0, learningRateFactor: Double = 1
  ) {
    (source as? any Module<Scalar>)?.requireListedParts()
    parameters = source.parameters
    self.weightDecay = weightDecay
    self.learningRateFactor = learningRateFactor
  }

  /// Two groups: matrices (two axes or more) decay, biases and norm scales do not.
  public static func decayingMatrices(
    _ source: some ParameterSource<Scalar>, weightDecay: Double
  ) -> [ParameterGroup] {
    let all = ParameterGroup(source).parameters
    return [
      ParameterGroup(all.filter { $0.parameter.shape.count >= 2 }, weightDecay: weightDecay),
      ParameterGroup(all.filter { $0.parameter.shape.count < 2 }),
    ]
  }
}
