import ArgumentParser
import AutogradBase
import AutogradKernels

/// How long one step of training takes, whatever it is made of.
struct BenchStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step", abstract: "Times training steps on random tokens.",
    discussion: """
      Draws a batch, computes loss and gradients, clips, updates with AdamW: what train does. The
      share of the peak counts 6 flops per token for each weight in a matrix product, and attention's
      6 x layers x channels x tokens of context, which is causal and therefore counted as half.
      """)

  @OptionGroup var options: StepOptions

  mutating func run() throws { try reportingErrors { try measure() } }

  private func measure() throws {
    let bench = try options.prepare(), threads = bench.backend.pool.threadCount
    var wall: [Double] = [], process: [Double] = [], shares: [Double] = [], peaks: [Double] = [], loss = 0.0
    let others = OtherLoad(), flops = bench.flopsPerToken * Double(bench.tokens)
    for _ in 0..<options.steps {
      let peak = bench.backend.productPeak(bench.trainer.configuration.precision) ?? .nan
      let watch = Stopwatch(.wall), used = Stopwatch(.process), computing = Stopwatch(threads: threads)
      loss = try bench.trainer.step().loss
      shares.append(flops / computing.seconds / peak)
      process.append(used.seconds)
      wall.append(watch.seconds)
      peaks.append(peak)
    }
    var report = Report()
    report.addModel(bench)
    add(wall, process, to: &report)
    let rate = Double(bench.tokens) / wall.median
    report.add("tokens_per_second", rate.fixed(0), .number(rate))
    report.add("flops_per_token", "\((bench.flopsPerToken / 1e6).fixed(2)) M", .number(bench.flopsPerToken))
    let peak = peaks.median / 1e9
    report.add("peak_gflops", label: "peak", "\(peak.fixed(1)) GFLOP/s", .number(peak))
    report.add("flops_share", label: "of peak", shares.median.percent, .number(shares.median))
    let resident = ProcessMemory.current()?.peakResident
    report.add("peak_rss_bytes", label: "peak resident", bytes: resident)
    let arena = bench.trainer.arenaStatistics.peak
    report.add("arena_bytes", label: "arena", bytes: arena)
    report.add("loss", label: "last loss", loss.fixed(4), .number(loss))
    report.addLoad(others)
    report.show(json: options.json)
    if !options.json, let warning = others.warning { Console.showLine("\n" + warning) }
  }

  private func add(_ wall: [Double], _ process: [Double], to report: inout Report) {
    report.add("steps", .integer(Int64(wall.count)))
    for (key, label, seconds, note) in [
      ("median_ms", "step", wall.median, ", median of \(wall.count)"), ("min_ms", "fastest", wall.min() ?? .nan, ""),
      ("cpu_ms", "CPU time", process.median, ", spinning included"),
    ] {
      report.add(key, label: label, (seconds * 1e3).fixed(2) + " ms" + note, .number(seconds * 1e3))
    }
  }
}
