public import AutogradEngine
internal import CAutogradKernels
import AutogradKernels

/// Neighbouring elements of a parameter, with their gradient and what a rule keeps of them; see `UpdateRule`.
///
/// INVARIANT: each of the arrays has `count` elements, for the duration of `UpdateRule.update`, which cannot keep the
/// piece: it is neither copied nor made by anybody else. The piece that it points into is there as long.
@safe public struct UpdatePiece<Scalar: TensorScalar>: ~Copyable {
  /// The number of elements.
  public let count: Int
  @usableFromInline let stateCount: Int
  @usableFromInline let values: UnsafeMutablePointer<Scalar>
  @usableFromInline let gradients: UnsafePointer<Scalar>
  @usableFromInline let states: InlineArray<4, UnsafeMutablePointer<Scalar>?>
  private let backend: Backend

  @unsafe init(
    values: UnsafeMutablePointer<Scalar>, gradients: UnsafePointer<Scalar>,
    states: InlineArray<4, UnsafeMutablePointer<Scalar>?>, stateCount: Int, count: Int, backend: Backend
  ) {
    unsafe self.values = unsafe values
    unsafe self.gradients = unsafe gradients
    unsafe self.states = unsafe states
    self.stateCount = stateCount
    self.count = count
    self.backend = backend
  }

  @inlinable public var indices: Range<Int> { 0..<count }

  /// An element's value.
  @inlinable public subscript(index: Int) -> Scalar {
    get {
      check(index)
      return unsafe values[index]
    }
    set {
      check(index)
      unsafe values[index] = newValue
    }
  }

  /// An element's gradient, not yet multiplied by the step's `gradientScale`.
  @inlinable public func gradient(_ index: Int) -> Scalar {
    check(index)
    return unsafe gradients[index]
  }

  /// What is kept of an element: state 0 has the first of the rule's `stateNames`.
  @inlinable public subscript(state number: Int, index: Int) -> Scalar {
    get {
      check(index, state: number)
      return unsafe states[number].unsafelyUnwrapped[index]
    }
    set {
      check(index, state: number)
      unsafe states[number].unsafelyUnwrapped[index] = newValue
    }
  }

  @inlinable func check(_ index: Int, state: Int? = nil) {
    guard index >= 0, index < count else { fatalError("UpdatePiece: no element \(index) among \(count)") }
    if let state, state < 0 || state >= stateCount {
      fatalError("UpdatePiece: no state \(state); the rule names \(stateCount)")
    }
  }

  /// Updates the piece by a rule of the library.
  func run(_ rule: some KernelRule<Scalar>, _ step: UpdateStep) {
    guard rule.stateNames.count <= stateCount else {
      fatalError("UpdatePiece: a rule that keeps \(rule.stateNames) needs as many states; there are \(stateCount)")
    }
    var raw = unsafe InlineArray<4, UnsafeMutableRawPointer?>(repeating: nil)
    for index in 0..<stateCount { unsafe raw[index] = unsafe UnsafeMutableRawPointer(states[index]!) }
    var piece = unsafe ck_piece(
      value: UnsafeMutableRawPointer(values), gradient: UnsafeMutableRawPointer(mutating: gradients), states: raw,
      count: count, weightDecay: step.weightDecay)
    var arguments = unsafe rule.arguments(
      step: step.number, learningRate: step.learningRate, gradientScale: step.gradientScale,
      backend.update(rule.kernel, Scalar.elementType))
    unsafe withUnsafePointer(to: &piece) { pointer in
      unsafe arguments.pieces = unsafe pointer
      unsafe arguments.update(&arguments, pointer, 0, 0, 1, count, nil)
    }
  }
}
