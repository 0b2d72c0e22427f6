import CAutogradKernels

extension Backend {
  /// Multiplications and additions per second that nothing can exceed here: a loop over registers in the instruction
  /// set in use, on all threads of the pool; nil where the set, or this CPU, lacks the instruction.
  ///
  /// - Parameter seconds: How long to measure, about.
  public func peak(_ precision: MatmulPrecision, seconds: Double = 0.003) -> Double? {
    let peak = ck_peak_for(instructionSet.code, precision == .float32 ? CK_PEAK_FLOAT32 : CK_PEAK_BFLOAT16)
    guard let function = unsafe peak.function else { return nil }
    var units = 4 * pool.threadCount
    while true {
      let time = unsafe time(function, units: units)
      if time >= seconds || units > 1 << 30 { return Double(units) * peak.flops_per_unit / time }
      // At least twice as long, at most a quarter longer than needed.
      let factor = time > 0 ? min(8, 1.25 * seconds / time) : 8
      units = max(2 * units, Int(Double(units) * factor))
    }
  }

  /// The peak that products of a precision work against: float32's where they can only round to bfloat16.
  public func productPeak(_ precision: MatmulPrecision, seconds: Double = 0.003) -> Double? {
    peak(precision == .bfloat16 && multipliesPairs ? .bfloat16 : .float32, seconds: seconds)
  }

  /// Seconds that a parallel region costs while the workers are awake: an empty one, and what a region of one tile
  /// for each thread, some ten microseconds long, takes beyond one such tile alone.
  public func regionCost(repeats: Int = 2000) -> (empty: Double, beyondWork: Double) {
    guard let work = unsafe ck_peak_for(instructionSet.code, CK_PEAK_FLOAT32).function else { return (.nan, .nan) }
    let threads = pool.threadCount
    var empty: [Double] = [], single: [Double] = [], shared: [Double] = []
    for _ in 0..<repeats {
      unsafe empty.append(time(ck_empty_region, units: threads))
      unsafe single.append(time(work, units: 1))
      unsafe shared.append(time(work, units: threads))
    }
    return (empty.median, shared.median - single.median)
  }

  /// Seconds that a region takes, a tile for each unit.
  ///
  /// INVARIANT: `function` is one of the constant loops of CAutogradKernels/measuring.c, which read neither arguments nor
  /// scratch: the address that stands for arguments is never followed.
  @unsafe private func time(_ function: ck_function, units: Int) -> Double {
    let nothing = unsafe Scratch(base: nil, stride: 0), watch = Stopwatch(threads: pool.threadCount)
    unsafe pool.run(function, UnsafeRawPointer(bitPattern: 64)!, count: units, grain: 1, scratch: nothing)
    return watch.seconds
  }
}
