/// How a file holds a tensor's numbers: each alone, or in blocks that share scales.
///
/// What a format calls its types is the format's business (`TensorDType`, `GGUFTensorType`); what their bytes mean
/// stands here once.
@safe public struct TensorEncoding: Sendable, Equatable {
  /// As its format spells it: `BF16`, `Q4_1`.
  public let name: String
  /// Numbers in a block; 1 where each stands alone.
  public let blockLength: Int
  /// Bytes of a block.
  public let blockByteCount: Int
  /// Turns whole blocks into numbers; nil where they are no real numbers.
  let decode: (@Sendable (_ blocks: UnsafeRawBufferPointer, _ numbers: UnsafeMutableBufferPointer<Float>) -> Void)?
  /// The same, for what a Float does not hold.
  let decodeExactly: (@Sendable (_ blocks: UnsafeRawBufferPointer, _ numbers: UnsafeMutableBufferPointer<Double>) -> Void)?

  /// Whether it can be read as real numbers.
  public var isReal: Bool { unsafe decode != nil }

  /// There is one encoding of a name.
  public static func == (a: TensorEncoding, b: TensorEncoding) -> Bool { a.name == b.name }

  /// Numbers that nobody reads as real ones.
  init(name: String, byteCount: Int) {
    (self.name, blockLength, blockByteCount) = (name, 1, byteCount)
    unsafe (decode, decodeExactly) = (nil, nil)
  }

  /// - Parameter block: What a block is.
  init<Block: NumberBlock>(_ block: Block.Type) {
    (name, blockLength, blockByteCount) = (Block.name, Block.length, Block.byteCount)
    // INVARIANT: as many blocks as there are numbers for; both buffers lie whole inside their memory.
    unsafe decode = { blocks, numbers in
      guard let source = blocks.baseAddress, let target = numbers.baseAddress else { return }
      unsafe Block.decode(source, target, count: blocks.count / Block.byteCount)
    }
    unsafe decodeExactly = nil
  }

  /// Double precision: a Float rounds it.
  static let double = unsafe TensorEncoding("F64", byteCount: 8, decodeDoubles, decodeDoublesExactly)

  private init(
    _ name: String, byteCount: Int,
    _ decode: @escaping @Sendable (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Float>) -> Void,
    _ decodeExactly: @escaping @Sendable (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Double>) -> Void
  ) {
    (self.name, blockLength, blockByteCount) = (name, 1, byteCount)
    unsafe (self.decode, self.decodeExactly) = (decode, decodeExactly)
  }

  /// Where whole blocks lie, in a tensor whose bytes begin at `start`.
  func byteRange(of elements: Range<Int>, at start: Int) -> Range<Int> {
    let isWhole = elements.lowerBound % blockLength == 0 && elements.upperBound % blockLength == 0
    precondition(isWhole, "\(name): no whole blocks")
    return start + elements.lowerBound / blockLength * blockByteCount
      ..< start + elements.upperBound / blockLength * blockByteCount
  }

  /// The bytes of a tensor; nil where they cannot be counted, or a row is no whole number of blocks.
  func byteCount(of shape: [Int]) -> Int? {
    guard (shape.last ?? 1) % blockLength == 0 else { return nil }
    var blocks = 1
    for (axis, length) in shape.enumerated() {
      let length = axis == shape.count - 1 ? length / blockLength : length
      let (product, overflow) = blocks.multipliedReportingOverflow(by: length)
      if overflow { return nil }
      blocks = product
    }
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }
}

/// INVARIANT of whoever calls: as many words of 8 bytes as numbers.
@Sendable private func decodeDoubles(_ blocks: UnsafeRawBufferPointer, _ numbers: UnsafeMutableBufferPointer<Float>) {
  guard let source = blocks.baseAddress, let target = numbers.baseAddress else { return }
  unsafe decodeWords(source, target, count: numbers.count) { (bits: UInt64) in Float(Double(bitPattern: bits)) }
}

/// INVARIANT of whoever calls: as above.
@Sendable private func decodeDoublesExactly(
  _ blocks: UnsafeRawBufferPointer, _ numbers: UnsafeMutableBufferPointer<Double>
) {
  guard let source = blocks.baseAddress, let target = numbers.baseAddress else { return }
  unsafe decodeWords(source, target, count: numbers.count) { (bits: UInt64) in Double(bitPattern: bits) }
}

/// Turns little-endian words into a number each.
///
/// INVARIANT of whoever calls: there are `count` words, and there is room for as many numbers.
@inline(__always)
private func decodeWords<Bits: FixedWidthInteger, Number>(
  _ words: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Number>, count: Int, _ number: (Bits) -> Number
) {
  let width = Bits.bitWidth / 8
  for index in 0..<count {
    let bits = unsafe words.loadUnaligned(fromByteOffset: width * index, as: Bits.self)
    unsafe numbers[index] = number(Bits(littleEndian: bits))
  }
}

/// Some numbers whose bytes belong together.
protocol NumberBlock: SendableMetatype {
  static var name: String { get }
  /// Numbers in a block.
  static var length: Int { get }
  static var byteCount: Int { get }

  /// Turns `count` blocks into numbers.
  ///
  /// INVARIANT of whoever calls: there are `count` blocks, and room for `count` · `length` numbers.
  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int)
}

/// A float's own bits.
enum SingleBlock: NumberBlock {
  static let name = "F32", length = 1, byteCount = 4

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    unsafe decodeWords(blocks, numbers, count: count) { (bits: UInt32) in Float(bitPattern: bits) }
  }
}

/// IEEE half precision.
enum HalfBlock: NumberBlock {
  static let name = "F16", length = 1, byteCount = 2

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    unsafe decodeWords(blocks, numbers, count: count) { (bits: UInt16) in float(halfBits: bits) }
  }
}

/// The upper half of a float's bits.
enum BFloat16Block: NumberBlock {
  static let name = "BF16", length = 1, byteCount = 2

  static func decode(_ blocks: UnsafeRawPointer, _ numbers: UnsafeMutablePointer<Float>, count: Int) {
    unsafe decodeWords(blocks, numbers, count: count) { (bits: UInt16) in float(bfloat16Bits: bits) }
  }
}

extension TensorEncoding {
  static let single = TensorEncoding(SingleBlock.self)
  static let half = TensorEncoding(HalfBlock.self)
  static let bfloat16 = TensorEncoding(BFloat16Block.self)
}
