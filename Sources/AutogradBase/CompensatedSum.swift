/// Adds numbers up and keeps what each addition loses: the total is right to the rounding of its last digit, however many
/// numbers there are.
///
/// - Complexity: four additions for one.
/// - Source: Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974.
public struct CompensatedSum: Sendable {
  private var sum = 0.0, lost = 0.0

  public init() {}

  public mutating func add(_ number: Double) {
    let next = sum + number
    lost += abs(sum) >= abs(number) ? (sum - next) + number : (number - next) + sum
    sum = next
  }

  /// The numbers so far. Infinite and NaN ones make it what they make of a plain sum.
  public var total: Double {
    let whole = sum + lost
    return whole.isNaN ? sum : whole
  }
}
