/// What a gradient check compared, and the comparison that fared worst.
public struct GradientReport: Sendable, CustomStringConvertible {
  /// One number of the gradient, computed twice.
  public struct Comparison: Sendable, Equatable {
    /// What was varied: an element of a parameter, or all of them along a random direction.
    public enum Subject: Sendable, Equatable {
      case element(parameter: Int, index: Int)
      case direction(Int)
    }

    public let subject: Subject
    /// From `backward`.
    public let analytic: Double
    /// From differences of values.
    public let numeric: Double
    /// |analytic − numeric| over the larger of the two, or over the check's floor where both are smaller.
    public let relativeError: Double

    /// Further off than `other`; NaN is furthest.
    func isWorse(than other: Comparison) -> Bool {
      relativeError.isNaN || (!other.relativeError.isNaN && relativeError > other.relativeError)
    }
  }

  /// How many numbers were compared.
  public internal(set) var comparisonCount = 0
  /// How many of them stood at a kink, where every slope between those of both sides is right.
  public internal(set) var kinkCount = 0
  /// The comparison with the largest relative error; nil where nothing was compared.
  public internal(set) var worst: Comparison?
  /// The largest relative error that passes.
  public let tolerance: Double

  /// Whether something was compared and all of it agrees. NaN agrees with nothing.
  public var passes: Bool {
    guard let worst else { return false }
    return worst.relativeError <= tolerance
  }

  public var description: String {
    guard let worst else { return "gradient check: nothing was compared" }
    let place =
      switch worst.subject {
      case .element(let parameter, let index): "parameter \(parameter), element \(index)"
      case .direction(let number): "along random direction \(number)"
      }
    let kinks = kinkCount == 0 ? "" : " (\(kinkCount) at kinks)"
    return "gradient check \(passes ? "passes" : "fails"): \(comparisonCount) comparisons\(kinks), worst at \(place): "
      + "analytic \(worst.analytic), numeric \(worst.numeric), relative error \(worst.relativeError), "
      + "tolerance \(tolerance)"
  }

  mutating func add(_ outcome: AdaptiveDifference.Outcome, _ subject: Comparison.Subject, _ analytic: Double) {
    if outcome.isKink { kinkCount += 1 }
    add(
      Comparison(
        subject: subject, analytic: analytic, numeric: outcome.numeric, relativeError: outcome.relativeError))
  }

  mutating func add(_ comparison: Comparison) {
    comparisonCount += 1
    guard let worst, !comparison.isWorse(than: worst) else { return worst = comparison }
  }
}
