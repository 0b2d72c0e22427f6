public import AutogradEngine

/// A table with one row of channels per token.
public struct Embedding<Scalar: TensorScalar>: Module {
  /// [rows, channels]
  public let weight: Parameter<Scalar>

  /// The table begins as `initially` says once `initialize(seed:)` is called, unless values are loaded.
  public init(rows: Int, channels: Int, initially: Initialization = .xavierUniform()) {
    weight = Parameter(shape: [rows, channels], initially: initially)
  }

  public func listParts(_ parts: inout ModuleParts<Scalar>) { parts.add("weight", weight) }

  /// Shapes: tokens [...] → [..., channels].
  public func callAsFunction(_ tokens: Tokens) -> Variable<Scalar> { tokens.embedding(weight) }
}
