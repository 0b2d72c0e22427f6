public import AutogradEngine

/// A table with one row of channels per token.
public struct Embedding<Scalar: TensorScalar>: Module {
  /// [rows, channels]
  public let weight: Parameter<Scalar>

  /// All zeros: initialise with `fillWeights(seed:)` or load values.
  public init(rows: Int, channels: Int) { weight = Parameter(zeros: [rows, channels]) }

  public func listParts(_ parts: inout ModuleParts<Scalar>) { parts.add("weight", weight) }

  /// Shapes: tokens [...] → [..., channels].
  public func callAsFunction(_ tokens: Tokens) -> Variable<Scalar> { tokens.embedding(weight) }
}
