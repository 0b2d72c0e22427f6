public import AutogradKernels

/// Runs steps: what is computed inside one lives in an arena that is emptied at its end, in O(1).
///
/// A variable made in a step is void after it; using it then stops with a sentence that names both steps. Results
/// leave a step by value: its closure returns something `Sendable`, which a variable is not.
///
/// ```swift
/// let tape = Tape<Float>()
/// let weight = Parameter<Float>([[1, 2], [3, 4]])
/// let loss = tape.step { tape in
///   let y = tape.input([[5, 6]]).matmul(weight)
///   let loss = (y * y).sum()
///   loss.backward()
///   return loss.value
/// }
/// print(loss, weight.gradient)
/// ```
///
/// A tape is used by one thread at a time; the thread that begins a step owns it until the step ends.
public final class Tape<Scalar: TensorScalar> {
  let core: TapeCore
  /// The observer that was last in use, for what it has seen.
  var idleObserver: Observer?

  /// - Parameters:
  ///   - backend: What runs the kernels: all CPUs that this process may use, unless told otherwise.
  ///   - memoryLimit: Bytes that the arena may hold; an operation that would exceed it stops with a sentence.
  public init(backend: Backend = Backend(), memoryLimit: Int? = nil) {
    core = TapeCore(type: Scalar.elementType, backend: backend, byteLimit: memoryLimit)
  }

  /// What runs the kernels.
  public var backend: Backend { core.backend }

  /// How matrix products multiply, in `matmul`, `linear` and `linearCrossEntropy`, and in attention where the backend
  /// `multipliesPairs`, elsewhere attention multiplies in full. Of no effect where `Scalar` is `Double`.
  public var matmulPrecision: MatmulPrecision {
    get { core.matmulPrecision }
    set {
      core.matmulPrecision = newValue
      core.multipliesIntegers = false
    }
  }

  /// How products with stored weights multiply: `exact` unless set. It says `matmulPrecision`, too, which is that of
  /// all other products.
  public var productMode: ProductMode {
    get { core.productMode }
    set {
      core.matmulPrecision = newValue.precision
      core.multipliesIntegers = newValue == .integer
    }
  }

  /// Whether products with quantised stored weights are those of `ProductMode.integer`, whatever the precision of the
  /// others is, and of gradients through the same weights.
  public var multipliesIntegers: Bool {
    get { core.multipliesIntegers }
    set { core.multipliesIntegers = newValue }
  }

  // MARK: Steps

  /// Runs `body` as one step and frees everything made in it.
  ///
  /// - Parameter accumulating: Adds this step's gradients to those of the steps before, instead of replacing them.
  /// - Returns: What `body` returns, which must be `Sendable`: variables cannot leave the step.
  public func step<Result: Sendable, Failure: Error>(
    accumulating: Bool = false, _ body: (Tape) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    stopping { () throws(Misuse) in try core.beginStep(accumulating: accumulating) }
    defer { stopping { () throws(Misuse) in try core.endStep() } }
    return try body(self)
  }

  /// Runs `body` without computing, and tells what memory the same step will need: exactly, not an estimate.
  ///
  /// Shapes are checked as usual; `.value` and `.array` are NaN; parameters, gradients and random numbers stay as
  /// they are.
  public func plan<Failure: Error>(
    accumulating: Bool = false, _ body: (Tape) throws(Failure) -> Void
  ) throws(Failure) -> MemoryPlan {
    stopping { () throws(Misuse) in try core.beginPlan(accumulating: accumulating) }
    do {
      try body(self)
    } catch {
      _ = stopping { () throws(Misuse) in try core.endPlan() }
      throw error
    }
    return stopping { () throws(Misuse) in try core.endPlan() }
  }

  /// Takes the memory of a plan at once, arena and threads' scratch, and touches every page: the first step, too,
  /// finds one piece, and no later one can be refused memory. Call it between steps.
  ///
  /// - Returns: Whether the system granted it.
  @discardableResult
  public func reserve(_ plan: MemoryPlan) -> Bool {
    core.reserve(plan.arenaBytes) && backend.reserve(workspaceBytes: plan.workspaceBytes)
  }

  /// Runs `body` without recording: nothing is kept for a backward, dropout does nothing.
  ///
  /// - Parameter applyingAdapters: False leaves every weight's adapter out: what the base says by itself.
  public func inference<Result, Failure: Error>(
    applyingAdapters: Bool = true, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try core.inference(applyingAdapters: applyingAdapters, body)
  }

