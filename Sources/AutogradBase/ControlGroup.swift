/// Limits that Linux control groups set for this process, version 1 and 2.
package struct ControlGroup {
  /// Reads a small file of the system; nil where there is none.
  private let read: (String) -> String?

  package init(read: @escaping (String) -> String? = SystemFile.read) { self.read = read }

  // MARK: Processors

  /// CPUs that the time quota is worth, such as 1.5, of this process' group and of all above it; nil without a quota.
  package var processorShare: Double? {
    folders(of: "cpu").compactMap { folder, isVersion2 in
      isVersion2
        ? share(read(folder + "/cpu.max")?.split(whereSeparator: \.isWhitespace) ?? [])
        : share(["quota", "period"].flatMap { lines(folder + "/cpu.cfs_\($0)_us") })
    }.min()
  }

  /// Quota and period in microseconds; no quota is "max" or −1.
  private func share(_ words: [Substring]) -> Double? {
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), quota > 0, period > 0 else {
      return nil
    }
    return quota / period
  }

  /// Whole CPUs that the quota is worth, at least 1; nil without one.
  package var processorQuota: Int? { processorShare.map { max(1, Int(min($0, 65536))) } }

  // MARK: Memory

  /// A limit on memory, and how much of it is in use.
  package struct Memory: Equatable {
    /// The file that sets it.
    package let file: String
    package let limit: Int
    /// Without what the system gives back when asked: file pages that nobody used lately.
    package let used: Int
  }

  /// The limits on memory of this process' groups and of all above them.
  package var memory: [Memory] {
    folders(of: "memory").compactMap { memory($0, isVersion2: $1) }
  }

  private func memory(_ folder: String, isVersion2: Bool) -> Memory? {
    let file = folder + (isVersion2 ? "/memory.max" : "/memory.limit_in_bytes")
    // "max" and version 1's 2^63 less a page are no limit.
    guard let limit = number(file), limit < 1 << 62,
      let used = number(folder + (isVersion2 ? "/memory.current" : "/memory.usage_in_bytes"))
    else { return nil }
    let cached = value(of: isVersion2 ? "inactive_file" : "total_inactive_file", in: folder + "/memory.stat") ?? 0
    return Memory(file: file, limit: limit, used: max(0, used - cached))
  }

  private func number(_ file: String) -> Int? { read(file).flatMap { Int($0.prefix { !$0.isWhitespace }) } }

  private func value(of key: String, in file: String) -> Int? {
    for line in lines(file) {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == key { return Int(words[1]) }
    }
    return nil
  }

  private func lines(_ file: String) -> [Substring] { read(file)?.split(separator: "\n") ?? [] }

  // MARK: Where the groups are

  /// The folders of this process' group and of all above it, for every mount that has the controller.
  private func folders(of controller: Substring) -> [(folder: String, isVersion2: Bool)] {
    mounts(with: controller).flatMap { mount in
      let group = mount.isVersion2 ? path(version2: ()) : path(controller: controller)
      return mount.folders(of: group).map { ($0, mount.isVersion2) }
    }
  }

  /// This process' group, as `/proc/self/cgroup` names it: lines "number:controllers:path".
  private func path(controller: Substring) -> Substring? {
    for line in lines("/proc/self/cgroup") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      if parts.count == 3, parts[1].split(separator: ",").contains(controller) { return parts[2] }
    }
    return nil
  }

  private func path(version2: Void) -> Substring? {
    lines("/proc/self/cgroup").first { $0.hasPrefix("0::") }?.dropFirst(3)
  }

  private struct Mount {
    let isVersion2: Bool
    /// The group that stands at `point`: in a container not the root of all groups.
    let root, point: Substring

    /// The folder of a group and those above it, as far as they can be seen from here.
    func folders(of path: Substring?) -> [String] {
      guard let path else { return [] }
      let inside = path.hasPrefix(root == "/" ? "" : root) ? path.dropFirst(root == "/" ? 0 : root.count) : ""
      var names = inside.split(separator: "/"), folders: [String] = []
      while true {
        folders.append(([String(point)] + names.map(String.init)).joined(separator: "/"))
        if names.popLast() == nil { return folders }
      }
    }
  }

  /// Where groups with a controller's settings are mounted. A line of `mountinfo`: number, parent, device, root,
  /// point, options, optional fields, "-", type, source, super options.
  private func mounts(with controller: Substring) -> [Mount] {
    lines("/proc/self/mountinfo").compactMap { line in
      let words = line.split(separator: " ")
      guard words.count > 6, let dash = words[6...].firstIndex(of: "-"), dash + 3 < words.count else { return nil }
      let type = words[dash + 1]
      let hasController = type == "cgroup" && words[dash + 3].split(separator: ",").contains(controller)
      guard type == "cgroup2" || hasController else { return nil }
      return Mount(isVersion2: type == "cgroup2", root: words[3], point: words[4])
    }
  }
}
