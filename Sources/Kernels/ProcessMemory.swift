import Base

/// What this process holds, as the system counts it.
public enum ProcessMemory {
  /// The most memory that was ever resident, in bytes; nil where the system does not say.
  ///
  /// Of this program alone: `ru_maxrss` would still know what the process held before it became this program.
  public static var peakResidentBytes: Int? { status("VmHWM:") }

  /// Bytes resident now.
  public static var residentBytes: Int? { status("VmRSS:") }

  /// A line of /proc/self/status, which counts in kB of 1024 bytes.
  private static func status(_ name: String) -> Int? {
    guard let bytes = try? POSIXFileSystem().read("/proc/self/status", byteLimit: 1 << 20) else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix(name) {
      return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }
    return nil
  }
}
