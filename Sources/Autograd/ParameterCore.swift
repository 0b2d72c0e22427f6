import Kernels

/// A parameter without its scalar type: values, gradient, and when that gradient was last written.
@safe package final class ParameterCore {
  package let shape: Shape
  package let type: ElementType
  package let value: PersistentBlock
  package var isTrainable = true
  /// Rises whenever the values change from outside a tape.
  package var version: UInt64 = 0
  /// Its gradient stands on somebody's list of gradients to clear when a backward does not reach it.
  package var isListed = false

  private var gradientBlock: PersistentBlock?
  /// The generation of gradients that the buffer belongs to, and the tape that wrote it.
  package private(set) var generation: UInt64 = 0
  private var tape: UInt32 = 0

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
  }

  /// Where a contribution goes and whether it adds: the first one of a generation overwrites.
  @unsafe package func contribution(generation: UInt64, tape: UInt32) -> (target: UnsafeMutableRawPointer, adds: Bool) {
    let block = allocatedGradient()
    let adds = self.generation == generation
    self.generation = generation
    self.tape = tape
    return unsafe (block.start, adds)
  }

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

  /// The gradient of the last backward; zeros where that one did not reach this parameter.
  @unsafe package func currentGradient() -> UnsafeMutableRawPointer {
    let block = allocatedGradient()
    if generation == 0 || generation != TapeTable.completedGeneration(tape) {
      unsafe block.start.initializeMemory(as: UInt8.self, repeating: 0, count: block.byteCount)
    }
    return unsafe block.start
  }
}
