import CAutogradSystem
import AutogradKernels

/// A tape without its scalar type: the arena, the table of variables and the records of operations.
///
/// Everything is addressed by slot. Operations are extensions in `Operations/`; each infers its shape, allocates,
/// runs its kernels (skipped while planning) and records itself. Here are steps, plans and variables; what becomes of
/// memory stands in `TapeCore+Memory.swift`, walking back in `TapeCore+Backward.swift`.
package final class TapeCore {
  package let type: ElementType
  package var backend: Backend
  /// How matrix products multiply, attention's among them where the backend multiplies pairs.
  package var matmulPrecision = MatmulPrecision.float32
  /// Products with stored weights that are quantised multiply integers; then `matmulPrecision` is float32.
  package var multipliesIntegers = false
  /// Whether products apply the adapters of weights. Only inference leaves them out: what is recorded never does.
  var appliesAdapters = true
  package private(set) var arena: Arena
  package private(set) var index: UInt32 = 0

  package var nodes = GrowingTable<Node>(capacity: 1024)
  package var records = GrowingTable<Record>(capacity: 1024)
  /// The inputs of records that have more than six: see `listInputs`.
  var inputLists = GrowingTable<Slot>(capacity: 256)
  /// The backward of each use of a `CustomOperation` in this step.
  var userDefinedBackwards: [any UserDefinedBackward] = []
  /// The parts that this step recomputes: see `Recomputation`.
  var recomputations: [any RecomputedPart] = []
  /// How the attentions of this step are formed, each form once.
  var attentionForms: [AttentionForm] = []
  /// What surrounds the part of a recomputation that is running; nil outside of them.
  var surroundings: RecomputationSurroundings?
  /// Uses of parameters, which the tape retains until its reset.
  var parameterSlots = GrowingTable<Slot>(capacity: 256)
  /// Variables that lie in the memory of others.
  var sharings = GrowingTable<SharedMemory>(capacity: 64)
  /// The versions of all parameters that were read, added up: see `recompute`.
  var parameterReads: UInt64 = 0
  /// Gradient buffers that are free again within this step.
  var freeBlocks = GrowingTable<FreeBlock>(capacity: 64)
  /// Those before it lie outside of the recomputation that is running and wait for its end.
  var firstFreeBlock = 0
  private var lastSerial: UInt64 = 0
  private var starts = StepStarts()

  /// The number of the running step, or of the last one; the first is 1.
  package private(set) var step: UInt64 = 0
  package private(set) var isStepping = false
  /// Operations are recorded for backward.
  package private(set) var isRecording = true
  /// The first variable that was made since recording last stopped: no record can name it.
  private(set) var firstUnrecorded: Slot = 0
  /// Shapes and memory only: nothing is computed, nothing advances.
  package private(set) var isPlanning = false
  /// What a plan puts aside.
  private struct Planned {
    let arena: Arena
    let step, generation: UInt64
    let openLosses: Int
  }
  private var plannedOver: Planned?
  /// The generation that gradients written now belong to.
  package private(set) var generation: UInt64 = 0
  /// Losses of this generation that wrote to a gradient when they were computed and have not had their backward.
  var openLosses = 0
  /// Tells parameters which generation is complete.
  package let clock = GradientClock()

  /// The most elements that a result may have, for a caller who counts them in fewer bits than an `Int` has.
  package var resultLimit = Int.max

  /// What to do when the arena is full, as the message says it.
  package var memoryHint = "make batch or context smaller, or raise the limit"
  /// Runs the backward of records of kind `custom`.
  package var customBackward: ((Record) throws(Misuse) -> Void)?
  /// Called for each record that a walk has gone over.
  package var afterWalking: ((Record) throws(Misuse) -> Void)?
  /// Values of this step were given up: see `forget`.
  var hasForgotten = false
  /// Values given up that the walk has computed again for now, innermost last: see `withInputs`.
  var restored = GrowingTable<Slot>(capacity: 16)
  /// Marks the records made from now on, so that `backwardFromSeeds` can tell several lists apart.
  package var recordTag: Int32 = 0
  /// `backwardFromSeeds` is running.
  var walksFromSeeds = false

  /// Watches operations; nil watches nothing and costs nothing.
  var observer: Observer?
  /// When the arena last had to map memory.
  var lastGrowth: ArenaGrowth?

  /// Keys of random numbers: dropout draws from (seed, step, ordinal of the dropout within the step).
  package var seed: UInt64 = 0
  package var randomStep: UInt64?
  private var randomOrdinal: UInt32 = 0

  package init(type: ElementType, backend: Backend, byteLimit: Int?) {
    self.type = type
    self.backend = backend
    arena = Arena(byteLimit: byteLimit)
    (index, lastSerial) = TapeTable.enter(self)
  }

  deinit {
    releaseParameters(from: 0)
    TapeTable.leave(index, lastSerial: lastSerial)
  }

  // MARK: Steps

  /// Begins a step. `accumulating` adds this step's gradients to those of the steps before.
  package func beginStep(accumulating: Bool = false) throws(Misuse) {
    guard !isStepping else {
      throw Misuse("step", "a step is already running", hint: "end it before the next; steps do not nest")
    }
    TapeTable.own(index)
    step += 1
    isStepping = true
    isRecording = true
    randomOrdinal = 0
    starts.append(step: step, serial: lastSerial)
    observer?.beginStep()
    if !accumulating || generation == 0 {
      generation = GradientClock.nextGeneration()
      openLosses = 0
    }
  }

  /// Ends the step: every variable made in it is void, the arena is empty.
  package func endStep() throws(Misuse) {
    truncate(nodes: 0, records: 0)
    inputLists.removeLast(downTo: 0)
    userDefinedBackwards.removeAll(keepingCapacity: true)
    recomputations.removeAll(keepingCapacity: true)
    attentionForms.removeAll(keepingCapacity: true)
    surroundings = nil
    freeBlocks.removeLast(downTo: 0)
    firstFreeBlock = 0
    walksFromSeeds = false
    hasForgotten = false
    if !isPlanning { observer?.endStep(step) }
    arena.reset()
    isStepping = false
    guard !isPlanning, openLosses > 0, clock.completedGeneration == generation else { return }
    throw Misuse(
      "linearCrossEntropy", "a loss was recorded that no backward reached, and gradients already contain it",
      hint: "compute what is not to be learnt from inside tape.inference { … }")
  }

  /// Begins a step that computes nothing and changes nothing: it counts memory in a simulated arena.
  package func beginPlan(accumulating: Bool) throws(Misuse) {
    guard !isStepping else { throw Misuse("plan", "a step is running", hint: "plan before it or after it") }
    plannedOver = Planned(arena: arena, step: step, generation: generation, openLosses: openLosses)
    arena = Arena(simulated: true, byteLimit: arena.byteLimit)
    isPlanning = true
    backend.plannedWorkspace = 0
    try beginStep(accumulating: accumulating)
  }

  /// Ends the plan; returns what it found.
  package func endPlan() throws(Misuse) -> MemoryPlan {
    let found = MemoryPlan(arenaBytes: arena.statistics.peak, workspaceBytes: backend.plannedWorkspace ?? 0)
    backend.plannedWorkspace = nil
    try endStep()
    if let before = plannedOver {
      (arena, step, generation, openLosses) = (before.arena, before.step, before.generation, before.openLosses)
    }
    plannedOver = nil
    isPlanning = false
    return found
  }

  /// Runs `body` without recording: nothing is kept for a backward.
  package func inference<Result, Failure: Error>(
    applyingAdapters: Bool = true, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let before = (isRecording, appliesAdapters)
    if isRecording { firstUnrecorded = nodes.count }
    isRecording = false
    appliesAdapters = appliesAdapters && applyingAdapters
    defer { (isRecording, appliesAdapters) = before }
    return try body()
  }

  /// Begins a generation of gradients that no step of this tape computed.
  func beginRestoredGeneration() throws(Misuse) {
    guard !isStepping else {
      throw Misuse("restoreGradients", "a step is running", hint: "restore gradients between steps")
    }
    generation = GradientClock.nextGeneration()
    openLosses = 0
  }

  /// Maps the arena for a plan and touches it.
  package func reserve(_ bytes: Int) -> Bool { arena.reserve(bytes, touching: true) }

  package func setByteLimit(_ limit: Int?) { arena.byteLimit = limit }

  /// Draws from now on as in step `step` before its first dropout.
  package func restartRandom(step: UInt64) {
    randomStep = step
    randomOrdinal = 0
  }

  /// Where dropout's random counters stand; a recomputation goes back to where its part began.
  var randomPosition: RandomPosition {
    get { RandomPosition(seed: seed, step: randomStep ?? step, ordinal: randomOrdinal) }
    set { (seed, randomStep, randomOrdinal) = (newValue.seed, newValue.step, newValue.ordinal) }
  }

  /// The next dropout's random counters.
  package func nextRandomCounters() -> (key: UInt64, step: UInt64, ordinal: UInt32) {
    randomOrdinal += 1
    return (seed, randomStep ?? step, randomOrdinal)
  }

  // MARK: Variables

  func handle(_ slot: Slot) -> Handle {
    Handle(tape: index, slot: UInt32(slot), serial: nodes[slot].serial)
  }

  /// The slot of a handle that belongs to this tape and is still good.
  func slot(_ handle: Handle, _ operation: StaticString) throws(Misuse) -> Slot {
    guard handle.tape == index else {
      throw Misuse(
        operation, "variables of two different tapes", hint: "bring one over with .array and tape.input")
    }
    let slot = Slot(handle.slot)
    guard slot < nodes.count, nodes[slot].serial == handle.serial else { throw stale(handle, operation) }
    if let surroundings {
      try surroundings.check(slot, nodes[slot], operation)
      parameterReads &+= UInt64(version(of: slot))
    }
    return slot
  }

  private func stale(_ handle: Handle, _ operation: StaticString) -> Misuse {
    let made = starts.step(of: handle.serial), slot = Slot(handle.slot)
    if isStepping, made == step, slot < nodes.count, nodes[slot].isForgotten {
      return Misuse(
        operation, "variable whose value was given up", hint: "call forget() after everything that uses it")
    }
    if isStepping, made == step {
      return Misuse(
        operation, "variable of a scope that has ended", hint: "return it from the scope, or copy it out with .array")
    }
    let origin = made.map { "step \($0)" } ?? "a step long past"
    let now = isStepping ? "in step \(step)" : "after step \(step)"
    return Misuse(
      operation, "variable of \(origin) used \(now)", hint: "temporaries end with their step; copy it out with .array")
  }

  func nextSerial() -> UInt64 {
    lastSerial += 1
    return lastSerial
  }

  /// Enters a variable over memory that outlives it.
  ///
  /// INVARIANT: `data` has `shape.count` elements (Int32 for tokens), in a block of this step or in a parameter, which
  /// comes retained.
  @unsafe package func append(
    _ shape: Shape, data: UnsafeMutableRawPointer, parameter: Unmanaged<ParameterCore>? = nil,
    requiresGradient: Bool, isTokens: Bool = false
  ) -> Slot {
    nodes.append(
      unsafe Node(
        serial: nextSerial(), shape: shape, data: data, parameter: parameter,
        requiresGradient: requiresGradient && isRecording, isTokens: isTokens))
    return nodes.count - 1
  }

  /// Makes a temporary of undefined content. Every result of an operation comes from here, before its kernels run.
  package func temporary(_ shape: Shape, _ operation: StaticString, requiresGradient: Bool) throws(Misuse) -> Slot {
    try requireStep(operation)
    try shape.checkSize(atMost: resultLimit, operation)
    // INVARIANT: a block from the free list is as large as one from the arena would be.
    // Inside inference, scopes rewind the arena: a block from before must not be mixed up with theirs.
    if isRecording, freeBlocks.count > firstFreeBlock, let block = unsafe takeFreeBlock(shape.count * type.size) {
      return unsafe append(shape, data: block, requiresGradient: requiresGradient)
    }
    let data = unsafe try allocate(shape.count * type.size, shape, operation)
    return unsafe append(shape, data: data, requiresGradient: requiresGradient)
  }

  /// Makes a temporary that needs a gradient where one of its inputs does.
  package func result(
    _ shape: Shape, _ operation: StaticString, of a: Slot, _ b: Slot = -1, _ c: Slot = -1, _ d: Slot = -1, _ e: Slot = -1,
    _ f: Slot = -1
  ) throws(Misuse) -> Slot {
    let needed = requiresGradient(a) || requiresGradient(b) || requiresGradient(c) || requiresGradient(d)
      || requiresGradient(e) || requiresGradient(f)
    return try temporary(shape, operation, requiresGradient: needed)
  }

  package func requireStep(_ operation: StaticString) throws(Misuse) {
    guard isStepping else {
      throw Misuse(operation, "no step is running", hint: "compute inside tape.step { … }")
    }
  }

  /// A parameter's values as a variable of this step.
  ///
  /// - Parameter operation: What reads them.
  package func use(_ parameter: ParameterCore, _ operation: StaticString = "variable") throws(Misuse) -> Slot {
    try requireStep("variable")
    if parameter.stored != nil { throw parameter.isStored(operation) }
    guard parameter.hasValues || isPlanning else { throw parameter.lackOfValues }
    // A plan reads no values: those of a model that is only planned take no memory. A deferred update is applied
    // when an operation asks for the values (`data`), or by the product that reads them.
    // INVARIANT: the parameter owns its block, and the node retains the parameter until `releaseParameters`.
    let data = isPlanning ? unsafe TapeCore.plannedAddress : unsafe parameter.value.start
    let slot = unsafe append(
      parameter.shape, data: data, parameter: Unmanaged.passRetained(parameter),
      requiresGradient: parameter.isTrainable)
    parameterSlots.append(slot)
    parameterReads &+= parameter.version
    if !isPlanning { parameter.noteUse(in: step, of: clock) }
    return slot
  }

  /// Stands for a parameter's memory. INVARIANT: only while planning, when nobody follows it.
  @unsafe static var plannedAddress: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(bitPattern: 64)! }

  /// A stored weight as a variable of this step. INVARIANT: only for operations that ask for `storedWeight` before
  /// anything else: it has no values in memory.
  func use(
    _ weight: StoredWeight, of parameter: ParameterCore, _ operation: StaticString
  ) throws(Misuse) -> Slot {
    try requireStep("variable")
    guard weight.instructionSet.panelWidth == backend.instructionSet.panelWidth else {
      throw Misuse(
        operation,
        "\(parameter.name ?? "a weight") is stored for \(weight.instructionSet.rawValue), but the tape's backend "
          + "computes with \(backend.instructionSet.rawValue)",
        hint: "store the weight for the backend's instruction set")
    }
    let slot = unsafe append(
      parameter.shape, data: TapeCore.plannedAddress, parameter: Unmanaged.passRetained(parameter),
      requiresGradient: false)
    parameterSlots.append(slot)
    if !isPlanning { parameter.noteUse(in: step, of: clock) }
    return slot
  }

  /// The stored weight that a variable is; nil where it has values.
  func storedWeight(_ slot: Slot) -> StoredWeight? {
    guard let parameter = unsafe nodes[slot].parameter else { return nil }
    return unsafe parameter._withUnsafeGuaranteedRef { $0.stored }
  }

  package func requiresGradient(_ slot: Slot) -> Bool { slot >= 0 && nodes[slot].requiresGradient }
}
