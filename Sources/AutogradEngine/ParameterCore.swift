import CAutogradKernels
import AutogradKernels
import Synchronization

/// A parameter without its scalar type: values, gradient, and when that gradient was last written.
///
/// INVARIANT: both blocks hold at least `shape.count` elements of `type`, and live as long as this object.
@safe package final class ParameterCore {
  package let shape: Shape
  package let type: ElementType
  /// Whoever reads or writes the values settles first: see "Steps put off".
  package let value: PersistentBlock
  package var isTrainable = true
  /// Where it stands in its module, for messages.
  var name: String?
  /// Rises whenever the values change from outside a tape.
  package var version: UInt64 = 0
  /// Its gradient stands on somebody's list of gradients to clear when a backward does not reach it.
  package var isListed = false

  private var gradientBlock: PersistentBlock?
  /// The generation of gradients that the buffer belongs to, and the clock of the tape that wrote it.
  package private(set) var generation: UInt64 = 0
  private var clock: GradientClock?
  /// INVARIANT: read and written inside `stepLock` only. `hasPostponedStep` falls when the step was taken as a whole.
  private var postponed: PostponedStep?
  private let hasPostponedStep = Atomic<Bool>(false)
  private let stepLock = Mutex(())
  /// The last product that read it could have taken a step on the way.
  var takesStepsInProducts = false
  /// Somebody holds on to the memory itself: values are always what the last step made them.
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

  // MARK: Steps put off
  //
  // A child of `fork` must not read parameters if another thread of its parent was taking a step then: nobody would ever
  // free `stepLock`.

  /// A product is likely to be what wants the values next, and nobody would see old ones.
  package var mayPostponeSteps: Bool { takesStepsInProducts && !isHeld.load(ordering: .relaxed) }

  /// Puts a step of an optimiser off until the values are wanted; one that still waits is taken first.
  package func postpone(_ step: PostponedStep) {
    stepLock.withLock { _ in
      postponed?.take()
      postponed = step
      hasPostponedStep.store(true, ordering: .releasing)
    }
  }

  /// A step was put off and not taken yet.
  package var awaitsStep: Bool { hasPostponedStep.load(ordering: .acquiring) }

  /// Has a step that was put off taken now. Two threads may come at once: one takes it, the other waits.
  package func settle() {
    guard awaitsStep else { return }
    stepLock.withLock { _ in
      postponed?.take()
      endPostponedStep()
    }
  }

  /// Shows a step that was put off to `body`; nil where there is none.
  ///
  /// `body` returns whether it took all of the step, which otherwise stays.
  @unsafe func withPostponedStep(_ body: (UnsafePointer<ck_adam>?) -> Bool) {
    guard awaitsStep else {
      _ = body(nil)
      return
    }
    stepLock.withLock { _ in
      guard let postponed else {
        _ = body(nil)
        return
      }
      if unsafe postponed.withRule(body) { endPostponedStep() }
    }
  }

  /// INVARIANT: inside `stepLock`.
  private func endPostponedStep() {
    postponed = nil
    hasPostponedStep.store(false, ordering: .releasing)
  }

  /// From now on somebody holds on to the memory of values or gradient.
  package func hold() {
    isHeld.store(true, ordering: .relaxed)
    settle()
  }

  /// Where a contribution goes and whether it adds: the first one of a generation overwrites.
  ///
  /// - Parameter settles: False where a product takes a step that was put off before anything is written.
  @unsafe package func contribution(
    generation: UInt64, clock: GradientClock, settles: Bool = true
  ) -> (target: UnsafeMutableRawPointer, adds: Bool) {
    if settles { settle() }
    let block = allocatedGradient()
    let adds = self.generation == generation
    self.generation = generation
    self.clock = clock
    return unsafe (block.start, adds)
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
    if let block = gradientBlock { return block }
    let block = PersistentBlock(byteCount: shape.count * type.size)
    gradientBlock = block
    return block
  }

  /// Where the gradient lies; nil before anybody needed one.
  package var allocatedGradientStart: UnsafeMutableRawPointer? { unsafe gradientBlock?.start }

  /// Bytes of values and gradient that were taken from the system.
  package var takenBytes: Int {
    (value.isTaken ? value.byteCount : 0) + (gradientBlock.map { $0.isTaken ? $0.byteCount : 0 } ?? 0)
  }

  /// The gradient of the last backward; zeros where that one did not reach this parameter.
  @unsafe package func currentGradient() -> UnsafeMutableRawPointer {
    settle()
    let block = allocatedGradient()
    if generation == 0 || generation != clock?.completedGeneration {
      unsafe block.start.initializeMemory(as: UInt8.self, repeating: 0, count: block.byteCount)
    }
    return unsafe block.start
  }
}
