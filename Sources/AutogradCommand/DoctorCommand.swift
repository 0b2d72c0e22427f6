import ArgumentParser
import AutogradBase
import AutogradKernels

/// What the machine offers, what of it is used and why, and what would make it faster.
struct DoctorCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Tells what this machine can do, what of it is used and why.",
    discussion: "Measures for about a second. Every hint at the end names something that is so now.")

  static let examples = ["autograd doctor", "autograd doctor --json"]

  @Flag(help: "Print one JSON object.")
  var json = false

  mutating func run() throws {
    let others = OtherLoad(), pool = ThreadPool.shared
    var report = Report()
    addInstructionSets(to: &report)
    addThreads(pool.threadCount, to: &report)
    let peaks = addPeaks(pool, to: &report)
    addMemory(to: &report)
    report.addLoad(others)
    let hints = DoctorHints.all(threads: pool.threadCount, peaks: peaks, others: others)
    report.add("hints", .array(hints.map { .string($0) }))
    report.show(json: json)
    if json { return }
    Console.showLine(hints.isEmpty ? "\nnothing found that would make it faster" : "\nfaster:")
    for hint in hints { Console.showLine("  " + hint) }
  }

  private func addInstructionSets(to report: inout Report) {
    let name = AvailableProcessors.name ?? "unknown", used = InstructionSet.preferred
    report.add("cpu", name, .string(name))
    let sets = InstructionSet.available.map(\.rawValue)
    report.add("instruction_sets", label: "runs here", sets.joined(separator: ", "), .array(sets.map { .string($0) }))
    let reason =
      switch InstructionSet.requested {
      case nil: "the widest that runs here"
      case let name? where name == used.rawValue: "AUTOGRAD_ISA asks for it"
      case let name?: "the widest that runs here; AUTOGRAD_ISA asks for '\(name)', which does not"
      }
    report.add("instruction_set", label: "used", "\(used.rawValue): \(reason)", .string(used.rawValue))
    report.add("instruction_set_reason", .string(reason))
    let dots = Backend(pool: ThreadPool(threads: 1)).peak(.bfloat16, seconds: 0) != nil
    report.add("bfloat16_products", label: "bfloat16", dots ? "has dot products" : "has no dot products", .bool(dots))
  }

  private func addThreads(_ threads: Int, to report: inout Report) {
    let online = AvailableProcessors.onlineCount, allowed = AvailableProcessors.allowedCount
    let quota = AvailableProcessors.quota
    let reason =
      if let quota, max(1, Int(min(quota, 65536))) < allowed {
        "a control group grants the time of \(quota.fixed(2)) CPUs"
      } else if allowed < online {
        "\(allowed) of \(online) CPUs are in the affinity mask"
      } else {
        "one for each CPU"
      }
    report.add("threads", "\(threads): \(reason)", .integer(Int64(threads)))
    report.add("threads_reason", .string(reason))
    report.add("cpus_online", .integer(Int64(online)))
    report.add("cpus_allowed", .integer(Int64(allowed)))
    report.add("cpu_quota", quota.map { .number($0) } ?? .null)
  }

  private func addPeaks(_ pool: ThreadPool, to report: inout Report) -> DoctorHints.Peaks {
    let one = Backend(pool: ThreadPool(threads: 1)), all = Backend(pool: pool)
    var scaling: [Double] = [], peaks = DoctorHints.Peaks()
    for (name, arithmetic) in [("fp32", MatmulPrecision.float32), ("bf16", .bfloat16)] {
      var single: [Double] = [], together: [Double] = []
      for _ in 0..<9 {
        guard let a = one.peak(arithmetic, seconds: 0.01), let b = all.peak(arithmetic, seconds: 0.01) else { continue }
        single.append(a)
        together.append(b)
        if arithmetic == .float32 { scaling.append(b / a) }
      }
      let values = single.isEmpty ? nil : (single.median / 1e9, together.median / 1e9)
      report.add(
        "peak_gflops_\(name)_1", label: "peak \(name)",
        values.map { "\($0.0.fixed(1)) GFLOP/s on one thread, \($0.1.fixed(1)) on \(pool.threadCount)" } ?? "not here",
        values.map { .number($0.0) } ?? .null)
      report.add("peak_gflops_\(name)", values.map { .number($0.1) } ?? .null)
      if arithmetic == .float32 { peaks.float32 = values?.1 } else { peaks.bfloat16 = values?.1 }
    }
    let read = all.bandwidth(.read, bytes: 64 << 20, repeats: 3)?.median
    report.add(
      "read_gbps", label: "memory, read", read.map { ($0 / 1e9).fixed(1) + " GB/s" } ?? "unknown",
      read.map { .number($0 / 1e9) } ?? .null)
    peaks.scaling = scaling.median
    return peaks
  }

  private func addMemory(to report: inout Report) {
    for (key, label, bytes, missing) in [
      ("memory_bytes", "memory", SystemFacts.memoryBytes, "unknown"),
      ("memory_available_bytes", "available", SystemFacts.availableMemoryBytes, "unknown"),
      ("memory_limit_bytes", "group's limit", SystemFacts.memoryLimitBytes, "none"),
      ("address_space_limit_bytes", "address space", SystemFacts.addressSpaceLimit, "unlimited"),
    ] {
      report.add(key, label: label, bytes?.bytes ?? missing, bytes.map { .integer(Int64($0)) } ?? .null)
    }
    let pages = SystemFacts.hugePages
    report.add("huge_pages", pages ?? "unknown", pages.map { .string($0) } ?? .null)
  }
}
