public import AutogradEngine
package import CAutogradKernels
public import AutogradKernels

/// Gradient descent's rule.
///
/// Formula, with g the scaled gradient plus decay·w: w ← w − rate·g. Equal to PyTorch's `SGD`.
///
/// - Complexity: a step reads two numbers and writes one per parameter.
public struct DescentRule<Scalar: TensorScalar>: KernelRule {
  public init() {}

  public var stateNames: [String] { [] }

  public func update(_ piece: inout UpdatePiece<Scalar>, _ step: UpdateStep) { piece.run(self, step) }

  package var kernel: ck_update_kind { CK_UPDATE_DESCENT }

  package func coefficients(step: Int) -> InlineArray<8, Double> { InlineArray(repeating: 0) }
}

/// Gradient descent's rule with momentum.
///
/// Formula, with g the scaled gradient plus decay·w: v ← μv + g (v = g in the first step) and w ← w − rate·v, or with
/// Nesterov's look ahead w ← w − rate·(g + μv). Equal to PyTorch's `SGD`.
///
/// - Complexity: a step reads three and writes two numbers per parameter; memory for one more per parameter.
public struct MomentumRule<Scalar: TensorScalar>: KernelRule {
  public var momentum: Double
  public var nesterov: Bool

  public init(momentum: Double, nesterov: Bool = false) {
    self.momentum = momentum
    self.nesterov = nesterov
  }

  public var stateNames: [String] { ["momentum"] }

  public func update(_ piece: inout UpdatePiece<Scalar>, _ step: UpdateStep) { piece.run(self, step) }

  package var kernel: ck_update_kind { CK_UPDATE_MOMENTUM }

  package var problem: String? {
    momentum >= 0 && momentum.isFinite ? nil : "the momentum must be a finite number of at least 0, got \(momentum)"
  }

  package func coefficients(step: Int) -> InlineArray<8, Double> { [momentum, nesterov ? 1 : 0, 0, 0, 0, 0, 0, 0] }
}

/// An optimiser with gradient descent for all its parameters, with momentum if wanted: see `DescentRule` and
/// `MomentumRule`.
public final class SGD<Scalar: TensorScalar>: RuleOptimizer<Scalar> {
  public let momentum: Double
  public let nesterov: Bool

  /// - Parameter groups: Parameters with their weight decay. Frozen ones are left out for good.
  public init(
    _ groups: [ParameterGroup<Scalar>], momentum: Double = 0, nesterov: Bool = false, backend: Backend = Backend()
  ) {
    self.momentum = momentum
    self.nesterov = nesterov
    let rule: any UpdateRule<Scalar> =
      momentum == 0 ? DescentRule<Scalar>() : MomentumRule<Scalar>(momentum: momentum, nesterov: nesterov)
    super.init([Part(rule, groups)], backend: backend)
  }

  /// Gradient descent for all parameters, of which matrices (two axes or more) decay, biases and norm scales do not.
  ///
  /// - Parameter source: A module, or parameters. Frozen ones are left out for good.
  public convenience init(
    _ source: some ParameterSource<Scalar>, weightDecay: Double = 0, momentum: Double = 0, nesterov: Bool = false,
    backend: Backend = Backend()
  ) {
    self.init(
      ParameterGroup.decayingMatrices(source, weightDecay: weightDecay), momentum: momentum, nesterov: nesterov,
      backend: backend)
  }
}
