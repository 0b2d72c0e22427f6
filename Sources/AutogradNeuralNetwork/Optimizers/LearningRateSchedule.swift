#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Linear warm-up, then a way down to a minimum, which stays; or no way down: a constant rate stays at its peak and
/// never looks at the minimum. The cosine is nanoGPT's.
public struct LearningRateSchedule: Sendable, Equatable {
  /// The way from peak to minimum.
  public enum Decay: String, Sendable, CaseIterable {
    /// Half a cosine.
    case cosine
    /// A straight line.
    case linear
    /// None: the peak stays, whatever `minimum` and `decaySteps` are.
    case constant
  }

  /// The rate after warm-up.
  public var peak: Double
  /// The rate from `decaySteps` on, unless the rate is constant.
  public var minimum: Double
  public var warmupSteps: Int
  /// The step at which the minimum is reached, warm-up included.
  public var decaySteps: Int
  public var decay: Decay

  public init(peak: Double, minimum: Double, warmupSteps: Int, decaySteps: Int, decay: Decay = .cosine) {
    self.peak = peak
    self.minimum = minimum
    self.warmupSteps = warmupSteps
    self.decaySteps = decaySteps
    self.decay = decay
  }

  /// The rate of a step; the first step is 0.
  ///
  /// Formula: peak · (step + 1)/(warmup + 1) during warm-up; then with p = (step − warmup)/(decay − warmup)
  /// minimum + (peak − minimum) · s, where s = (1 + cos(π·p))/2 for the cosine, 1 − p for the line, 1 for a constant.
  public func rate(at step: Int) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / (Double(warmupSteps) + 1) }
    let progress = step >= decaySteps ? 1 : Double(step - warmupSteps) / Double(max(1, decaySteps - warmupSteps))
    let share =
      switch decay {
      case .cosine: 0.5 * (1 + cos(Double.pi * progress))
      case .linear: 1 - progress
      case .constant: 1.0
      }
    return minimum + (peak - minimum) * share
  }
}
