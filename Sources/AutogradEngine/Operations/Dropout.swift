import AutogradBase
import CAutogradKernels

// Dropout: y = x · mask / (1 − rate). The mask is drawn from counters (seed, step, ordinal of the dropout, element)
// and drawn again in backward: nothing is kept.
//
// INVARIANT: as in TapeCore+Kernels.swift.

package extension TapeCore {
  func dropout(_ x: Slot, rate: Double) throws(Misuse) -> Slot {
    try checkDropout(rate, "dropout")
    let shape = nodes[x].shape, random = nextRandomCounters()
    let y = try result(shape, "dropout", of: x)
    unsafe runDropout(data(x), data(y), shape.count, rate: rate, random, accumulate: 0)
    unsafe record(
      .dropout, x, output: y,
      integers: [Int(bitPattern: UInt(random.key)), Int(bitPattern: UInt(random.step)), Int(random.ordinal), 0],
      scalars: [rate, 0])
    return y
  }

  func dropoutBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0]
    guard let target = unsafe try contribution(to: x, "dropout") else { return }
    let random = (
      key: UInt64(UInt(bitPattern: record.integers[0])), step: UInt64(UInt(bitPattern: record.integers[1])),
      ordinal: UInt32(record.integers[2])
    )
    unsafe runDropout(
      gradient(of: record.output), target.target, nodes[x].shape.count, rate: record.scalars[0], random,
      accumulate: target.accumulate)
  }

  func checkDropout(_ rate: Double, _ operation: StaticString) throws(Misuse) {
    guard rate >= 0, rate < 1 else {
      throw Misuse(operation, "a dropout rate of \(rate)", hint: "rates run from 0 up to, but not including, 1")
    }
  }

  /// The Philox counter words of a dropout, laid out as `AutogradBase.RandomStream` has them.
  func dropoutCounters(_ random: (key: UInt64, step: UInt64, ordinal: UInt32)) -> (UInt32, UInt32, UInt32) {
    let purpose = RandomPurpose.dropout.rawValue
    return (
      random.ordinal, UInt32(truncatingIfNeeded: random.step),
      purpose << 24 | UInt32(truncatingIfNeeded: random.step >> 32) & 0xFF_FFFF
    )
  }

  @unsafe private func runDropout(
    _ x: UnsafeMutableRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int, rate: Double,
    _ random: (key: UInt64, step: UInt64, ordinal: UInt32), accumulate: Int32
  ) {
    let counters = dropoutCounters(random)
    let arguments = unsafe ck_dropout(
      y: y, x: x, rate: rate, key: random.key, counter1: counters.0, counter2: counters.1, counter3: counters.2,
      accumulate: accumulate)
    unsafe runElements(arguments, count: count, cost: 4)
  }
}

extension Variable {
  /// Sets each element to zero with probability `rate` and scales the others by 1/(1 − rate).
  ///
  /// Does nothing at rate 0 and inside `tape.inference`: the result is this variable itself. Which elements fall depends on the tape's seed, the step and the
  /// position only, never on threads.
  ///
  /// - Precondition: 0 ≤ rate < 1.
  public func dropout(rate: Double) -> Variable {
    apply("dropout") { c, x throws(Misuse) in
      if rate > 0, c.isRecording { return try c.dropout(x, rate: rate) }
      try c.checkDropout(rate, "dropout")
      // It goes by two names from now on: giving up one must not give up the other.
      if c.isRecording { c.nodes[x].isPassedOn = true }
      return x
    }
  }
}
