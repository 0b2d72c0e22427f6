/// A tensor inside a step, with the operations that made it on record.
///
/// It lives until its step ends. Using it later, in another step, on another thread or after its tape is gone
/// stops with a sentence: that is checked once per operation, in release builds too. Copy values out with `value`,
/// `array` or `tensor`.
///
/// A plain value of 16 bytes: copying costs nothing, nothing is counted.
public struct Variable<Scalar: TensorScalar>: BitwiseCopyable {
  let handle: Handle

  init(_ handle: Handle) { self.handle = handle }
}

@available(*, unavailable)
extension Variable: Sendable {}

/// What an operation takes beside its first variable: a variable, or a parameter as it is.
public protocol Operand<Scalar> {
  associatedtype Scalar: TensorScalar
  var operand: OperandReference<Scalar> { get }
}

/// The two kinds of operand.
public enum OperandReference<Scalar: TensorScalar> {
  case variable(Variable<Scalar>)
  case parameter(Parameter<Scalar>)
}

extension Variable: Operand {
  public var operand: OperandReference<Scalar> { .variable(self) }
}

extension Operand {
  /// The operand's slot on `core`.
  func place(_ core: TapeCore, _ operation: StaticString) throws(Misuse) -> Slot {
    switch operand {
    case .variable(let variable): try core.slot(variable.handle, operation)
    case .parameter(let parameter): try core.use(parameter.core, operation)
    }
  }

  /// The slot of a weight that may be a stored one.
  func weightPlace(_ core: TapeCore, _ operation: StaticString) throws(Misuse) -> Slot {
    guard case .parameter(let parameter) = operand, let stored = parameter.core.stored else {
      return try place(core, operation)
    }
    return try core.use(stored, of: parameter.core, operation)
  }
}

extension TapeCore {
  /// The slot of an optional operand; −1 where there is none.
  func place<Scalar>(_ operand: (any Operand<Scalar>)?, _ operation: StaticString) throws(Misuse) -> Slot {
    guard let operand else { return -1 }
    return try operand.place(self, operation)
  }
}

extension Variable {
  /// Runs an operation on this variable's tape; a misuse stops with its sentence.
  ///
  /// - Parameter isScope: It consists of operations that are observed by themselves.
  func apply(
    _ operation: StaticString, isScope: Bool = false, _ body: (TapeCore, Slot) throws(Misuse) -> Slot
  ) -> Variable {
    stopping { () throws(Misuse) in
      let core = try TapeTable.core(of: handle, operation)
      let x = try core.slot(handle, operation)
      if core.observer == nil || isScope { return Variable(core.handle(try body(core, x))) }
      return Variable(core.handle(try core.observed(operation) { () throws(Misuse) in try body(core, x) }))
    }
  }

  /// The same with a second operand: a parameter, or a variable, which must be of the same tape.
  func apply(
    _ other: some Operand<Scalar>, _ operation: StaticString, _ body: (TapeCore, Slot, Slot) throws(Misuse) -> Slot
  ) -> Variable {
    apply(operation) { core, x throws(Misuse) in try body(core, x, try other.place(core, operation)) }
  }

  /// Runs `body` with this variable's place, to read something.
  private func read<Result>(
    _ operation: StaticString, _ body: (TapeCore, Slot) throws(Misuse) -> Result
  ) -> Result {
    stopping { () throws(Misuse) in
      let core = try TapeTable.core(of: handle, operation)
      return try body(core, try core.slot(handle, operation))
    }
  }

  // MARK: Reading

  /// The lengths of the axes, outermost first. Allocates; `shapeValue` does not.
  public var shape: [Int] { shapeValue.array }

  /// The lengths of the axes as a plain value.
  public var shapeValue: Shape { read("shape") { core, x in core.nodes[x].shape } }

  /// The only element. NaN while planning.
  ///
  /// - Precondition: There is exactly one; otherwise stops and prints the shape.
  public var value: Scalar {
    read("value") { core, x throws(Misuse) in
      guard core.nodes[x].shape.count == 1 else {
        throw Misuse("value", "expected a single number, got shape \(core.nodes[x].shape)", hint: "use .array")
      }
      return unsafe Scalar(core.element(core.data(x)))
    }
  }

  /// The elements in row-major order, copied. NaN while planning.
  public var array: [Scalar] {
    read("array") { core, x in unsafe core.elements(core.data(x), core.nodes[x].shape.count) }
  }

  /// The elements of one row of the last axis, copied. NaN while planning.
  ///
  /// - Precondition: 0 ≤ index < the product of the other axes; otherwise stops and prints the shape.
  public func row(_ index: Int) -> [Scalar] {
    read("row") { core, x throws(Misuse) in
      let shape = core.nodes[x].shape
      guard index >= 0, index < shape.rows else { throw Misuse("row", "shape \(shape) has no row \(index)") }
      return unsafe core.elements(core.data(x) + index * shape.last * core.type.size, shape.last)
    }
  }

  /// Shape and elements, copied.
  public var tensor: Tensor<Scalar> { Tensor(shape: shape, array) }

  // MARK: Gradients

  /// Computes the gradients of this number with respect to every trainable parameter it depends on.
  ///
  /// Parameters' gradients then stand in `Parameter.gradient`, fresh or zero, never last step's. The operations
  /// walked are consumed: a second backward over them stops with a sentence.
  ///
  /// - Parameter seed: The gradient of this number itself.
  /// - Precondition: A single number that depends on a trainable parameter, recorded in this step.
  /// - Complexity: about twice the flops of the operations walked.
  public func backward(seed: Scalar = 1) {
    read("backward") { core, x throws(Misuse) in try core.backward(from: x, seed: Double(seed)) }
  }

  /// Keeps this temporary's gradient readable after `backward`. Call it before.
  public func retainGradient() {
    read("retainGradient") { core, x in core.nodes[x].retainsGradient = true }
  }

  /// The gradient that `backward` left here.
  ///
  /// - Precondition: `retainGradient()` was called before `backward`: buffers of temporaries are given back as soon
  ///   as they were used.
  public var gradient: Tensor<Scalar> {
    read("gradient") { core, x throws(Misuse) in
      guard let gradient = unsafe core.nodes[x].gradient, core.nodes[x].retainsGradient else {
        throw Misuse(
          "gradient", "this temporary has no gradient to read",
          hint: "call retainGradient() before backward, on a variable that the loss depends on")
      }
      return unsafe Tensor(
        shape: core.nodes[x].shape.array, core.elements(gradient, core.nodes[x].shape.count))
    }
  }
}

extension TapeCore {
  /// Copies elements out; NaN while planning. Never inlined, as `Parameter.copy`.
  @inline(never)
  @unsafe func elements<Scalar: TensorScalar>(_ start: UnsafeMutableRawPointer, _ count: Int) -> [Scalar] {
    if isPlanning { return [Scalar](repeating: .nan, count: count) }
    // INVARIANT: the tape's element type is Scalar, and `count` elements start here.
    return unsafe [Scalar](
      UnsafeBufferPointer(start: start.assumingMemoryBound(to: Scalar.self), count: count))
  }
}
