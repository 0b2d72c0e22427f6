package import CAutogradKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// What optimisers share with the C library: how parameters are cut into pieces, and the arguments of Adam.

extension ck_piece {
  /// Calls `body` with the pieces of a whole parameter, in order: at most 16,384 elements each. The length is
  /// constant, so that the order of the norm's sum is.
  ///
  /// INVARIANT: each array of the whole piece that is there has `count` elements of `elementSize` bytes; so do the
  /// shorter ones handed to `body`, one behind the other and inside the whole.
  @unsafe package func cut(elementSize: Int, _ body: (ck_piece) -> Void) {
    let longest = 16384
    for first in unsafe stride(from: 0, to: count, by: longest) {
      let offset = first * elementSize
      unsafe body(
        ck_piece(
          value: value + offset, gradient: gradient + offset, moment1: moment1.map { unsafe $0 + offset },
          moment2: moment2.map { unsafe $0 + offset }, count: min(longest, count - first),
          weight_decay: weight_decay, rate_factor: rate_factor))
    }
  }
}

extension ck_adam {
  /// The update of step number `step`, counted from 1.
  ///
  /// INVARIANT: `pieces` are as many as the kernel is run over, and stay until it is done.
  @unsafe package init(
    pieces: UnsafePointer<ck_piece>?, step: Int, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
    gradientScale: Double = 1, coupledDecay: Bool = false
  ) {
    unsafe self.init(
      pieces: pieces, learning_rate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      correction1: 1 - pow(beta1, Double(step)), correction2: 1 - pow(beta2, Double(step)),
      gradient_scale: gradientScale, coupled_decay: coupledDecay ? 1 : 0)
  }
}
