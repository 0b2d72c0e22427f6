/// What a run does with a step whose loss or gradient is not finite. In each case the weights stay as they were.
public enum NonFinitePolicy: String, Sendable, CaseIterable {
  /// Ends the run.
  case stop
  /// Goes on with the next step: this one counts and changes nothing. More than three in a row end the run.
  case skip
  /// Goes back to the last checkpoint and on from there with the batches *after* those of the bad step, so that none of
  /// the batches in between comes again. More than three times without a new checkpoint end the run.
  case rollback

  /// How often in a row skipping or going back is tried.
  static let patience = 3
}

/// A step whose loss or gradient is not finite.
public struct NonFiniteStep: Sendable, CustomStringConvertible {
  /// The step, counted from 1.
  public let step: Int
  public let loss: Double
  public let gradientNorm: Double
  /// The first operation that made such a number, where it stands in the network, and the index: from running the step
  /// again, which gives the same numbers. Nil where every number of the step is finite and only the norm is not.
  public var cause: String?

  public var description: String {
    "step \(step) has loss \(loss) and gradient norm \(gradientNorm)" + (cause.map { ": \($0)" } ?? "")
  }
}
