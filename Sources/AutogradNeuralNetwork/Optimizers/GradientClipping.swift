/// Keeps updates small when gradients are large.
public enum GradientClipping {
  /// The factor that brings a gradient norm down to `limit`; 1 where it is below, or where the limit is 0. A norm that is
  /// NaN gives NaN: such gradients are not small.
  ///
  /// Formula: min(1, limit/(norm + 10⁻⁶)), as PyTorch has it.
  ///
  /// - Precondition: `limit` is at least 0; otherwise, also for NaN, stops and prints it.
  public static func factor(norm: Double, limit: Double) -> Double {
    guard limit >= 0 else { fatalError("gradient clipping: the norm's limit must be at least 0, got \(limit)") }
    if limit == 0 { return 1 }
    let factor = limit / (norm + 1e-6)
    return factor >= 1 ? 1 : factor
  }
}
