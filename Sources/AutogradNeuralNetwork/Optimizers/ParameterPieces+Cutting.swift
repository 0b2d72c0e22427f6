package import CAutogradKernels

extension ck_piece {
  /// - Parameters:
  ///   - states: Where what the rule keeps lies; nil behind the last.
  ///   - count: The elements of each array.
  @unsafe package init(
    value: UnsafeMutableRawPointer, gradient: UnsafeMutableRawPointer, states: InlineArray<4, UnsafeMutableRawPointer?>,
    count: Int, weightDecay: Double = 0, learningRateFactor: Double = 1
  ) {
    unsafe self.init(
      value: value, gradient: gradient, states: (states[0], states[1], states[2], states[3]), count: count,
      weight_decay: weightDecay, rate_factor: learningRateFactor)
  }

  /// Calls `body` with the pieces of a whole parameter, in order: at most 16,384 elements each. The length is
  /// constant, so that the order of the norm's sum is.
  ///
  /// INVARIANT: each array of the whole piece that is there has `count` elements of `elementSize` bytes; so do the
  /// shorter ones handed to `body`, one behind the other and inside the whole.
  @unsafe package func cut(elementSize: Int, _ body: (ck_piece) -> Void) {
    let longest = 16384
    for first in unsafe stride(from: 0, to: count, by: longest) {
      var piece = unsafe self
      let offset = first * elementSize
      unsafe piece.value += offset
      unsafe piece.gradient += offset
      let (a, b, c, d) = unsafe states
      unsafe piece.states = unsafe (
        a.map { unsafe $0 + offset }, b.map { unsafe $0 + offset }, c.map { unsafe $0 + offset },
        d.map { unsafe $0 + offset }
      )
      unsafe piece.count = unsafe min(longest, count - first)
      unsafe body(piece)
    }
  }
}
