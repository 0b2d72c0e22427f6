#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Measures how long work takes.
public struct Stopwatch: Sendable {
  public enum Clock: Sendable {
    /// Time that passes.
    case wall
    /// Time that the calling thread computes.
    case thread
    /// Time that all threads of this process compute, spinning included.
    case process

    fileprivate var id: clockid_t {
      switch self {
      case .wall: CLOCK_MONOTONIC
      case .thread: CLOCK_THREAD_CPUTIME_ID
      case .process: CLOCK_PROCESS_CPUTIME_ID
      }
    }
  }

  private let clock: Clock
  private let start: Double

  public init(_ clock: Clock) {
    self.clock = clock
    start = Stopwatch.now(clock)
  }

  /// For one thread its own time, so that what other processes take does not count; for several, time that passes,
  /// since they wait for each other.
  public init(threads: Int) { self.init(threads == 1 ? .thread : .wall) }

  /// Since it was made.
  public var seconds: Double { Stopwatch.now(clock) - start }

  private static func now(_ clock: Clock) -> Double {
    // INVARIANT: the structure is initialised and written by nobody else during the call.
    var time = timespec()
    unsafe clock_gettime(clock.id, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

extension Array where Element == Double {
  /// The middle value, the upper one of two; NaN of none.
  public var median: Double { isEmpty ? .nan : sorted()[count / 2] }
}
