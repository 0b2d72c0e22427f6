import AutogradBase

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Tells how much of the machine others used while something was measured.
public struct OtherLoad: Sendable {
  private let start: (total: Double, busy: Double, stolen: Double)?
  private let own: Stopwatch

  /// Starts counting.
  public init() {
    start = OtherLoad.ticks()
    own = Stopwatch(.process)
  }

  /// Shares of the time of all CPUs since the start: taken by other processes, and by the host of a virtual machine;
  /// nil where the system does not say or counted less than 0.2 s, in which its ticks are too coarse.
  public var shares: (processes: Double, host: Double)? {
    let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
    guard let start, let end = OtherLoad.ticks(), end.total - start.total >= 0.2 * ticksPerSecond else { return nil }
    let total = end.total - start.total, busy = end.busy - start.busy - own.seconds * ticksPerSecond
    return (max(0, busy / total), max(0, (end.stolen - start.stolen) / total))
  }

  /// The first line of /proc/stat: ticks of all CPUs together in user, nice, system, idle, iowait, irq, softirq, steal.
  private static func ticks() -> (total: Double, busy: Double, stolen: Double)? {
    guard let bytes = try? POSIXFileSystem().read("/proc/stat", byteLimit: 16 << 20) else { return nil }
    let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    let numbers = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
    guard line.hasPrefix("cpu "), numbers.count == 8 else { return nil }
    let total = numbers.reduce(0, +)
    return (total, total - numbers[3] - numbers[4] - numbers[7], numbers[7])
  }
}
