public import AutogradEngine

/// Changes parameters by their gradients.
///
/// Every optimiser makes one parallel pass over all parameters; the learning rate and the clip factor are given with
/// each step, so that schedules stand outside.
public protocol Optimizer<Scalar>: AnyObject {
  associatedtype Scalar: TensorScalar

  /// Steps taken.
  var stepCount: Int { get }

  /// The Euclidean norm of all gradients of the last backward together.
  func gradientNorm() -> Double

  /// Shows the gradients of the last backward, one parameter after the other in the optimiser's order, to be changed in
  /// place: between the last backward and the norm, as when several processes add theirs up.
  func changeGradients<Failure: Error>(
    _ body: (_ path: String, _ gradient: inout MutableSpan<Scalar>) throws(Failure) -> Void
  ) throws(Failure)

  /// Takes one step; every gradient is multiplied by `gradientScale` first.
  func step(learningRate: Double, gradientScale: Double)

  /// What its parameters' gradients and what it remembers of them take, or will take at the first step.
  var memory: OptimizerMemory { get }

  /// Takes memory for values, gradients and what is remembered now instead of at the first step, and touches it.
  ///
  /// - Returns: Whether the system had it.
  func reserve() -> Bool

  /// What the optimiser remembers, by parameter path: for saving.
  var state: OptimizerState<Scalar> { get }

  /// The tensors of `state`, in its order, to be looked at without being copied.
  var moments: [OptimizerMoment<Scalar>] { get }

  /// Takes over a remembered state.
  ///
  /// - Throws: What is missing, unexpected or of another shape, all of it. Then nothing was changed.
  func restore(_ state: OptimizerState<Scalar>) throws(OptimizerStateError)
}

extension Optimizer {
  public var moments: [OptimizerMoment<Scalar>] { state.tensors.map { OptimizerMoment(key: $0.key, $0.tensor) } }

  public func step(learningRate: Double) { step(learningRate: learningRate, gradientScale: 1) }

  /// Takes one step with gradients that are scaled down to a norm of `clippingNorm` where theirs is larger; 0 never
  /// clips.
  ///
  /// - Returns: The norm before. Where it is not finite, no step was taken and nothing has changed.
  /// - Complexity: Reads every gradient once more than a step without a norm.
  @discardableResult
  public func step(learningRate: Double, clippingNorm: Double) -> Double {
    let norm = gradientNorm()
    guard norm.isFinite else { return norm }
    step(
      learningRate: learningRate, gradientScale: GradientClipping.factor(norm: norm, limit: clippingNorm))
    return norm
  }
}

/// Memory beside the parameters' values, in bytes.
public struct OptimizerMemory: Sendable, Equatable {
  public let gradientBytes: Int
  /// The moments.
  public let stateBytes: Int
}

/// What an optimiser remembers between steps.
public struct OptimizerState<Scalar: TensorScalar>: Sendable, Equatable {
  public var stepCount: Int
  /// By "path/name", such as `blocks.0.attention.input.weight/moment1`, in the order of the parameters.
  public var tensors: [(key: String, tensor: Tensor<Scalar>)]

  public init(stepCount: Int, tensors: [(key: String, tensor: Tensor<Scalar>)]) {
    self.stepCount = stepCount
    self.tensors = tensors
  }

  public static func == (a: OptimizerState, b: OptimizerState) -> Bool {
    a.stepCount == b.stepCount && a.tensors.elementsEqual(b.tensors) { $0.key == $1.key && $0.tensor == $1.tensor }
  }
}

/// One tensor that an optimiser remembers.
///
/// A face over the optimiser's own memory, where it has one tensor per parameter: its values change with every step.
public struct OptimizerMoment<Scalar: TensorScalar> {
  private enum Storage {
    case tensor(Tensor<Scalar>)
    case block(PersistentBlock, ParameterCore)
  }

  /// As in `OptimizerState.tensors`.
  public let key: String
  public let shape: [Int]
  private let storage: Storage

  public init(key: String, _ tensor: Tensor<Scalar>) {
    self.key = key
    shape = tensor.shape.array
    storage = .tensor(tensor)
  }

  /// INVARIANT: the block was made for as many elements of Scalar as the shape has.
  init(key: String, shape: [Int], block: PersistentBlock, of parameter: ParameterCore) {
    self.key = key
    self.shape = shape
    storage = .block(block, parameter)
  }

  /// Shows the values, row-major. No step may run meanwhile.
  public func withValues<Result>(_ body: (Span<Scalar>) -> Result) -> Result {
    switch storage {
    case .tensor(let tensor): return body(tensor.elements.span)
    case .block(let block, let parameter):
      parameter.applyDeferredUpdate()
      // INVARIANT: the block is kept alive by this value and has an element for each of the shape's.
      return unsafe body(
        Span(
          _unsafeElements: UnsafeBufferPointer(
            start: block.start.assumingMemoryBound(to: Scalar.self), count: shape.reduce(1, *))))
    }
  }
}

/// Why a state does not fit an optimiser.
public struct OptimizerStateError: Error, Sendable, CustomStringConvertible {
  public let problems: [String]
  public var description: String { "the optimiser state does not fit: " + problems.joined(separator: "; ") }
}
