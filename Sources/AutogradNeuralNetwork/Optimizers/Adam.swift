public import AutogradEngine
package import CAutogradKernels
public import AutogradKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Adam's rule, with weight decay beside it (AdamW) or inside the gradient.
///
/// Formula, with g the scaled gradient: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
/// w ← w − rate · (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε). Decoupled decay (Loshchilov and Hutter, 2019) first does
/// w ← w·(1 − rate·decay); coupled decay first does g ← g + decay·w. Equal to PyTorch's `AdamW` and `Adam`.
///
/// - Complexity: a step reads four and writes three numbers per parameter; memory for two more per parameter.
public struct AdamRule<Scalar: TensorScalar>: KernelRule {
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// Whether weight decay shrinks the weights (AdamW) or joins the gradient (Adam).
  public var decoupledDecay: Bool

  public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, decoupledDecay: Bool = true) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decoupledDecay = decoupledDecay
  }

  public var stateNames: [String] { ["moment1", "moment2"] }

  public func update(_ piece: inout UpdatePiece<Scalar>, _ step: UpdateStep) { piece.run(self, step) }

  package var kernel: ck_update_kind { CK_UPDATE_ADAM }

  package var problem: String? {
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(value >= 0 && value < 1) {
      return "\(name) must be at least 0 and below 1, got \(value)"
    }
    return epsilon >= 0 && epsilon.isFinite ? nil : "epsilon must be a finite number of at least 0, got \(epsilon)"
  }

  package func coefficients(step: Int) -> InlineArray<8, Double> {
    [
      beta1, beta2, epsilon, 1 - pow(beta1, Double(step)), 1 - pow(beta2, Double(step)), decoupledDecay ? 0 : 1, 0, 0,
    ]
  }
}

/// An optimiser with Adam's rule for all its parameters; see `AdamRule` for the formula.
///
/// ```swift
/// let optimizer = Adam(model, weightDecay: 0.1)  // matrices decay, biases and norms do not
/// optimizer.step(learningRate: 1e-3, clippingNorm: 1)
/// ```
public final class Adam<Scalar: TensorScalar>: RuleOptimizer<Scalar> {
  private var rule: AdamRule<Scalar> { didSet { setRule(0, rule) } }

  public var beta1: Double {
    get { rule.beta1 }
    set { rule.beta1 = newValue }
  }
  public var beta2: Double {
    get { rule.beta2 }
    set { rule.beta2 = newValue }
  }
  public var epsilon: Double {
    get { rule.epsilon }
    set { rule.epsilon = newValue }
  }

  /// - Parameters:
  ///   - groups: Parameters with their weight decay. Frozen ones are left out for good.
  ///   - decoupledDecay: Whether weight decay shrinks the weights (AdamW) or joins the gradient (Adam).
  public init(
    _ groups: [ParameterGroup<Scalar>], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    decoupledDecay: Bool = true, backend: Backend = Backend()
  ) {
    rule = AdamRule(beta1: beta1, beta2: beta2, epsilon: epsilon, decoupledDecay: decoupledDecay)
    super.init([Part(rule, groups)], backend: backend)
  }

  /// Adam for all parameters, of which matrices (two axes or more) decay, biases and norm scales do not.
  ///
  /// - Parameters:
  ///   - source: A module, or parameters. Frozen ones are left out for good.
  ///   - decoupledDecay: Whether weight decay shrinks the weights (AdamW) or joins the gradient (Adam).
  public convenience init(
    _ source: some ParameterSource<Scalar>, weightDecay: Double = 0, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, decoupledDecay: Bool = true, backend: Backend = Backend()
  ) {
    self.init(
      ParameterGroup.decayingMatrices(source, weightDecay: weightDecay), beta1: beta1, beta2: beta2, epsilon: epsilon,
      decoupledDecay: decoupledDecay, backend: backend)
  }
}
