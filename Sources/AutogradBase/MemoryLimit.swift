#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// One of the limits on what memory this process may have.
public struct MemoryLimit: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// A control group's, set by this file.
    case controlGroup(file: String)
    /// What the machine has left.
    case available
    /// On the addresses in use: `ulimit -v`.
    case addressSpace
    /// On private memory: `ulimit -d`.
    case data
  }

  public let kind: Kind
  /// The limit itself.
  public let bytes: Int
  /// What is left of it.
  public let remaining: Int

  package init(kind: Kind, bytes: Int, remaining: Int) {
    (self.kind, self.bytes, self.remaining) = (kind, bytes, remaining)
  }

  /// Every limit that can be found now, the one that leaves least first.
  public static func all() -> [MemoryLimit] { all(read: SystemFile.read, resourceLimits: resourceLimits) }

  /// - Parameters:
  ///   - read: Reads a file of the system.
  ///   - resourceLimits: Address space and data in bytes; nil where unlimited.
  static func all(
    read: @escaping (String) -> String?, resourceLimits: (addressSpace: Int?, data: Int?)
  ) -> [MemoryLimit] {
    var found = ControlGroup(read: read).memory.map { memory in
      MemoryLimit(
        kind: .controlGroup(file: memory.file), bytes: memory.limit, remaining: max(0, memory.limit - memory.used))
    }
    if let available = SystemFile.bytes("MemAvailable", in: read("/proc/meminfo")) {
      found.append(MemoryLimit(kind: .available, bytes: available, remaining: available))
    }
    let own = ProcessMemory(status: read("/proc/self/status"))
    if let limit = resourceLimits.addressSpace, let own {
      found.append(MemoryLimit(kind: .addressSpace, bytes: limit, remaining: max(0, limit - own.addressSpace)))
    }
    if let limit = resourceLimits.data, let own {
      found.append(MemoryLimit(kind: .data, bytes: limit, remaining: max(0, limit - own.data)))
    }
    return found.sorted { $0.remaining < $1.remaining }
  }

  private static var resourceLimits: (addressSpace: Int?, data: Int?) {
    func limit(_ read: (inout rlimit) -> Int32) -> Int? {
      var value = rlimit()
      guard read(&value) == 0, value.rlim_cur < 1 << 62 else { return nil }
      return Int(value.rlim_cur)
    }
    // INVARIANT: the structure is initialised and written by nobody else during the call.
    return (
      limit { unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &$0) },
      limit { unsafe getrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &$0) }
    )
  }
}

extension MemoryLimit: CustomStringConvertible {
  /// What it is, where it can be changed.
  public var description: String {
    switch kind {
    case .controlGroup(let file): "the control group's limit (\(file))"
    case .available: "the machine's available memory"
    case .addressSpace: "the limit on address space (ulimit -v)"
    case .data: "the limit on data (ulimit -d)"
    }
  }
}

/// What this process takes, as the system counts it, in bytes.
public struct ProcessMemory: Sendable, Equatable {
  /// In memory now, and the most that ever was.
  public let resident, peakResident: Int
  /// The part of `resident` that is pages of files, which other processes may share.
  public let fileBacked: Int
  /// Addresses in use, and those of private writable memory.
  public let addressSpace, data: Int

  /// Now; nil where the system does not tell.
  public static func current() -> ProcessMemory? {
    ProcessMemory(status: SystemFile.read("/proc/self/status"))
  }

  init?(status: String?) {
    guard let resident = SystemFile.bytes("VmRSS", in: status), let peak = SystemFile.bytes("VmHWM", in: status),
      let file = SystemFile.bytes("RssFile", in: status), let size = SystemFile.bytes("VmSize", in: status),
      let data = SystemFile.bytes("VmData", in: status)
    else { return nil }
    (self.resident, peakResident, fileBacked, addressSpace, self.data) = (resident, peak, file, size, data)
  }
}

extension Int {
  /// A number of bytes in millions, rounded up: what messages about memory say.
  package var megabytes: String { "\((self + 999_999) / 1_000_000) MB" }
}
