import Base

/// Limits that a Linux control group (version 2) sets for this process.
enum ControlGroup {
  /// Whole CPUs that the time quota is worth, at least 1; nil without a quota.
  static var processorQuota: Int? {
    guard let bytes = try? POSIXFileSystem().read("/sys/fs/cgroup/cpu.max", byteLimit: 4096) else { return nil }
    let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), period > 0 else { return nil }
    return max(1, quota / period)
  }
}
