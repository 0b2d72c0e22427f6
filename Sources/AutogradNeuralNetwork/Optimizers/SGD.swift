public import AutogradEngine
internal import CAutogradKernels
public import AutogradKernels

/// Gradient descent, with momentum if wanted.
///
/// Formula, with g the scaled gradient plus decay·w: without momentum w ← w − rate·g; with it v ← μv + g (v = g in
/// the first step) and w ← w − rate·v, or with Nesterov's look ahead w ← w − rate·(g + μv). Equal to PyTorch's `SGD`.
///
/// - Complexity: a step reads two to three and writes one to two numbers per parameter.
public final class SGD<Scalar: TensorScalar>: Optimizer {
  public let momentum: Double
  public let nesterov: Bool
  public private(set) var stepCount = 0
  private let pieces: ParameterPieces<Scalar>

  /// - Parameter groups: Parameters with their weight decay. Frozen ones are left out for good.
  public init(
    _ groups: [ParameterGroup<Scalar>], momentum: Double = 0, nesterov: Bool = false, backend: Backend = Backend()
  ) {
    self.momentum = momentum
    self.nesterov = nesterov
    pieces = ParameterPieces(groups, momentNames: momentum == 0 ? [] : ["momentum"], backend: backend)
  }

  public func gradientNorm() -> Double { pieces.gradientNorm() }

  public var memory: OptimizerMemory { pieces.memory }

  public func reserve() -> Bool { pieces.reserve() }

  public func step(learningRate: Double, gradientScale: Double) {
    pieces.refreshGradients()
    stepCount += 1
    // INVARIANT: the arguments point at the pieces that `run` hands out, and are used only during the call.
    unsafe pieces.run { pieces in
      unsafe ck_sgd(
        pieces: pieces, learning_rate: learningRate, momentum: momentum, gradient_scale: gradientScale,
        nesterov: nesterov ? 1 : 0, first_step: stepCount == 1 ? 1 : 0)
    }
  }

  public var state: OptimizerState<Scalar> { pieces.state(stepCount: stepCount) }

  public var moments: [OptimizerMoment<Scalar>] { pieces.list }

  public func restore(_ state: OptimizerState<Scalar>) throws(OptimizerStateError) {
    try pieces.restore(state)
    stepCount = state.stepCount
  }
}
