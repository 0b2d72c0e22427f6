public import AutogradEngine
public import AutogradKernels

/// An optimiser made of rules: each updates the parameters of its groups.
///
/// A step is one parallel pass over all parameters of a rule. A weight that the last step's products read once, because
/// it has more outputs than there were rows, is updated when the next product reads it, or as soon as anybody asks for
/// it: the pass over large weights waits for memory, and a product has time. Rules can refuse that.
///
/// ```swift
/// let optimizer = RuleOptimizer<Float>([
///   .init(Lion(), [ParameterGroup(matrices, weightDecay: 0.1, learningRateFactor: 0.3)]),
///   .init(AdamRule(), [ParameterGroup(others)]),
/// ])
/// ```
public class RuleOptimizer<Scalar: TensorScalar>: Optimizer {
  /// A rule, and what it is for.
  public struct Part {
    public var rule: any UpdateRule<Scalar>
    public var groups: [ParameterGroup<Scalar>]

    public init(_ rule: any UpdateRule<Scalar>, _ groups: [ParameterGroup<Scalar>]) {
      self.rule = rule
      self.groups = groups
    }
  }

  public private(set) var stepCount = 0
  private let pieces: ParameterPieces<Scalar>

  /// - Precondition: Every parameter stands in one group, once, and no two have the same path; otherwise stops and names
  ///   it. Rules keep at most 4 states. Frozen parameters are left out for good.
  public init(_ parts: [Part], backend: Backend = Backend()) { pieces = ParameterPieces(parts, backend: backend) }

  /// One rule for all parameters, of which matrices (two axes or more) decay, biases and norm scales do not.
  ///
  /// - Parameter source: A module, or parameters.
  public convenience init(
    _ rule: any UpdateRule<Scalar>, _ source: some ParameterSource<Scalar>, weightDecay: Double = 0,
    backend: Backend = Backend()
  ) {
    self.init([Part(rule, ParameterGroup.decayingMatrices(source, weightDecay: weightDecay))], backend: backend)
  }

  func setRule(_ index: Int, _ rule: any UpdateRule<Scalar>) { pieces.callers[index].rule = rule }

  public func gradientNorm() -> Double { pieces.gradientNorm() }

  public var memory: OptimizerMemory { pieces.memory }

  public func reserve() -> Bool { pieces.reserve() }

  public func changeGradients<Failure: Error>(
    _ body: (_ path: String, _ gradient: inout MutableSpan<Scalar>) throws(Failure) -> Void
  ) throws(Failure) { try pieces.changeGradients(body) }

  /// - Precondition: The rate is a finite number of at least 0; otherwise stops and prints it.
  public func step(learningRate: Double, gradientScale: Double) {
    guard learningRate >= 0, learningRate.isFinite else {
      fatalError("optimizer: the learning rate must be a finite number of at least 0, got \(learningRate)")
    }
    pieces.refreshGradients()
    stepCount += 1
    pieces.step(number: stepCount, learningRate: learningRate, gradientScale: gradientScale)
  }

  public var state: OptimizerState<Scalar> { pieces.state(stepCount: stepCount) }

  public var moments: [OptimizerMoment<Scalar>] { pieces.list }

  public func restore(_ state: OptimizerState<Scalar>) throws(OptimizerStateError) {
    try pieces.restore(state)
    stepCount = state.stepCount
  }
}