  /// Runs `body` and frees everything made in it but its result. While recording nothing is freed, since backward
  /// needs it.
  public func scope(_ body: () -> Variable<Scalar>) -> Variable<Scalar> {
    stopping { () throws(Misuse) in
      let result = try core.scope { () throws(Misuse) in try core.slot(body().handle, "scope") }
      return Variable(core.handle(result))
    }
  }

  /// Puts gradients in place as if the last step had computed them: a step that accumulates adds to them, as it would
  /// have in the run that they were saved from.
  ///
  /// - Precondition: No step is running; as many elements as each parameter has.
  public func restoreGradients(_ gradients: [(parameter: Parameter<Scalar>, elements: [Scalar])]) {
    stopping { () throws(Misuse) in try core.beginRestoredGeneration() }
    for (parameter, elements) in gradients {
      guard elements.count == parameter.count else {
        fatalError("restoreGradients: expected \(parameter.count) elements, got \(elements.count)")
      }
      let contribution = unsafe parameter.core.contribution(generation: core.generation, clock: core.clock)
      // INVARIANT: the gradient has as many elements as its parameter.
      unsafe elements.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress {
          unsafe contribution.target.copyMemory(from: start, byteCount: bytes.count)
        }
      }
    }
    core.clock.complete(core.generation)
  }

  // MARK: Bringing values in

  /// Copies a tensor into the step. It gets no gradient.
  public func input(_ tensor: Tensor<Scalar>) -> Variable<Scalar> {
    stopping { () throws(Misuse) in try input(tensor.elements.span, tensor.shape) }
  }

  /// Copies numbers into the step in a shape that is known at run time only. They get no gradient.
  ///
  /// - Precondition: There are as many numbers as the shape has elements.
  public func input(_ elements: [Scalar], shape: [Int]) -> Variable<Scalar> {
    input(Tensor(shape: shape, elements))
  }

  /// Copies numbers into the step, without an array of them or of their shape. They get no gradient.
  ///
  /// - Precondition: There are as many numbers as the shape has elements.
  public func input<let n: Int>(_ elements: Span<Scalar>, shape: InlineArray<n, Int>) -> Variable<Scalar> {
    stopping { () throws(Misuse) in
      let shape = Shape(shape)
      guard elements.count == shape.count else {
        throw Misuse("input", "\(elements.count) numbers do not make a tensor of shape \(shape)")
      }
      return try input(elements, shape)
    }
  }

  /// Numbers of which nothing but the shape is known: for plans, which look at no numbers.
  ///
  /// - Precondition: Inside `plan`.
  public func plannedInput<let n: Int>(shape: InlineArray<n, Int>) -> Variable<Scalar> {
    stopping { () throws(Misuse) in
      guard core.isPlanning else {
        throw Misuse("plannedInput", "a step computes with its numbers", hint: "give it numbers with tape.input")
      }
      return try input([Scalar]().span, Shape(shape))
    }
  }

  /// - Parameter elements: As many as the shape has; while planning any number will do.
  private func input(_ elements: Span<Scalar>, _ shape: Shape) throws(Misuse) -> Variable<Scalar> {
    let slot = try core.temporary(shape.validated("input"), "input", requiresGradient: false)
    if !core.isPlanning {
      // INVARIANT: the temporary has shape.count elements, as many as there are.
      unsafe elements.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress {
          unsafe core.data(slot).copyMemory(from: start, byteCount: bytes.count)
        }
      }
    }
    return Variable(core.handle(slot))
  }

  /// Copies token ids into the step.
  ///
  /// - Precondition: There are as many ids as the shape has elements.
  public func tokens<let n: Int>(_ ids: Span<Int32>, shape: InlineArray<n, Int>) -> Tokens {
    stopping { () throws(Misuse) in
      try core.tokens(ids, Shape(shape))
    }
  }

  /// Tokens of which nothing but the shape is known: for plans, which look at no ids.
  ///
  /// - Precondition: Inside `plan`.
  public func plannedTokens<let n: Int>(shape: InlineArray<n, Int>) -> Tokens {
    stopping { () throws(Misuse) in
      guard core.isPlanning else {
        throw Misuse("plannedTokens", "a step computes with its tokens", hint: "give it ids with tape.tokens")
      }
      return try core.tokens(nil, Shape(shape))
    }
  }

  /// The same for ids and a shape in arrays.
  @_disfavoredOverload
  public func tokens(_ ids: [Int32], shape: [Int]) -> Tokens {
    stopping { () throws(Misuse) in try core.tokens(ids.span, Shape(shape)) }
  }

  /// Copies token ids into the step as one sequence.
  public func tokens(_ ids: [Int32]) -> Tokens { tokens(ids.span, shape: [ids.count]) }

  /// A parameter's values as a variable, for operators; layers take parameters as they are.
  public func variable(_ parameter: Parameter<Scalar>) -> Variable<Scalar> {
    stopping { () throws(Misuse) in Variable(core.handle(try core.use(parameter.core))) }
  }

  // MARK: State

  /// What the arena holds.
  public var statistics: ArenaStatistics { core.arena.statistics }

  /// The number of the running step, or of the last one. The first is 1.
  public var stepNumber: UInt64 { core.step }

  /// The key of random numbers: dropout draws from (seed, `randomStep`, its ordinal within the step).
  public var seed: UInt64 {
    get { core.seed }
    set { core.seed = newValue }
  }

  /// The step that random numbers are drawn for; nil takes `stepNumber`. A resumed run sets it.
  public var randomStep: UInt64? {
    get { core.randomStep }
    set { core.randomStep = newValue }
  }
}

