import Base

/// Limits that Linux control groups (version 2) set for this process: those of its own group and of all above it.
enum ControlGroup {
  /// CPUs that the time quota is worth, such as 1.5; nil without a quota.
  static var processorShare: Double? {
    settings("cpu.max").compactMap { text -> Double? in
      let words = text.split(whereSeparator: \.isWhitespace)
      guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), period > 0 else { return nil }
      return quota / period
    }.min()
  }

  /// Whole CPUs that the time quota is worth, at least 1; nil without a quota.
  static var processorQuota: Int? { processorShare.map { max(1, Int(min($0, 65536))) } }

  /// Bytes that the group may use; nil without a limit.
  static var memoryLimit: Int? {
    settings("memory.max").compactMap { Int($0.filter { !$0.isWhitespace }) }.min()
  }

  /// What a file says in this process's group and in each one above, as far as they can be seen.
  private static func settings(_ file: String) -> [String] {
    func read(_ path: String) -> String? {
      (try? POSIXFileSystem().read(path, byteLimit: 4096)).map { String(decoding: $0, as: UTF8.self) }
    }
    let own = (read("/proc/self/cgroup") ?? "").split(separator: "\n").first { $0.hasPrefix("0::/") }
    let folders = (own?.dropFirst(4) ?? "").split(separator: "/")
    return (0...folders.count).compactMap { depth in
      read((["/sys/fs/cgroup"] + folders.prefix(depth) + [Substring(file)]).joined(separator: "/"))
    }
  }
}
