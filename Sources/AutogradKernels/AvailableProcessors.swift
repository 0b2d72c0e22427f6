import AutogradBase
import CAutogradSystem

/// The CPUs that this process may use.
public enum AvailableProcessors {
  /// CPUs in the affinity mask, fewer where a cgroup quota grants less time than that.
  public static var count: Int {
    max(1, min(allowed().count, ControlGroup().processorQuota ?? Int.max))
  }

  /// CPUs in the affinity mask.
  public static var allowedCount: Int { allowed().count }

  /// CPUs that the machine has running.
  public static var onlineCount: Int { Int(csystem_online_cpus()) }

  /// CPUs that a cgroup quota is worth, such as 1.5; nil without a quota.
  public static var quota: Double? { ControlGroup().processorShare }

  /// CPUs for `count` workers: allowed ones, the caller's own left free; may be fewer than asked for.
  static func others(_ count: Int) -> [Int32] {
    let own = csystem_current_cpu()
    return Array(allowed().filter { $0 != own }.prefix(count))
  }

  private static func allowed() -> [Int32] {
    var cpus = [Int32](repeating: 0, count: 1024)
    // INVARIANT: the capacity passed is the array's own.
    let found = unsafe cpus.withUnsafeMutableBufferPointer { buffer in
      unsafe csystem_allowed_cpus(buffer.baseAddress!, Int32(buffer.count))
    }
    return Array(cpus.prefix(Int(found)))
  }
}
