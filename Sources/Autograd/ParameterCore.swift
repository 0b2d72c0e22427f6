import Kernels

/// A parameter without its scalar type: values, gradient, and when that gradient was last written.
@safe final class ParameterCore {
  let shape: Shape
  let type: ElementType
  let value: PersistentBlock
  var isTrainable = true
  /// Where it stands in its module, for messages.
  var name: String?
  /// Rises whenever the values change from outside a tape.
  var version: UInt64 = 0

  private var gradientBlock: PersistentBlock?
  /// The generation of gradients that the buffer belongs to, and the clock of the tape that wrote it.
  private var generation: UInt64 = 0
  private var clock: GradientClock?
  /// The last step that used it, and that step's tape.
  private var lastUse: (step: UInt64, clock: ObjectIdentifier)?

  init(shape: Shape, type: ElementType) {
    self.shape = shape
    self.type = type
    value = PersistentBlock(byteCount: shape.count * type.size)
  }

  /// Where a contribution goes and whether it adds: the first one of a generation overwrites.
  @unsafe func contribution(
    generation: UInt64, clock: GradientClock
  ) -> (target: UnsafeMutableRawPointer, adds: Bool) {
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
  func allocatedGradient() -> PersistentBlock {
    if let block = gradientBlock { return block }
    let block = PersistentBlock(byteCount: shape.count * type.size)
    gradientBlock = block
    return block
  }

  /// The gradient of the last backward; zeros where that one did not reach this parameter.
  @unsafe func currentGradient() -> UnsafeMutableRawPointer {
    let block = allocatedGradient()
    if generation == 0 || generation != clock?.completedGeneration {
      unsafe block.start.initializeMemory(as: UInt8.self, repeating: 0, count: block.byteCount)
    }
    return unsafe block.start
  }
}
