import AutogradKernels

/// What holds speed back here and now, each with what to do.
enum DoctorHints {
  /// What products reached when they were measured.
  struct Peaks {
    /// GFLOP/s on all threads; nil where the processor has no such products.
    var float32, bfloat16: Double?
    /// How many times one thread's peak all threads reached together.
    var scaling = 1.0
  }

  static func all(threads: Int, peaks: Peaks, others: OtherLoad) -> [String] {
    build + processors + precision(peaks) + load(others) + hyperthreads(threads, peaks.scaling, others) + memory
  }

  /// Processors that split a bfloat16 product into several steps multiply float32 faster.
  static func precision(_ peaks: Peaks) -> [String] {
    guard let float32 = peaks.float32, let bfloat16 = peaks.bfloat16, bfloat16 < float32 else { return [] }
    return [
      "bfloat16 products reach \(bfloat16.fixed(1)) GFLOP/s here, float32 \(float32.fixed(1)): --precision bf16 is "
        + "slower, leave it out"
    ]
  }

  private static var build: [String] {
    #if DEBUG
      ["this is a debug build: swift build -c release"]
    #else
      []
    #endif
  }

  private static var processors: [String] {
    var hints: [String] = []
    if let name = InstructionSet.requested, InstructionSet.preferred < .widest {
      hints.append("AUTOGRAD_ISA=\(name) leaves \(InstructionSet.widest.rawValue) unused: unset it")
    }
    let allowed = AvailableProcessors.allowedCount, online = AvailableProcessors.onlineCount
    if let quota = AvailableProcessors.quota, quota < Double(allowed) {
      hints.append("a control group grants the time of \(quota.fixed(2)) of \(allowed) CPUs: raise its quota")
    }
    if allowed < online {
      hints.append("the affinity mask allows \(allowed) of \(online) CPUs: start without taskset, or widen the cpuset")
    }
    if let governor = SystemFacts.frequencyGovernor, ["powersave", "conservative", "ondemand"].contains(governor) {
      hints.append("the frequency governor is \(governor): cpupower frequency-set -g performance")
    }
    return hints
  }

  private static func load(_ others: OtherLoad) -> [String] {
    guard let shares = others.shares else { return [] }
    var hints: [String] = []
    if shares.processes > 0.05 {
      let share = shares.processes.percent
      hints.append("other processes take \(share) of the CPUs: stop them, or leave them CPUs with --threads")
    }
    if shares.host > 0.05 { hints.append("the host of this virtual machine takes \(shares.host.percent) of its CPUs") }
    return hints
  }

  /// Only where nothing else explains why more threads bring little.
  private static func hyperthreads(_ threads: Int, _ scaling: Double, _ others: OtherLoad) -> [String] {
    guard SystemFacts.sharesCores == true, threads > 1, scaling < 0.7 * Double(threads),
      (others.shares?.processes ?? 1) < 0.05
    else { return [] }
    let gain = scaling.fixed(1)
    return ["CPUs share cores, \(threads) threads reach \(gain) times the peak of one: try --threads \(threads / 2)"]
  }

  private static var memory: [String] {
    var hints: [String] = []
    if SystemFacts.hugePages == "never" {
      hints.append("huge pages are off: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
    }
    if let available = SystemFacts.availableMemoryBytes, let all = SystemFacts.memoryBytes, available < all / 10 {
      hints.append("only \(available.bytes) of \(all.bytes) memory are available: end what holds the rest")
    }
    return hints
  }
}
