/// Passes over logits that look at many at once.
enum LogitScan {
  private typealias Block = SIMD16<Float>
  private static let width = Block.scalarCount

  /// The largest; −∞ where there are none.
  ///
  /// - Precondition: None is NaN.
  static func largest(_ logits: [Float]) -> Float {
    var largest = Block(repeating: -.infinity)
    let rest = forEachBlock(logits) { block, _ in
      largest.replace(with: block, where: block .> largest)
      return true
    }
    return logits[rest...].reduce(largest.max()) { max($0, $1) }
  }

  /// The first place of a logit that is NaN or +∞; nil where all can be drawn from.
  static func firstNotANumber(_ logits: [Float]) -> Int? {
    var place: Int?
    let rest = forEachBlock(logits) { block, index in
      // Neither NaN nor +∞ is less than +∞.
      if all(block .< Float.infinity) { return true }
      place = index
      return false
    }
    return logits[(place ?? rest)...].firstIndex { !($0 < .infinity) }
  }

  /// The first place, at `start` or behind it, of a logit that is at least so large.
  static func firstIndex(atLeast bound: Float, in logits: [Float], from start: Int = 0) -> Int? {
    var place: Int?
    let rest = forEachBlock(logits, from: start) { block, index in
      if !any(block .>= bound) { return true }
      place = index
      return false
    }
    return logits[(place ?? rest)...].firstIndex { $0 >= bound }
  }

  /// Calls `body` with blocks of logits and their places, until it returns false.
  ///
  /// - Returns: Where the blocks end: what is left is less than one.
  @inline(__always)
  private static func forEachBlock(_ logits: [Float], from start: Int = 0, _ body: (Block, Int) -> Bool) -> Int {
    let span = logits.span
    var index = start
    while index + width <= span.count {
      // INVARIANT: the block's numbers end where the array does or before, and every pattern of bits is a number.
      let block = unsafe span.bytes.unsafeLoadUnaligned(fromByteOffset: index * MemoryLayout<Float>.stride, as: Block.self)
      if !body(block, index) { break }
      index += width
    }
    return index
  }
}
