import AutogradEngine
import AutogradKernels
internal import CAutogradKernels

/// What kernels call for a rule in Swift, whatever its type.
class AnyRuleCaller {
  /// As `ck_update`.
  @unsafe func update(
    _ rule: UnsafePointer<ck_rule>, _ piece: UnsafePointer<ck_piece>, first: Int, stride: Int, rows: Int, columns: Int,
    target: UnsafeMutableRawPointer?
  ) {}

  /// INVARIANT: a rule's context is the caller that made it, which whoever keeps the rule keeps.
  static let function: ck_update = { rule, piece, first, stride, rows, columns, target in
    guard let rule = unsafe rule, let piece = unsafe piece, let context = unsafe rule.pointee.context else { return }
    unsafe Unmanaged<AnyRuleCaller>.fromOpaque(context)._withUnsafeGuaranteedRef {
      unsafe $0.update(rule, piece, first: first, stride: stride, rows: rows, columns: columns, target: target)
    }
  }
}

/// A rule as kernels take it: the vector code of one that has some, otherwise a call of its Swift formula.
final class RuleCaller<Scalar: TensorScalar>: AnyRuleCaller {
  var rule: any UpdateRule<Scalar> {
    didSet {
      kernelRule = rule as? any KernelRule<Scalar>
      requireSense()
    }
  }
  /// The same, where it has vector code: asked once, because asking allocates.
  private var kernelRule: (any KernelRule<Scalar>)?
  let stateNames: [String]
  let mayBeDeferred: Bool
  private let backend: Backend

  init(_ rule: any UpdateRule<Scalar>, backend: Backend) {
    self.rule = rule
    kernelRule = rule as? any KernelRule<Scalar>
    self.backend = backend
    stateNames = rule.stateNames
    mayBeDeferred = rule.mayBeDeferred
    super.init()
    requireSense()
    guard stateNames.count <= Int(CK_MAX_STATES) else {
      fatalError("\(type(of: rule)): a rule keeps at most \(CK_MAX_STATES) states per element, got \(stateNames)")
    }
  }

  private func requireSense() {
    if let problem = kernelRule?.problem { fatalError("optimizer: \(problem)") }
  }

  /// The rule of a step, without pieces. INVARIANT: it is used only while this object lives.
  @unsafe func arguments(step: Int, learningRate: Double, gradientScale: Double) -> ck_rule {
    if let kernelRule {
      return unsafe kernelRule.arguments(
        step: step, learningRate: learningRate, gradientScale: gradientScale,
        backend.update(kernelRule.kernel, Scalar.elementType))
    }
    var arguments = unsafe ck_rule()
    unsafe arguments.update = AnyRuleCaller.function
    unsafe arguments.context = unsafe UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
    unsafe arguments.state_count = stateNames.count
    unsafe arguments.step = step
    unsafe arguments.learning_rate = learningRate
    unsafe arguments.gradient_scale = gradientScale
    return unsafe arguments
  }

  // INVARIANT: the piece's arrays have the elements that the caller names, of type Scalar.
  @unsafe override func update(
    _ rule: UnsafePointer<ck_rule>, _ piece: UnsafePointer<ck_piece>, first: Int, stride: Int, rows: Int, columns: Int,
    target: UnsafeMutableRawPointer?
  ) {
    let step = unsafe UpdateStep(
      number: rule.pointee.step, learningRate: rule.pointee.learning_rate * piece.pointee.rate_factor,
      weightDecay: piece.pointee.weight_decay, gradientScale: rule.pointee.gradient_scale)
    for row in 0..<rows {
      let begin = first + row * stride
      if let target = unsafe target {
        unsafe preview(
          piece.pointee, begin, columns,
          target.assumingMemoryBound(to: Scalar.self) + row * columns, step)
      } else {
        let values = unsafe elements(piece.pointee.value, begin), states = unsafe states(piece.pointee, begin)
        unsafe run(values, piece.pointee, begin, states, columns, step)
      }
    }
  }

  @unsafe private func run(
    _ values: UnsafeMutablePointer<Scalar>, _ piece: ck_piece, _ first: Int,
    _ states: InlineArray<4, UnsafeMutablePointer<Scalar>?>, _ count: Int, _ step: UpdateStep
  ) {
    var part = unsafe UpdatePiece<Scalar>(
      values: values, gradients: UnsafePointer(elements(piece.gradient, first)), states: states,
      stateCount: stateNames.count, count: count, backend: backend)
    rule.update(&part, step)
  }

  /// Computes new values into `target`, on copies of the states, as many at a time as fit on a stack.
  @unsafe private func preview(
    _ piece: ck_piece, _ first: Int, _ count: Int, _ target: UnsafeMutablePointer<Scalar>, _ step: UpdateStep
  ) {
    let longest = 1024 / MemoryLayout<Scalar>.size / max(1, stateNames.count)
    unsafe withUnsafeTemporaryAllocation(of: Scalar.self, capacity: longest * max(1, stateNames.count)) { copies in
      for begin in Swift.stride(from: 0, to: count, by: longest) {
        let length = min(longest, count - begin), originals = unsafe states(piece, first + begin)
        unsafe (target + begin).update(from: elements(piece.value, first + begin), count: length)
        var states = unsafe InlineArray<4, UnsafeMutablePointer<Scalar>?>(repeating: nil)
        for index in stateNames.indices {
          let copy = unsafe copies.baseAddress! + index * longest
          unsafe copy.initialize(from: originals[index]!, count: length)
          unsafe states[index] = unsafe copy
        }
        unsafe run(target + begin, piece, first + begin, states, length, step)
      }
    }
  }

  @unsafe private func elements(_ start: UnsafeMutableRawPointer, _ first: Int) -> UnsafeMutablePointer<Scalar> {
    unsafe start.assumingMemoryBound(to: Scalar.self) + first
  }

  @unsafe private func states(_ piece: ck_piece, _ first: Int) -> InlineArray<4, UnsafeMutablePointer<Scalar>?> {
    let (a, b, c, d) = unsafe piece.states
    return unsafe [
      a.map { unsafe elements($0, first) }, b.map { unsafe elements($0, first) }, c.map { unsafe elements($0, first) },
      d.map { unsafe elements($0, first) },
    ]
  }
}
