public import AutogradEngine
import AutogradBase

/// What random numbers are like.
public enum Distribution: Sendable {
  case normal
  /// Evenly from [low, high).
  case uniform(Double, Double)
  /// Of either sign, and at least 0.3 from zero: for divisors and kinks.
  case awayFromZero
  /// All different, a tenth and a bit of it apart, in random order, as many below zero as above.
  case distinct
}

/// The same numbers for the same arguments, always.
public func randomTensor<S: TensorScalar>(
  _ shape: [Int], _ distribution: Distribution = .normal, seed: UInt64, of type: S.Type = S.self
) -> Tensor<S> {
  var random = RandomStream(seed: seed, purpose: .evaluation)
  let count = shape.reduce(1, *)
  var order = Array(0..<count)
  if case .distinct = distribution { order.shuffle(using: &random) }
  return Tensor(
    shape: shape,
    order.map { place in
      switch distribution {
      case .normal: S(random.normal())
      case .uniform(let low, let high): S(low + (high - low) * random.uniform())
      case .awayFromZero: S((random.uniform() < 0.5 ? -1 : 1) * (0.3 + 1.7 * random.uniform()))
      case .distinct: S(0.1 * Double(place - count / 2) + 0.02 * random.uniform())
      }
    })
}

/// The same numbers in another element type.
extension Tensor {
  public func converted<Other: TensorScalar>(to type: Other.Type) -> Tensor<Other> {
    Tensor<Other>(shape: shape.array, elements.map { Other($0) })
  }
}
