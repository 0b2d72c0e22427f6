import ArgumentParser
import AutogradKernels

struct BenchCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures this machine with the library's own kernels.",
    discussion: """
      Shares are of the peak that a loop of multiply-adds reached on the same threads in the same run,
      measured in between: other work on the machine slows both alike.
      """,
    subcommands: [
      BenchGemm.self, BenchStep.self, BenchOps.self, BenchMemory.self, BenchTokenizer.self, BenchGenerate.self,
      BenchRecord.self,
    ])

  static let examples = [
    "autograd bench gemm --shape 512x512x512",
    "autograd bench step --preset baby",
  ]
}

/// The machine, as every report of a benchmark begins.
extension Report {
  mutating func addMachine(_ backend: Backend) {
    add("cpu", AvailableProcessors.name ?? "unknown", .string(AvailableProcessors.name ?? "unknown"))
    add("instruction_set", backend.instructionSet.rawValue, .string(backend.instructionSet.rawValue))
  }

  /// Shares of all CPUs that others took meanwhile, for programs.
  mutating func addLoad(_ others: OtherLoad) {
    let shares = others.shares
    add("other_processes_share", shares.map { .number($0.processes) } ?? .null)
    add("host_share", shares.map { .number($0.host) } ?? .null)
  }
}

extension OtherLoad {
  /// What makes figures doubtful; nil on a quiet machine.
  var warning: String? {
    guard let shares, shares.processes + shares.host > 0.05 else { return nil }
    let host = shares.host > 0.01 ? " and the host of this virtual machine \(shares.host.percent)" : ""
    return "note: meanwhile other processes took \(shares.processes.percent) of the CPUs\(host); figures of several "
      + "threads suffer most"
  }
}

/// Threads to measure with: what was asked for, else one and all.
func threadCounts(_ asked: Int?) -> [Int] {
  let all = AvailableProcessors.count
  return asked.map { [$0] } ?? (all > 1 ? [1, all] : [1])
}

func checkThreads(_ threads: Int?) throws {
  if let threads, !(1...256).contains(threads) {
    throw ValidationError("--threads must lie between 1 and 256, got \(threads)")
  }
}
