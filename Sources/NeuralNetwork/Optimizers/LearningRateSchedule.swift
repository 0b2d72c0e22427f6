#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Linear warm-up, then half a cosine down to a minimum, which stays. As in nanoGPT.
public struct LearningRateSchedule: Sendable, Equatable {
  /// The rate after warm-up.
  public var peak: Double
  /// The rate from `decaySteps` on.
  public var minimum: Double
  public var warmupSteps: Int
  /// The step at which the minimum is reached, warm-up included.
  public var decaySteps: Int

  public init(peak: Double, minimum: Double, warmupSteps: Int, decaySteps: Int) {
    self.peak = peak
    self.minimum = minimum
    self.warmupSteps = warmupSteps
    self.decaySteps = decaySteps
  }

  /// The rate of a step; the first step is 0.
  ///
  /// Formula: peak · (step + 1)/(warmup + 1) during warm-up; then
  /// minimum + (peak − minimum) · (1 + cos(π · (step − warmup)/(decay − warmup)))/2.
  public func rate(at step: Int) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps + 1) }
    if step >= decaySteps { return minimum }
    let progress = Double(step - warmupSteps) / Double(max(1, decaySteps - warmupSteps))
    return minimum + (peak - minimum) * 0.5 * (1 + cos(Double.pi * progress))
  }
}
