public import Autograd
internal import CKernels
public import Kernels

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), over all trainable parameters at once.
///
/// Formula, with g the clipped gradient: w ← w·(1 − rate·decay); m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
/// w ← w − rate · (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε). Equal to PyTorch's `AdamW`.
///
/// Weight decay applies to matrices (two axes or more) only. Parameters are cut into pieces, in order: norm and
/// update are one parallel pass over all of them, whatever the sizes.
///
/// - Complexity: a step reads four and writes three numbers per parameter; memory for two more per parameter.
@safe public final class AdamW<Scalar: TensorScalar> {
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// Steps taken: the t of the bias corrections.
  public private(set) var stepCount = 0

  private let parameters: [NamedParameter<Scalar>]
  private let moments: [(first: PersistentBlock, second: PersistentBlock)]
  private let backend: Backend
  /// INVARIANT: every piece points into a parameter and moments that this object keeps alive.
  private let pieces: UnsafeMutableBufferPointer<ck_piece>
  /// INVARIANT: one for every piece.
  private let sums: UnsafeMutableBufferPointer<Double>

  /// - Parameter parameters: Frozen ones are left out for good.
  public init(
    _ parameters: [NamedParameter<Scalar>], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01, backend: Backend = Backend()
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.backend = backend
    self.parameters = parameters.filter(\.parameter.isTrainable)
    let size = MemoryLayout<Scalar>.size
    moments = self.parameters.map {
      (PersistentBlock(byteCount: $0.parameter.count * size), PersistentBlock(byteCount: $0.parameter.count * size))
    }
    var list: [ck_piece] = unsafe []
    for (index, named) in self.parameters.enumerated() {
      named.parameter.prepareGradient()
      let decay = named.parameter.shape.count >= 2 ? weightDecay : 0
      let whole = unsafe ck_piece(
        value: named.parameter.values.baseAddress!, gradient: named.parameter.gradientValues.baseAddress!,
        moment1: moments[index].first.start, moment2: moments[index].second.start, count: named.parameter.count,
        weight_decay: decay)
      unsafe whole.cut(elementSize: size) { unsafe list.append($0) }
    }
    unsafe pieces = UnsafeMutableBufferPointer.allocate(capacity: list.count)
    unsafe _ = pieces.initialize(from: list)
    unsafe sums = UnsafeMutableBufferPointer.allocate(capacity: list.count)
    unsafe sums.initialize(repeating: 0)
  }

  deinit {
    unsafe pieces.deallocate()
    unsafe sums.deallocate()
  }

  /// The Euclidean norm of all gradients together: that of the last backward.
  ///
  /// - Complexity: one pass over the gradients; the sum's order is that of the pieces, whatever the threads.
  public func gradientNorm() -> Double {
    refreshGradients()
    guard unsafe !pieces.isEmpty else { return 0 }
    unsafe run(ck_norm(pieces: pieces.baseAddress, sums: sums.baseAddress))
    var total = 0.0
    for index in unsafe sums.indices { unsafe total += sums[index] }
    return total.squareRoot()
  }

  /// Takes one step.
  ///
  /// - Parameter gradientScale: Multiplies every gradient first: the clip factor.
  public func step(learningRate: Double, gradientScale: Double = 1) {
    refreshGradients()
    stepCount += 1
    guard unsafe !pieces.isEmpty else { return }
    unsafe run(
      ck_adamw(
        pieces: pieces.baseAddress, step: stepCount, learningRate: learningRate, beta1: beta1, beta2: beta2,
        epsilon: epsilon, gradientScale: gradientScale))
  }

  /// Gradients that the last backward did not reach become zero.
  private func refreshGradients() {
    for named in parameters { unsafe _ = named.parameter.gradientValues }
  }

  private func run<Arguments: KernelArguments>(_ arguments: Arguments) {
    let count = unsafe pieces.count
    unsafe backend.run(
      arguments, Scalar.elementType, count: count, grain: max(1, count / (backend.pool.threadCount * 8)))
  }
}

extension AdamW {
  /// The factor that brings a gradient norm down to `limit`; 1 where it is below, or where there is no limit.
  ///
  /// Formula: min(1, limit/(norm + 10⁻⁶)), as PyTorch has it.
  public static func clipFactor(norm: Double, limit: Double) -> Double {
    limit > 0 ? min(1, limit / (norm + 1e-6)) : 1
  }
}
