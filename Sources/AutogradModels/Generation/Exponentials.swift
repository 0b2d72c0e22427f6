/// The weights of logits, e to the power of how far each lies below the best: many at once, in Double, and the same on every
/// machine.
///
/// An exponent is split into n·ln 2 and a rest of at most ln 2 / 2, whose series has 14 terms: within two units in the last
/// place. Below −700 the weight is 0.
enum Exponentials {
  typealias Block = SIMD8<Double>
  private static let width = Block.scalarCount

  /// Calls `body` for each score in order, with its exponent, (score − best) / temperature, and its weight.
  ///
  /// - Precondition: No score is NaN or above the best, which is finite; the temperature is above 0 and finite.
  @inline(__always)
  static func forEach(
    _ scores: [Float], below best: Float, temperature: Double,
    _ body: (_ index: Int, _ exponent: Double, _ weight: Double) -> Void
  ) {
    let span = scores.span
    var index = 0
    while index < span.count {
      let count = min(width, span.count - index)
      var block = SIMD8<Float>(repeating: -.infinity)
      if count == width {
        // INVARIANT: the block's numbers end where the array does or before, and every pattern of bits is a number.
        block = unsafe span.bytes.unsafeLoadUnaligned(
          fromByteOffset: index * MemoryLayout<Float>.stride, as: SIMD8<Float>.self)
      } else {
        for lane in 0..<count { block[lane] = span[index + lane] }
      }
      let exponents = Block(block - best) / temperature, weights = weights(exponents)
      for lane in 0..<count { body(index + lane, exponents[lane], weights[lane]) }
      index += count
    }
  }

  /// The sum of all weights at temperature 1, which is at least 1.
  ///
  /// - Precondition: As for `forEach`.
  static func sum(_ scores: [Float], below best: Float) -> Double {
    var sum = 0.0
    forEach(scores, below: best, temperature: 1) { _, _, weight in sum += weight }
    return sum
  }

  /// The weight of one exponent: the same that it has among others.
  static func weight(_ exponent: Double) -> Double { weights(Block(repeating: exponent))[0] }

  /// - Precondition: No exponent is positive or NaN.
  @inline(__always)
  static func weights(_ exponents: Block) -> Block {
    let x = exponents.replacing(with: -700, where: exponents .< -700)
    // Added to 1.5 · 2⁵², a number is rounded to an integer, which then stands in the lowest bits.
    let rounder = 0x1.8p52
    let shifted = x * 1.4426950408889634 + rounder, n = shifted - rounder
    let rest = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33
    var sum = Block(repeating: 1 / 6_227_020_800)
    sum = sum * rest + 1 / 479_001_600
    sum = sum * rest + 1 / 39_916_800
    sum = sum * rest + 1 / 3_628_800
    sum = sum * rest + 1 / 362_880
    sum = sum * rest + 1 / 40320
    sum = sum * rest + 1 / 5040
    sum = sum * rest + 1 / 720
    sum = sum * rest + 1 / 120
    sum = sum * rest + 1 / 24
    sum = sum * rest + 1 / 6
    sum = sum * rest + 0.5
    sum = sum * rest + 1
    sum = sum * rest + 1
    // INVARIANT: both types are eight times 64 bits, and every pattern of bits is a value of both.
    let powers = unsafe unsafeBitCast(shifted, to: SIMD8<Int64>.self) &<< 52
    let bits = unsafe unsafeBitCast(sum, to: SIMD8<Int64>.self) &+ powers
    return unsafe unsafeBitCast(bits, to: Block.self).replacing(with: 0, where: exponents .< -700)
  }
}
