/// Keeps updates small when gradients are large.
public enum GradientClipping {
  /// The factor that brings a gradient norm down to `limit`; 1 where it is below, or where the limit is 0.
  ///
  /// Formula: min(1, limit/(norm + 10⁻⁶)), as PyTorch has it.
  public static func factor(norm: Double, limit: Double) -> Double {
    limit > 0 ? min(1, limit / (norm + 1e-6)) : 1
  }
}
