public import AutogradEngine

/// A layer whose activations backward computes again instead of keeping them: see `Recomputation`.
///
/// Its parameters have the paths that they have in the layer itself.
///
/// ```swift
/// let layers = Sequential<Float>([Recomputed(first), Recomputed(second)])
/// ```
public struct Recomputed<Body: Layer>: Layer {
  public let body: Body
  private let part: Recomputation<Body.Scalar>

  /// Shares the layer's parameters.
  public init(_ body: Body) {
    self.body = body
    part = Recomputation { body($0) }
  }

  public func listParts(_ parts: inout ModuleParts<Body.Scalar>) { body.listParts(&parts) }

  /// Shapes: those of the layer.
  ///
  /// - Precondition: As for `Recomputation`: the layer uses its parameters and `x`, and no other variable that needs a
  ///   gradient.
  public func callAsFunction(_ x: Variable<Body.Scalar>) -> Variable<Body.Scalar> { part(x) }
}
