#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// What random numbers are drawn for; streams of different purposes never share a block.
///
/// The raw values are part of every random number and stand in checkpoints: never renumber them.
public enum RandomPurpose: UInt32, Sendable, CaseIterable {
  case initialization = 1
  case dataOrder
  case dropout
  case evaluation
  case sampling
}

/// Draws a reproducible sequence of random numbers, fixed by (seed, purpose, step, ordinal).
///
/// Two streams with the same four values give the same numbers: ask for a new step or ordinal instead of
/// keeping a stream. Nothing else enters: not the clock, the thread or the number of draws made elsewhere.
///
/// Block i is `Philox.block` with the seed as key and the counter words i, ordinal, the low half of the step,
/// (purpose << 24 | bits 32..<56 of the step). The four words of a block are used in order; a `UInt64` takes
/// two, the low one first.
///
/// - Precondition: `step` is below 2⁵⁶ and at most 2³³ values are drawn; otherwise stops and says so.
/// - Complexity: One Philox block for two draws; allocates nothing.
public struct RandomStream: RandomNumberGenerator, Sendable {
  private let key: UInt64
  private let ordinal: UInt32
  private let stepLow: UInt32
  private let purposeAndStepHigh: UInt32
  private var nextBlock: UInt64 = 0
  /// The second half of the last block, while `hasSpareWord`.
  private var spareWord: UInt64 = 0
  private var hasSpareWord = false
  /// The second value of the last Box–Muller pair, while `hasSpareNormal`.
  private var spareNormal = 0.0
  private var hasSpareNormal = false

  /// Places a stream at its first number.
  ///
  /// - Parameter ordinal: Tells apart streams of one step: a micro-batch, a layer, a parameter tensor.
  public init(seed: UInt64, purpose: RandomPurpose, step: UInt64 = 0, ordinal: UInt32 = 0) {
    guard step < 1 << 56 else {
      fatalError("random stream: step \(step) does not fit 56 bits; count steps from 0")
    }
    key = seed
    self.ordinal = ordinal
    stepLow = UInt32(truncatingIfNeeded: step)
    purposeAndStepHigh = purpose.rawValue << 24 | UInt32(truncatingIfNeeded: step >> 32)
  }

  /// Draws 64 uniform bits.
  public mutating func next() -> UInt64 {
    if hasSpareWord {
      hasSpareWord = false
      return spareWord
    }
    guard let block = UInt32(exactly: nextBlock) else {
      fatalError("random stream: all 2^33 values are drawn; start another stream with a new step or ordinal")
    }
    nextBlock += 1
    let words = Philox.block(key: key, counter: (block, ordinal, stepLow, purposeAndStepHigh))
    spareWord = UInt64(words.3) << 32 | UInt64(words.2)
    hasSpareWord = true
    return UInt64(words.1) << 32 | UInt64(words.0)
  }

  /// Draws a number from [0, 1): a multiple of 2⁻⁵³, never 1.
  public mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// Draws from the normal distribution with mean 0 and deviation 1.
  ///
  /// Makes values in pairs (Box–Muller) and keeps the second for the next call, so every second call draws
  /// nothing. Logarithm and cosine are those of the system: another C library may differ in the last bit.
  public mutating func normal() -> Double {
    if hasSpareNormal {
      hasSpareNormal = false
      return spareNormal
    }
    let radius = (-2 * log(1 - uniform())).squareRoot()  // 1 − u is never 0
    let angle = 2 * Double.pi * uniform()
    spareNormal = radius * sin(angle)
    hasSpareNormal = true
    return radius * cos(angle)
  }

  /// Draws one of 0, 1, …, `bound` − 1, each with exactly the same probability.
  ///
  /// May draw more than once (with a probability below bound / 2⁶⁴ per draw).
  ///
  /// - Precondition: `bound` is at least 1; otherwise stops and prints it.
  /// - Source: Lemire, "Fast random integer generation in an interval", 2019.
  public mutating func integer(below bound: Int) -> Int {
    guard bound > 0 else {
      fatalError("random stream: no integer lies in 0..<\(bound); the bound must be at least 1")
    }
    let width = UInt64(bound)
    var product = next().multipliedFullWidth(by: width)
    if product.low < width {
      let rejected = (0 &- width) % width
      while product.low < rejected {
        product = next().multipliedFullWidth(by: width)
      }
    }
    return Int(product.high)
  }
}
