public import AutogradEngine
internal import CAutogradKernels
public import AutogradKernels

/// Adam, with weight decay beside it (AdamW) or inside the gradient.
///
/// Formula, with g the scaled gradient: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
/// w ← w − rate · (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε). Decoupled decay (Loshchilov and Hutter, 2019) first does
/// w ← w·(1 − rate·decay); coupled decay first does g ← g + decay·w. Equal to PyTorch's `AdamW` and `Adam`.
///
/// A weight that the last step's products read once, because it has more outputs than there were rows, takes its step
/// when the next product reads it, or as soon as anybody asks for it: the pass over large weights waits for memory, and
/// a product has time.
///
/// - Complexity: a step reads four and writes three numbers per parameter; memory for two more per parameter.
public final class Adam<Scalar: TensorScalar>: Optimizer {
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public private(set) var stepCount = 0
  private let decoupled: Bool
  private let pieces: ParameterPieces<Scalar>

  /// - Parameters:
  ///   - groups: Parameters with their weight decay. Frozen ones are left out for good.
  ///   - decoupledDecay: Whether weight decay shrinks the weights (AdamW) or joins the gradient (Adam).
  public init(
    _ groups: [ParameterGroup<Scalar>], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    decoupledDecay: Bool = true, backend: Backend = Backend()
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    decoupled = decoupledDecay
    pieces = ParameterPieces(groups, momentNames: ["moment1", "moment2"], backend: backend)
  }

  public func gradientNorm() -> Double { pieces.gradientNorm() }

  public var memory: OptimizerMemory { pieces.memory }

  public func reserve() -> Bool { pieces.reserve() }

  public func step(learningRate: Double, gradientScale: Double) {
    pieces.refreshGradients()
    stepCount += 1
    unsafe pieces.step(
      ck_adam(
        pieces: nil, step: stepCount, learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
        gradientScale: gradientScale, coupledDecay: !decoupled))
  }

  public var state: OptimizerState<Scalar> { pieces.state(stepCount: stepCount) }

  public var moments: [OptimizerMoment<Scalar>] { pieces.list }

  public func restore(_ state: OptimizerState<Scalar>) throws(OptimizerStateError) {
    try pieces.restore(state)
    stepCount = state.stepCount
  }
}
