import ArgumentParser
import AutogradBase
import AutogradKernels

/// How fast memory is, and how much of it a training step holds.
struct BenchMemory: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory", abstract: "Measures memory bandwidth, and the memory of a training step.",
    discussion: """
      Streams over arrays that no cache holds: read adds up a, copy is c = a, triad is c = a + 3 b.
      Bytes count each array once; what a store reads first to fill its cache line is not counted.
      """)

  @Option(help: ArgumentHelp("Size of each of three arrays, in 10⁶ bytes.", valueName: "n"))
  var megabytes = 128

  @OptionGroup var options: StepOptions

  func validate() throws {
    if !(1...65536).contains(megabytes) {
      throw ValidationError("--megabytes must lie between 1 and 65536, got \(megabytes)")
    }
  }

  mutating func run() throws { try reportingErrors { try measure() } }

  private func measure() throws {
    // The step first: the arrays would be the process's peak.
    let bench = try options.prepare()
    for _ in 0..<options.steps { _ = try bench.trainer.step() }
    var report = Report()
    report.addModel(bench)
    addStep(bench, to: &report)
    let others = OtherLoad()
    for threads in threadCounts(options.threads) {
      let backend = Backend(pool: ThreadPool(threads: threads))
      for stream in MemoryStream.allCases {
        guard let rates = backend.bandwidth(stream, bytes: megabytes * 1_000_000) else {
          throw InputError(sentence: "no memory for three arrays of \(megabytes) MB; choose fewer --megabytes")
        }
        let best = ((rates.max() ?? .nan) / 1e9).fixed(1), rate = rates.median / 1e9
        report.add(
          "\(stream.rawValue)_gbps_\(threads)", label: "\(stream.rawValue), threads \(threads)",
          "\(rate.fixed(1)) GB/s, best \(best)", .number(rate))
      }
    }
    report.addLoad(others)
    report.show(json: options.json)
    if !options.json, let warning = others.warning { Console.showLine("\n" + warning) }
  }

  private func addStep(_ bench: StepOptions.Bench, to report: inout Report) {
    let weights = 4 * bench.trainer.model.parameterCount, arena = bench.trainer.arenaStatistics
    for (key, label, bytes) in [
      ("weight_bytes", "weights", weights), ("gradient_bytes", "gradients", weights),
      ("moment_bytes", "AdamW's moments", 2 * weights), ("arena_bytes", "arena", arena.peak),
      ("arena_reserved_bytes", "arena, mapped", arena.reserved),
      ("workspace_bytes", "kernels' scratch", bench.backend.workspaceBytes),
    ] {
      report.add(key, label: label, bytes: bytes)
    }
    report.add("rss_bytes", label: "resident", bytes: ProcessMemory.current()?.resident)
    report.add("peak_rss_bytes", label: "peak resident", bytes: ProcessMemory.current()?.peakResident)
  }
}
