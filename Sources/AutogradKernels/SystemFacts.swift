import AutogradBase

/// What the system says about memory and about settings that decide speed. Nil stands for "it does not say".
public enum SystemFacts {
  public static var memoryBytes: Int? { memory("MemTotal") }
  /// Bytes that new processes can get without swapping.
  public static var availableMemoryBytes: Int? { memory("MemAvailable") }
  /// Bytes that a control group allows; nil without a limit.
  public static var memoryLimitBytes: Int? { ControlGroup().memory.map(\.limit).min() }

  /// Bytes of address space that this process may map; nil without a limit.
  public static var addressSpaceLimit: Int? { MemoryLimit.all().first { $0.kind == .addressSpace }?.bytes }

  /// `always`, `madvise` (all that the library needs) or `never`.
  public static var hugePages: String? {
    guard let text = line("/sys/kernel/mm/transparent_hugepage/enabled"), let open = text.firstIndex(of: "["),
      let close = text.firstIndex(of: "]")
    else { return nil }
    return String(text[text.index(after: open)..<close])
  }

  /// How the system chooses the first CPU's frequency.
  public static var frequencyGovernor: String? { line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") }

  /// Whether CPUs are threads that share cores.
  public static var sharesCores: Bool? { line("/sys/devices/system/cpu/smt/active").map { $0 == "1" } }

  private static func memory(_ name: String) -> Int? { SystemFile.bytes(name, in: SystemFile.read("/proc/meminfo")) }

  /// A file's first line.
  private static func line(_ path: String) -> String? {
    SystemFile.read(path)?.split(separator: "\n").first.map(String.init)
  }
}
