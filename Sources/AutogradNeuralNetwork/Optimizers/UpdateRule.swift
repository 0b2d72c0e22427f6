public import AutogradEngine

/// How an optimiser changes a parameter: what it keeps for each element, and its formula.
///
/// The formula goes over a piece of a parameter, element by element: the new value and the new states of an element
/// depend on nothing but its own value, gradient and states, and on the step. Pieces are cut anywhere, computed by any
/// thread and, where an update is deferred, row by row when a product next reads the weight; nobody sees a difference.
///
/// ```swift
/// struct SignedDescent: UpdateRule {
///   let stateNames: [String] = []
///
///   func update(_ piece: inout UpdatePiece<Float>, _ step: UpdateStep) {
///     for i in piece.indices { piece[i] -= Float(step.learningRate) * (piece.gradient(i) < 0 ? -1 : 1) }
///   }
/// }
/// let optimizer = RuleOptimizer(SignedDescent(), model)
/// ```
///
/// Write it for `Float` or `Double` rather than for any scalar: the compiler then makes one loop of it.
public protocol UpdateRule<Scalar>: Sendable {
  associatedtype Scalar: TensorScalar

  /// The names of the numbers that are kept for each element, which are 0 before the first step: at most 4. Files of an
  /// optimiser's state go by them.
  var stateNames: [String] { get }

  /// Whether the update of a weight may wait until a product reads it, which saves a pass over memory. True unless the
  /// rule says otherwise; `update` then runs when a later step computes, and the optimiser's other steps may differ.
  var mayBeDeferred: Bool { get }

  /// Updates the values and states of a piece. Called on several threads at once.
  func update(_ piece: inout UpdatePiece<Scalar>, _ step: UpdateStep)
}

extension UpdateRule {
  public var mayBeDeferred: Bool { true }
}

/// A step of an optimiser, as the rule of one group sees it.
public struct UpdateStep: Sendable, Equatable {
  /// Counted from 1.
  public let number: Int
  /// The step's rate times the group's factor.
  public let learningRate: Double
  /// The group's.
  public let weightDecay: Double
  /// Every gradient is to be multiplied by it first.
  public let gradientScale: Double
}
