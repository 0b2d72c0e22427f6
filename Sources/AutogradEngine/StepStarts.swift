/// Which serials the last 64 steps began with, so that a stale handle can be told its step.
struct StepStarts {
  private var steps = InlineArray<64, UInt64>(repeating: 0)
  private var serials = InlineArray<64, UInt64>(repeating: .max)

  mutating func append(step: UInt64, serial: UInt64) {
    steps[Int(step % 64)] = step
    serials[Int(step % 64)] = serial
  }

  /// The step in which a serial was given out; nil where that is too long ago.
  func step(of serial: UInt64) -> UInt64? {
    var found: UInt64?
    for index in 0..<64 where serials[index] < serial && steps[index] > found ?? 0 { found = steps[index] }
    return found
  }
}
