public import AutogradEngine

/// A linear map of the last axis: y = x·Wᵀ + b. The weight is stored [output, input].
public struct Linear<Scalar: TensorScalar>: Layer {
  /// [outputs, inputs]
  public let weight: Parameter<Scalar>
  /// [outputs]
  public let bias: Parameter<Scalar>?

  /// The bias begins at 0, the weight as `initially` says once `initialize(seed:)` is called, unless values are loaded.
  public init(inputs: Int, outputs: Int, bias: Bool = true, initially: Initialization = .xavierUniform()) {
    weight = Parameter(shape: [outputs, inputs], initially: initially)
    self.bias = bias ? Parameter(zeros: [outputs]) : nil
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("weight", weight)
    parts.add("bias", bias)
  }

  /// Applies the map; activation and residual are done on the way out of the product.
  ///
  /// Shapes: x [..., inputs], `residual` [..., outputs] → [..., outputs].
  public func callAsFunction(
    _ x: Variable<Scalar>, activation: Activation? = nil, adding residual: Variable<Scalar>? = nil
  ) -> Variable<Scalar> {
    x.linear(weight, bias: bias, activation: activation, adding: residual)
  }

  /// Shapes: x [..., inputs] → [..., outputs].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> { x.linear(weight, bias: bias) }
}
