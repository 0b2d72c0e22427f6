import ArgumentParser
import AutogradEngine
import AutogradBase
import AutogradKernels
import AutogradModels

/// What the time of a training step is spent on.
struct BenchOps: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ops", abstract: "Times every operation of a training step, and an empty parallel region.",
    discussion: """
      Medians over the steps. Bytes are those taken from the arena. Flops are counted from the model's
      sizes, causal attention's as half; the loss computes the gradients of the head in forward.
      """)

  @OptionGroup var options: StepOptions

  mutating func run() throws { try reportingErrors { try measure() } }

  private func measure() throws {
    let bench = try options.prepare(), others = OtherLoad()
    var times = OperationTimes(), steps: [Double] = []
    for _ in 0..<options.steps {
      bench.trainer.profiledStep = bench.trainer.stepCount + 1
      let watch = Stopwatch(.wall)
      _ = try bench.trainer.step()
      steps.append(watch.seconds)
      if let profile = bench.trainer.lastProfile { times.add(profile) }
    }
    let costs = StepCosts(bench), rest = steps.median - times.medianOfSums
    let region = bench.backend.regionCost()
    var report = Report()
    var table = TextTable(["operation", "runs", "forward ms", "backward ms", "bytes", "GFLOP", "GFLOP/s"])
    report.addModel(bench)
    let rows = times.medians.sorted { $0.forward + $0.backward > $1.forward + $1.backward }
    for row in rows {
      let flops = costs.flops(row.name), rate = flops.map { $0 / (row.forward + row.backward) / 1e9 }
      table.rows.append([
        row.name, "\(row.runs)", (row.forward * 1e3).fixed(3), (row.backward * 1e3).fixed(3), row.bytes.bytes,
        flops.map { ($0 / 1e9).fixed(3) } ?? "", rate?.fixed(1) ?? "",
      ])
    }
    table.rows.append(["batch, clip, update", "1", (rest * 1e3).fixed(3), "", "", "", ""])
    table.rows.append(["step", "", (steps.median * 1e3).fixed(3), "", "", "", ""])
    if !options.json { report.show(json: false) }
    report.add("step_ms", .number(steps.median * 1e3))
    report.add("rest_ms", .number(rest * 1e3))
    report.add("operations", .array(rows.map { object($0, costs) }))
    report.add("empty_region_us", .number(region.empty * 1e6))
    report.add("region_beyond_work_us", .number(region.beyondWork * 1e6))
    report.addLoad(others)
    if options.json { return report.show(json: true) }
    Console.showLine("\n" + table.lines.joined(separator: "\n"))
    Console.showLine(
      "\na parallel region, workers awake: \((region.empty * 1e6).fixed(2)) µs empty, "
        + "\((region.beyondWork * 1e6).fixed(2)) µs beyond its work")
    if let warning = others.warning { Console.showLine(warning) }
  }

  private func object(_ row: OperationTimes.Median, _ costs: StepCosts) -> JSON {
    .object([
      JSON.Member("name", .string(row.name)), JSON.Member("runs", .integer(Int64(row.runs))),
      JSON.Member("forward_ms", .number(row.forward * 1e3)), JSON.Member("backward_ms", .number(row.backward * 1e3)),
      JSON.Member("bytes", .integer(Int64(row.bytes))),
      JSON.Member("flops", costs.flops(row.name).map { .number($0) } ?? .null),
    ])
  }
}

/// Times of the operations over several steps, in seconds.
private struct OperationTimes {
  struct Median {
    let name: String
    let runs, bytes: Int
    let forward, backward: Double
  }

  private var totals: [[StepProfile.Total]] = []

  mutating func add(_ profile: StepProfile) { totals.append(profile.totals) }

  var medians: [Median] {
    (totals.first ?? []).map { first in
      let all = totals.compactMap { step in step.first { $0.name == first.name } }
      return Median(
        name: first.name, runs: first.count, bytes: first.bytes,
        forward: all.map { Double($0.forwardNanoseconds) * 1e-9 }.median,
        backward: all.map { Double($0.backwardNanoseconds) * 1e-9 }.median)
    }
  }

  /// Of a step's operations together.
  var medianOfSums: Double {
    totals.map { $0.reduce(0) { $0 + Double($1.forwardNanoseconds + $1.backwardNanoseconds) * 1e-9 } }.median
  }
}

/// Flops of a step's operations, where they follow from the model's sizes.
private struct StepCosts {
  private let perToken: [(name: String, flops: Double)]
  private let tokens: Double

  init(_ bench: StepOptions.Bench) {
    let sizes = bench.trainer.model.configuration, head = Double(sizes.vocabularySize * sizes.channelCount)
    let linear = 6 * (Double(sizes.productWeightCount) - head)
    let attention = bench.flopsPerToken - linear - 6 * head
    perToken = [("linear", linear), ("linearCrossEntropy", 6 * head), ("causalAttention", attention)]
    tokens = Double(bench.tokens)
  }

  func flops(_ name: String) -> Double? { perToken.first { $0.name == name }.map { $0.flops * tokens } }
}
