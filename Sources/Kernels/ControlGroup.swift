import Base

/// Limits that Linux control groups set for this process: those of its own group and of all above it, in version 2 and
/// version 1.
enum ControlGroup {
  /// CPUs that the time quota is worth, such as 1.5; nil without a quota.
  static var processorShare: Double? {
    let unified = settings("", "cpu.max").compactMap { text in
      share(text.split(whereSeparator: \.isWhitespace).map(String.init))
    }
    let quotas = settings("cpu", "cpu.cfs_quota_us"), periods = settings("cpu", "cpu.cfs_period_us")
    return (unified + zip(quotas, periods).compactMap { share([trimmed($0), trimmed($1)]) }).min()
  }

  /// Whole CPUs that the time quota is worth, at least 1; nil without a quota.
  static var processorQuota: Int? { processorShare.map { max(1, Int(min($0, 65536))) } }

  /// Bytes that the group may use; nil without a limit. Version 1 writes "none" as a number near 2⁶³.
  static var memoryLimit: Int? {
    (settings("", "memory.max") + settings("memory", "memory.limit_in_bytes")).compactMap { Int(trimmed($0)) }
      .filter { $0 < 1 << 60 }.min()
  }

  /// Quota and period in microseconds; no quota is "max" or −1.
  private static func share(_ words: [String]) -> Double? {
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), quota > 0, period > 0 else {
      return nil
    }
    return quota / period
  }

  private static func trimmed(_ text: String) -> String { String(text.filter { !$0.isWhitespace }) }

  /// What a file says in this process's group and in each one above, as far as they can be seen.
  ///
  /// - Parameter controller: Of version 1; empty for version 2.
  private static func settings(_ controller: String, _ file: String) -> [String] {
    // A line is `number:controllers:path`.
    let lines = (read("/proc/self/cgroup") ?? "").split(separator: "\n").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    }
    let own = lines.first { line in
      guard line.count == 3 else { return false }
      return line[1].isEmpty ? controller.isEmpty : line[1].split(separator: ",").contains(controller[...])
    }
    let root = "/sys/fs/cgroup" + (controller.isEmpty ? "" : "/" + controller)
    let folders = own.map { $0[2].split(separator: "/") } ?? []
    return (0...folders.count).compactMap { depth in
      read(([Substring(root)] + folders.prefix(depth) + [Substring(file)]).joined(separator: "/"))
    }
  }

  private static func read(_ path: String) -> String? {
    (try? POSIXFileSystem().read(path, byteLimit: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
  }
}
