/// A matrix product to measure: C [m, n] = A [m, k] · B [k, n].
public struct ProductShape: Sendable, Equatable {
  public let m, n, k: Int

  public init(m: Int, n: Int, k: Int) { (self.m, self.n, self.k) = (m, n, k) }

  /// Multiplications and additions.
  public var flops: Double { 2 * Double(m) * Double(n) * Double(k) }
}

/// Which operand lies transposed in memory.
public enum ProductForm: String, Sendable, CaseIterable {
  case neither = "A·B"
  case right = "A·Bᵀ"
  case left = "Aᵀ·B"

  /// As BLAS names it.
  public var key: String {
    switch self {
    case .neither: "nn"
    case .right: "nt"
    case .left: "tn"
    }
  }
}

/// Times of one product and, in between, the peak of the same threads.
///
/// Other work on the machine slows both alike, so the ratio of neighbours says more than either.
public struct ProductTiming: Sendable {
  /// Seconds per product, in order.
  public let seconds: [Double]
  /// Flops per second of the peak loop, each measured just before the product of the same index.
  public let peaks: [Double]
  public let flops: Double

  package init(seconds: [Double], peaks: [Double], flops: Double) {
    (self.seconds, self.peaks, self.flops) = (seconds, peaks, flops)
  }

  /// Flops per second, median.
  public var rate: Double { flops / seconds.median }
  /// The median of the ratios of product to peak.
  public var share: Double { zip(seconds, peaks).map { flops / $0 / $1 }.median }
  /// The fastest product over the highest peak.
  public var bestShare: Double { flops / (seconds.min() ?? .nan) / (peaks.max() ?? .nan) }
}

extension Backend {
  /// Times a product on this backend's threads, alternately with the peak loop, after a warm-up.
  ///
  /// - Returns: nil where the system has no memory for the matrices.
  /// - Complexity: `repeats` times twice the larger of one product and 5 ms; no more than 50 ms for a peak.
  public func timeProduct(
    _ shape: ProductShape, _ form: ProductForm, precision: MatmulPrecision = .float32, repeats: Int
  ) -> ProductTiming? {
    let (m, n, k) = (shape.m, shape.n, shape.k)
    guard let a = MeasuringBuffer(count: m * k), let b = MeasuringBuffer(count: k * n),
      let c = MeasuringBuffer(count: m * n)
    else { return nil }
    // INVARIANT: the buffers hold what the views span, and live until the last product is done.
    let left = unsafe MatrixView(a.start, rowStride: form == .left ? 1 : k, columnStride: form == .left ? m : 1)
    let right = unsafe MatrixView(b.start, rowStride: form == .right ? 1 : n, columnStride: form == .right ? k : 1)
    func seconds(_ count: Int) -> Double {
      let watch = Stopwatch(threads: pool.threadCount)
      for _ in 0..<count {
        unsafe multiply(
          m: m, n: n, k: k, left, right, into: UnsafeMutableRawPointer(c.start), cStride: n, .float32,
          precision: precision)
      }
      return watch.seconds / Double(count)
    }
    // The first maps scratch and touches the matrices.
    _ = seconds(1)
    let once = max(1e-7, seconds(1)), count = max(1, min(10000, Int(0.005 / once)))
    // As long as the products, so that other work on the machine hits both alike.
    let peakTime = min(0.05, once * Double(count))
    var times: [Double] = [], peaks: [Double] = []
    for _ in 0..<repeats {
      peaks.append(productPeak(precision, seconds: peakTime) ?? .nan)
      times.append(seconds(count))
    }
    return ProductTiming(seconds: times, peaks: peaks, flops: shape.flops)
  }
}
