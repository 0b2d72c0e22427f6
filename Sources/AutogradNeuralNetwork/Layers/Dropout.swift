public import AutogradEngine

/// Sets elements to zero at random while recording; does nothing inside `tape.inference`.
public struct Dropout<Scalar: TensorScalar>: Layer {
  /// The share of elements that fall, in 0..<1.
  public let rate: Double

  public init(rate: Double) { self.rate = rate }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {}

  /// Shapes: x [...] → [...].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> { x.dropout(rate: rate) }
}
