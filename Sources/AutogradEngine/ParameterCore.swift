import CAutogradKernels
import AutogradKernels
import Synchronization

/// A parameter without its scalar type: values, gradient, and when that gradient was last written.
///
/// INVARIANT: both blocks hold at least `shape.count` elements of `type`, and live as long as this object.
@safe package final class ParameterCore {
  package let shape: Shape
  package let type: ElementType
  /// Whoever reads or writes the values applies a deferred update first: see "Deferred updates".
  package let value: PersistentBlock
  package var isTrainable = true
  /// What products read instead of values, which then do not exist: see `Parameter.store`.
  package private(set) var stored: StoredWeight?
  /// Where it stands in its module, for messages.
  var name: String?
  /// How the values begin; nil where somebody gave them.
  var initialization: Initialization?
  /// False until values that are to be drawn were written.
  var hasValues = true
  /// Rises whenever the values change, and where an update is deferred that will change them: backward compares it with
  /// what forward read. Who writes through `Parameter.values` changes it not.
  package private(set) var version: UInt64 = 0
  /// Who clears its gradient when a backward does not reach it, by a number of theirs, and where it stands on their list.
  package var keeper: UInt32 = 0
  package var place = 0

  private var gradientBlock: PersistentBlock?
  /// The generation of gradients that the buffer belongs to, and the clock of the tape that wrote it.
  package private(set) var generation: UInt64 = 0
  private var clock: GradientClock?
  /// An operation of that generation wrote to it.
  private var isWritten = false
  /// Of each tape whose gradient another's replaced, the generation that was lost.
  private var replaced: [ObjectIdentifier: UInt64] = [:]
  /// INVARIANT: read and written inside `updateLock` only. `hasDeferredUpdate` falls when all of it was applied.
  private var deferred: DeferredUpdate?
  private let hasDeferredUpdate = Atomic<Bool>(false)
  private let updateLock = Mutex(())
  /// The last product that read it could have applied an update on the way.
  var takesUpdatesInProducts = false
  /// Somebody holds on to the memory itself: values are always what the last update made them.
  private let isHeld = Atomic<Bool>(false)

  /// The last step that used it, and that step's tape.
  private var lastUse: (step: UInt64, clock: ObjectIdentifier)?

  package init(shape: Shape, type: ElementType) {
    self.shape = shape
    self.type = type
    value = PersistentBlock(byteCount: shape.count * type.size)
  }

  /// Takes over values, and a gradient, that somebody else keeps too.
  package init(shape: Shape, type: ElementType, value: PersistentBlock, gradient: PersistentBlock?) {
    self.shape = shape
    self.type = type
    self.value = value
    gradientBlock = gradient
    isHeld.store(true, ordering: .relaxed)
  }

  /// The values are about to change, or will have changed for whoever asks next.
  package func noteChange() { version &+= 1 }

  /// From now on products read a stored weight, of the same shape; values and gradient are none.
  package func store(_ weight: StoredWeight) {
    (stored, isTrainable, hasValues, initialization) = (weight, false, true, nil)
    noteChange()
  }

  /// Stops where somebody wants the numbers of a stored weight in memory.
  func requireValues(_ wanted: StaticString) {
    guard let stored else { return }
    fatalError(
      "Parameter.\(wanted): \(name ?? "the parameter") of shape \(shape) is stored as \(stored.format) and does not "
        + "change; .array copies the numbers that it stands for")
  }

  /// What is wrong with an operation that takes no stored weights.
  func isStored(_ operation: StaticString) -> Misuse {
    Misuse(
      operation,
      "\(name ?? "a parameter") of shape \(shape) is stored as \(stored?.format.name ?? ""), which linear layers, "
        + "gated ones, embeddings and the head's loss read, and nothing else",
      hint: "load the model in float32 for this")
  }

  /// What is wrong with computing with it before its values were drawn.
  var lackOfValues: Misuse {
    Misuse(
      "variable", "the parameter \(name ?? "without a name") of shape \(shape) never got values",
      hint: "call initialize(seed:) on its module, load a file, or set them")
  }

  // MARK: Deferred updates
  //
  // A child of `fork` must not read parameters if another thread of its parent was applying an update then: nobody would
  // ever free `updateLock`.

  /// A product is likely to be what wants the values next, and nobody would see old ones.
  package var mayDeferUpdates: Bool { takesUpdatesInProducts && !isHeld.load(ordering: .relaxed) }

  /// Defers an optimiser's update until the values are wanted; an earlier one is applied first.
  package func deferUpdate(_ update: DeferredUpdate) {
    updateLock.withLock { _ in
      deferred?.apply()
      deferred = update
      hasDeferredUpdate.store(true, ordering: .releasing)
    }
  }

  /// An update was deferred and not applied yet.
  package var awaitsUpdate: Bool { hasDeferredUpdate.load(ordering: .acquiring) }

  /// Applies a deferred update now. Two threads may come at once: one applies it, the other waits.
  package func applyDeferredUpdate() {
    guard awaitsUpdate else { return }
    updateLock.withLock { _ in
      deferred?.apply()
      endDeferredUpdate()
    }
  }

  /// Shows the rule of a deferred update to `body`; nil where there is none.
  ///
  /// `body` returns whether it applied all of the update, which otherwise stays.
  @unsafe func withDeferredUpdate(_ body: (UnsafePointer<ck_rule>?) -> Bool) {
    guard awaitsUpdate else {
      _ = body(nil)
      return
    }
    updateLock.withLock { _ in
      guard let deferred else {
        _ = body(nil)
        return
      }
      if unsafe deferred.withRule(body) { endDeferredUpdate() }
    }
  }

  /// INVARIANT: inside `updateLock`.
  private func endDeferredUpdate() {
    deferred = nil
    hasDeferredUpdate.store(false, ordering: .releasing)
  }

  /// From now on somebody holds on to the memory of values or gradient.
  package func hold() {
    isHeld.store(true, ordering: .relaxed)
    applyDeferredUpdate()
  }

  /// Where a contribution goes and whether it adds: the first one of a generation overwrites.
  ///
  /// - Parameter appliesUpdate: False where a product applies a deferred update before anything is written.
  @unsafe package func contribution(
    generation: UInt64, clock: GradientClock, appliesUpdate: Bool = true
  ) -> (target: UnsafeMutableRawPointer, adds: Bool) {
    if appliesUpdate { applyDeferredUpdate() }
    let block = allocatedGradient()
    let adds = self.generation == generation
    claim(generation: generation, clock: clock)
    isWritten = true
    return unsafe (block.start, adds)
  }

  /// The gradient belongs to this generation from now on, whoever fills it.
  package func claim(generation: UInt64, clock: GradientClock) {
    guard self.generation != generation else { return }
    if isWritten, let before = self.clock, before !== clock { replaced[ObjectIdentifier(before)] = self.generation }
    self.generation = generation
    self.clock = clock
    isWritten = false
  }

  /// Another tape's gradient has taken the place of what this generation had written.
  func isReplaced(_ generation: UInt64, of clock: GradientClock) -> Bool {
    self.generation != generation && !replaced.isEmpty && replaced[ObjectIdentifier(clock)] == generation
  }

  func noteUse(in step: UInt64, of clock: GradientClock) { lastUse = (step, ObjectIdentifier(clock)) }

  func wasUsed(in step: UInt64, of clock: GradientClock) -> Bool {
    lastUse?.step == step && lastUse?.clock == ObjectIdentifier(clock)
  }

  /// Whether a backward of this generation wrote to the gradient.
  func isReached(_ generation: UInt64) -> Bool { self.generation == generation }

  /// Allocates the gradient buffer, so that a step does not have to.
  @discardableResult
  package func allocatedGradient() -> PersistentBlock {
    requireValues("gradient")
    if let block = gradientBlock { return block }
    let block = PersistentBlock(byteCount: shape.count * type.size)
    gradientBlock = block
    return block
  }

  /// Where the gradient lies; nil before anybody needed one.
  package var allocatedGradientStart: UnsafeMutableRawPointer? { unsafe gradientBlock?.start }

  /// Bytes of the values, or of what products read instead.
  package var valueBytes: Int { stored?.byteCount ?? shape.count * type.size }

  /// Bytes of values and gradient that were taken from the system.
  package var takenBytes: Int {
    (stored?.byteCount ?? 0)
      + (value.isTaken ? value.byteCount : 0) + (gradientBlock.map { $0.isTaken ? $0.byteCount : 0 } ?? 0)
  }

  /// The clock by which the gradient is that of a last backward; nil where it is not.
  package var completedClock: GradientClock? { generation != 0 && generation == clock?.completedGeneration ? clock : nil }

  /// The gradient to be changed by somebody else: what they write counts as the last backward's of `clock`, also where
  /// that one did not reach this parameter.
  @unsafe package func gradientToChange(_ clock: GradientClock?) -> UnsafeMutableRawPointer {
    let start = unsafe currentGradient()
    if let clock, clock.completedGeneration != 0, completedClock == nil {
      claim(generation: clock.completedGeneration, clock: clock)
      isWritten = true
    }
    return unsafe start
  }

  /// The gradient of the last backward; zeros where that one did not reach this parameter.
  @unsafe package func currentGradient() -> UnsafeMutableRawPointer {
    applyDeferredUpdate()
    let block = allocatedGradient()
    if generation == 0 || generation != clock?.completedGeneration {
      unsafe block.start.initializeMemory(as: UInt8.self, repeating: 0, count: block.byteCount)
    }
    return unsafe block.start
  }
}
