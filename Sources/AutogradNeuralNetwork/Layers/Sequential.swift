public import AutogradEngine

/// Layers one after the other. Their parameters' paths start with their number: `0.weight`, `2.bias`.
///
/// ```swift
/// let network = Sequential<Float>([
///   Linear(inputs: 2, outputs: 8), Activate(.tanh), Linear(inputs: 8, outputs: 1),
/// ])
/// ```
///
/// A struct of one's own says more, and can pass an activation to `Linear`, which saves a pass over memory.
public struct Sequential<Scalar: TensorScalar>: Layer {
  public let layers: [any Layer<Scalar>]

  /// The layers in the order in which they are applied.
  public init(_ layers: [any Layer<Scalar>]) { self.layers = layers }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {
    for (index, layer) in layers.enumerated() { parts.add("\(index)", layer) }
  }

  /// Shapes: x as the first layer takes it → what the last one gives; each takes what the one before it gives.
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> {
    var x = x
    for layer in layers { x = layer(x) }
    return x
  }
}

/// An activation as a layer of its own.
public struct Activate<Scalar: TensorScalar>: Layer {
  public let activation: Activation

  public init(_ activation: Activation) { self.activation = activation }

  public func listParts(_ parts: inout ModuleParts<Scalar>) {}

  /// Shapes: x [...] → [...].
  public func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> {
    switch activation {
    case .relu: x.relu()
    case .geluTanh: x.gelu()
    case .geluErf: x.gelu(exact: true)
    case .tanh: x.tanh()
    case .sigmoid: x.sigmoid()
    case .silu: x.silu()
    case .reluSquared: x.reluSquared()
    }
  }
}
