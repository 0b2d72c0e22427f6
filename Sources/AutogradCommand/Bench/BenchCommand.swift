import ArgumentParser
import Kernels

struct BenchCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures this machine with the library's own kernels.",
    discussion: """
      Shares are of the peak that a loop of multiply-adds reached on the same threads in the same run,
      measured in between: other work on the machine slows both alike.
      """,
    subcommands: [BenchGemm.self, BenchStep.self, BenchRecord.self])

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
