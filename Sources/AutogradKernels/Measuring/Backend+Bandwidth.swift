import CAutogradKernels

/// A way through memory whose speed can be measured.
public enum MemoryStream: String, Sendable, CaseIterable {
  /// Adds up an array.
  case read
  /// c = a
  case copy
  /// c = a + 3·b
  case triad

  var code: ck_stream_kind {
    switch self {
    case .read: CK_STREAM_READ
    case .copy: CK_STREAM_COPY
    case .triad: CK_STREAM_TRIAD
    }
  }

  /// Arrays that it reads or writes. What a store reads first to fill a cache line is not counted.
  var arrays: Int {
    switch self {
    case .read: 1
    case .copy: 2
    case .triad: 3
    }
  }
}

extension Backend {
  /// Bytes per second that a stream moves between memory and all threads of the pool, for each repeat; nil where the
  /// system has no memory for three arrays.
  ///
  /// - Parameter bytes: The size of each array: several times the last cache.
  public func bandwidth(_ stream: MemoryStream, bytes: Int = 128 << 20, repeats: Int = 7) -> [Double]? {
    let blocks = max(1, bytes / 4 / Int(CK_STREAM_BLOCK)), count = blocks * Int(CK_STREAM_BLOCK)
    guard let function = unsafe ck_stream_for(instructionSet.code, stream.code), let a = MeasuringBuffer(count: count),
      let b = MeasuringBuffer(count: count), let c = MeasuringBuffer(count: count)
    else { return nil }
    // INVARIANT: each array holds `blocks` blocks and lives until the last region is done.
    let arguments = unsafe ck_stream(a: a.start, b: b.start, c: c.start)
    let grain = max(1, blocks / (8 * pool.threadCount))
    return (0...repeats).map { _ in
      let watch = Stopwatch(threads: pool.threadCount)
      unsafe withUnsafePointer(to: arguments) { pointer in
        unsafe pool.run(
          function, UnsafeRawPointer(pointer), count: blocks, grain: grain, scratch: Scratch(base: nil, stride: 0))
      }
      return Double(4 * count * stream.arrays) / watch.seconds
    }.dropFirst().map { $0 }
  }
}
