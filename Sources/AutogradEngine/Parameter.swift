/// A tensor that training changes: it has identity, values and a gradient, and outlives every step.
///
/// Give it to operations as it is, or make a variable of it with `tape.variable`.
@safe public final class Parameter<Scalar: TensorScalar> {
  package let core: ParameterCore
  /// What `linear` and `gatedLinear` add to products with it: see `adapt`.
  public private(set) var adapter: LowRankAdapter<Scalar>?

  /// A face for values that somebody else keeps too.
  package init(core: ParameterCore) { self.core = core }

  /// - Precondition: As many elements as the shape says.
  public init(_ tensor: Tensor<Scalar>) {
    core = ParameterCore(shape: tensor.shape, type: Scalar.elementType)
    set(tensor.elements)
  }

  /// Makes a parameter of zeros.
  public init(zeros shape: [Int]) {
    let shape = stopping { () throws(Misuse) in try Shape(shape).validated("Parameter") }
    core = ParameterCore(shape: shape, type: Scalar.elementType)
    core.initialization = .zeros
  }

  /// The lengths of the axes, outermost first.
  public var shape: [Int] { core.shape.array }
  /// The number of elements.
  public var count: Int { core.shape.count }

  /// Where it stands in its module, such as `blocks.0.attention.input.weight`: for messages. Listing a module's parameters
  /// names those that have no name yet.
  public var name: String? {
    get { core.name }
    set { core.name = newValue }
  }

  /// Whether backward computes a gradient for it. Frozen parameters cost nothing in backward.
  public var isTrainable: Bool {
    get { core.isTrainable }
    set { core.isTrainable = newValue }
  }

  /// Gives a weight an adapter, or takes it away again. The weight itself is frozen with it.
  ///
  /// - Precondition: The adapter is one of a weight of this shape; otherwise stops and prints both.
  public func adapt(_ adapter: LowRankAdapter<Scalar>?) {
    if let adapter, shape != [adapter.outputs, adapter.inputs] {
      fatalError(
        "Parameter.adapt: \(name ?? "the parameter") has shape \(shape), the adapter is one of a weight of "
          + "[\(adapter.outputs), \(adapter.inputs)]")
    }
    self.adapter = adapter
    if adapter != nil { isTrainable = false }
    core.noteChange()
  }

  /// The elements in row-major order, copied; those that a stored weight stands for.
  public var array: [Scalar] {
    if let stored = core.stored { return stored.rows(0..<stored.outputs).map { Scalar($0) } }
    return withExtendedLifetime(core) { unsafe Parameter.copy(UnsafePointer(presentValues.baseAddress!), count) }
  }

  /// Never inlined: where nobody keeps the array, Swift 6.3 in release would free it first and copy into it then.
  @inline(never) private static func copy(_ start: UnsafePointer<Scalar>, _ count: Int) -> [Scalar] {
    unsafe [Scalar](UnsafeBufferPointer(start: start, count: count))
  }

  /// Shape and elements, copied.
  public var tensor: Tensor<Scalar> { Tensor(shape: shape, array) }

  /// Replaces the elements.
  ///
  /// - Precondition: As many as there are.
  public func set(_ elements: [Scalar]) {
    guard elements.count == count else {
      fatalError("Parameter.set: expected \(count) elements for shape \(core.shape), got \(elements.count)")
    }
    unsafe _ = currentValues.update(from: elements)
    core.noteChange()
  }

  /// The gradient of the last backward: zeros where it did not reach this parameter. Undefined between the forward
  /// and the backward of a step.
  public var gradient: Tensor<Scalar> {
    withExtendedLifetime(core) {
      Tensor(
        shape: shape, unsafe Parameter.copy(core.currentGradient().assumingMemoryBound(to: Scalar.self), count))
    }
  }

  /// The values in place. INVARIANT: valid while the parameter lives; not to be written while a step uses it.
  ///
  /// Whoever has asked once finds in them what every step made: no update is deferred any more.
  @unsafe public var values: UnsafeMutableBufferPointer<Scalar> {
    core.hold()
    return unsafe currentValues
  }

  /// The values in place, to be written. INVARIANT: as `values`, but only until the next step.
  @unsafe package var currentValues: UnsafeMutableBufferPointer<Scalar> {
    core.requireValues("values")
    core.hasValues = true
    return unsafe presentValues
  }

  /// The values in place, to be read, whether or not they were ever given. INVARIANT: as `currentValues`.
  @unsafe package var presentValues: UnsafeMutableBufferPointer<Scalar> {
    core.requireValues("values")
    core.applyDeferredUpdate()
    return unsafe UnsafeMutableBufferPointer(
      start: core.value.start.assumingMemoryBound(to: Scalar.self), count: count)
  }

  /// The gradient in place, as `gradient`. INVARIANT: valid while the parameter lives.
  @unsafe public var gradientValues: UnsafeMutableBufferPointer<Scalar> {
    core.hold()
    return unsafe UnsafeMutableBufferPointer(
      start: core.currentGradient().assumingMemoryBound(to: Scalar.self), count: count)
  }

  /// Takes memory for the values now instead of at their first use.
  ///
  /// - Returns: Whether the system had it.
  public func reserve() -> Bool { core.stored != nil || core.value.reserve() }

  /// Takes memory for the gradient now, so that the first step does not have to.
  ///
  /// - Returns: Whether the system had it.
  public func reserveGradient() -> Bool { core.allocatedGradient().reserve() }
}

extension Parameter where Scalar == Float {
  /// The weight that products read instead of numbers; nil unless `store` was called.
  public var storedWeight: StoredWeight? { core.stored }

  /// Puts a stored weight in the place of the numbers: from now on linear layers, gated ones and embeddings read it as
  /// it is, and nothing else reads it. It is frozen, and has no gradient.
  ///
  /// - Precondition: It has the parameter's shape; otherwise stops and prints both.
  public func store(_ weight: StoredWeight) {
    guard weight.shape == shape else {
      fatalError("Parameter.store: the parameter has shape \(core.shape), the stored weight \(weight.shape)")
    }
    core.store(weight)
  }
}

extension Parameter: Operand {
  public var operand: OperandReference<Scalar> { .parameter(self) }
}
