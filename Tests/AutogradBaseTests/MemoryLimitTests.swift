import Testing

@testable import AutogradBase

@Suite("Memory limits") struct MemoryLimitTests {
  /// Files of a machine that is not there.
  private func limits(_ files: [String: String], _ addressSpace: Int? = nil, _ data: Int? = nil) -> [MemoryLimit] {
    MemoryLimit.all(read: { files[$0] }, resourceLimits: (addressSpace, data))
  }

  private let version2 = [
    "/proc/self/cgroup": "0::/user/run\n",
    "/proc/self/mountinfo": "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    "/sys/fs/cgroup/user/run/memory.max": "max\n", "/sys/fs/cgroup/user/run/memory.current": "1000\n",
    "/sys/fs/cgroup/user/memory.max": "500000\n", "/sys/fs/cgroup/user/memory.current": "300000\n",
    "/sys/fs/cgroup/user/memory.stat": "anon 100000\nfile 150000\ninactive_file 50000\n",
  ]

  @Test("version 2: the groups above count, their idle file pages do not")
  func controlGroup2() {
    #expect(
      limits(version2) == [
        MemoryLimit(
          kind: .controlGroup(file: "/sys/fs/cgroup/user/memory.max"), bytes: 500_000, remaining: 250_000)
      ])
  }

  @Test("version 1, beside a version 2 without limits; an absurd limit is none")
  func controlGroup1() {
    let files = [
      "/proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n",
      "/proc/self/mountinfo": """
        30 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
        31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
        32 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw

        """,
      "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "4096000\n",
      "/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes": "5000000\n",
      "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1\n",
    ]
    #expect(
      limits(files) == [
        MemoryLimit(
          kind: .controlGroup(file: "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes"), bytes: 4_096_000, remaining: 0)
      ])
  }

  @Test("in a container the group's own folder is the mount")
  func container() {
    let files = [
      "/proc/self/cgroup": "0::/docker/abc\n",
      "/proc/self/mountinfo": "29 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
      "/sys/fs/cgroup/memory.max": "1000\n", "/sys/fs/cgroup/memory.current": "400\n",
    ]
    #expect(limits(files).map(\.remaining) == [600])
  }

  @Test("available memory, address space and data; the one that leaves least comes first")
  func all() {
    var files = version2
    files["/proc/meminfo"] = "MemTotal: 2000 kB\nMemAvailable:    1000 kB\n"
    files["/proc/self/status"] = "VmSize:  900 kB\nVmHWM: 80 kB\nVmRSS: 70 kB\nRssFile: 30 kB\nVmData:  100 kB\n"
    let found = limits(files, 1000 * 1024, 150 * 1024)
    #expect(found.map(\.remaining) == [50 * 1024, 100 * 1024, 250_000, 1000 * 1024])
    #expect(found.map(\.kind).prefix(2) == [.data, .addressSpace])
    #expect(limits(files, 800 * 1024)[0] == MemoryLimit(kind: .addressSpace, bytes: 800 * 1024, remaining: 0))
  }

  @Test("files that are missing or say nothing set no limit")
  func nothing() {
    #expect(limits([:], 1 << 30).isEmpty)
    #expect(
      limits([
        "/proc/self/cgroup": "garbage\n", "/proc/self/mountinfo": "1 2 3 - cgroup2\n\n",
        "/proc/meminfo": "MemAvailable:\n",
      ]).isEmpty)
  }

  @Test("this machine tells what it has")
  func here() throws {
    #expect(!MemoryLimit.all().isEmpty)
    let own = try #require(ProcessMemory.current())
    #expect(own.resident > 1 << 20 && own.peakResident >= own.resident && own.addressSpace > own.resident)
  }
}