/// What a step will need, worked out by a dry run.
public struct MemoryPlan: Sendable, Equatable {
  /// The arena's peak in bytes: equal to the measured `ArenaStatistics.peak` of that step.
  public let arenaBytes: Int
  /// Scratch memory of all the backend's threads together: equal to the measured `Backend.workspaceBytes`.
  public let workspaceBytes: Int

  package init(arenaBytes: Int, workspaceBytes: Int) {
    (self.arenaBytes, self.workspaceBytes) = (arenaBytes, workspaceBytes)
  }

  /// What serves both plans, one after the other.
  public func union(_ other: MemoryPlan) -> MemoryPlan {
    MemoryPlan(
      arenaBytes: max(arenaBytes, other.arenaBytes), workspaceBytes: max(workspaceBytes, other.workspaceBytes))
  }
}

/// Token ids inside a step.
@safe public struct Tokens {
  let handle: Handle

  init(_ handle: Handle) { self.handle = handle }
}

@available(*, unavailable)
extension Tokens: Sendable {}

extension TapeCore {
  /// - Parameter ids: nil while planning, where that is all the same.
  func tokens(_ ids: Span<Int32>?, _ shape: Shape) throws(Misuse) -> Tokens {
    try requireStep("tokens")
    let shape = try shape.validated("tokens")
    if let ids, ids.count != shape.count {
      throw Misuse("tokens", "\(ids.count) ids do not make a tensor of shape \(shape)")
    }
    let data = unsafe try allocate(shape.count * 4, shape, "tokens")
    if !isPlanning, let ids {
      // INVARIANT: the block has room for ids.count Int32.
      unsafe ids.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { unsafe data.copyMemory(from: start, byteCount: bytes.count) }
      }
    }
    return Tokens(handle(unsafe append(shape, data: data, requiresGradient: false, isTokens: true)))
  }

  /// A single number.
  func constant(_ value: Double) throws(Misuse) -> Slot {
    let slot = try temporary(Shape(), "constant", requiresGradient: false)
    unsafe setElement(data(slot), to: value)
    return slot
  }
}

extension Tokens {
  /// 0, 1, 2 … along the last axis: the positions of the tokens in their sequences.
  ///
  /// Shapes: [..., T] → [T].
  public var positions: Tokens {
    stopping { () throws(Misuse) in
      let core = try TapeTable.core(of: handle, "positions")
      let count = core.nodes[try core.slot(handle, "positions")].shape.last
      let data = unsafe try core.allocate(count * 4, Shape([count] as InlineArray<1, Int>), "positions")
      if !core.isPlanning {
        // INVARIANT: the block has room for `count` Int32.
        let positions = unsafe data.bindMemory(to: Int32.self, capacity: count)
        for index in 0..<count { unsafe positions[index] = Int32(index) }
      }
      let shape = Shape([count] as InlineArray<1, Int>)
      return Tokens(
        core.handle(unsafe core.append(shape, data: data, requiresGradient: false, isTokens: true)))
    }
  }
}

extension Variable {
  /// Runs `body` on this variable and puts the result in its place: a chain of layers needs no more memory than one
  /// of them. While recording both stay, since backward needs them; so they do where this variable's memory is that of
  /// a `reshape` or of a parameter, or where it was recorded before the inference that is running.
  ///
  /// - Precondition: The result has this variable's shape. This variable is not used afterwards: where it does not stay,
  ///   that stops with a sentence.
  public func updated(_ body: (Variable) -> Variable) -> Variable {
    apply("updated", isScope: true) { core, x throws(Misuse) in
      try core.replace(x) { () throws(Misuse) in try core.slot(body(self).handle, "updated") }
    }
  }
}
