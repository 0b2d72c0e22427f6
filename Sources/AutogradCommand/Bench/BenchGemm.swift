import ArgumentParser
import AutogradBase
import AutogradKernels

extension MatmulPrecision: ExpressibleByArgument {}

/// How fast matrix products are, as shares of what the threads can do at all.
struct BenchGemm: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemm", abstract: "Times matrix products against the measured peak.",
    discussion: """
      Median and fastest of repeated runs. "of peak" is the median of the ratios of neighbouring
      measurements of product and peak, "best" the fastest product over the highest peak. One thread
      is timed by its CPU time, several by the clock.
      """)

  /// The sizes of GPT-2 and of a small model's layers, and two squares.
  static let shapes = [
    ProductShape(m: 1024, n: 3072, k: 768), ProductShape(m: 1024, n: 768, k: 3072),
    ProductShape(m: 2048, n: 2048, k: 2048), ProductShape(m: 256, n: 384, k: 384), ProductShape(m: 64, n: 64, k: 64),
  ]

  @Option(
    help: ArgumentHelp("Rows x columns x depth of a product; may come again.", valueName: "mxnxk"),
    transform: ProductShape.parsed)
  var shape: [ProductShape] = []

  @Option(name: [.long, .short], help: ArgumentHelp("Threads (1, and all CPUs).", valueName: "n"))
  var threads: Int?

  @Option(help: ArgumentHelp("What products multiply in.", valueName: "name"))
  var precision = MatmulPrecision.float32

  @Option(help: ArgumentHelp("Runs to take the median of.", valueName: "n"))
  var repeats = 11

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if repeats < 1 { throw ValidationError("--repeats must be at least 1, got \(repeats)") }
    try checkThreads(threads)
  }

  mutating func run() throws { try reportingErrors { try measure() } }

  private func measure() throws {
    let backends = threadCounts(threads).map { Backend(pool: ThreadPool(threads: $0)) }
    var report = Report(), products: [JSON] = []
    let others = OtherLoad()
    report.addMachine(backends[0])
    for backend in backends { addPeaks(of: backend, to: &report) }
    if !json { report.show(json: false) }
    for shape in shape.isEmpty ? BenchGemm.shapes : shape {
      var table = TextTable(["\(shape)", "threads", "ms", "fastest", "GFLOP/s", "of peak", "best"])
      for form in ProductForm.allCases {
        for backend in backends {
          guard let timing = backend.timeProduct(shape, form, precision: precision, repeats: repeats) else {
            throw InputError(sentence: "no memory for the matrices of \(shape); choose a smaller --shape")
          }
          let threads = backend.pool.threadCount
          products.append(object(shape, form, threads, timing))
          table.rows.append([
            form.rawValue, "\(threads)", (timing.seconds.median * 1e3).fixed(3),
            ((timing.seconds.min() ?? .nan) * 1e3).fixed(3), (timing.rate / 1e9).fixed(1), timing.share.percent,
            timing.bestShare.percent,
          ])
        }
      }
      if !json { Console.showLine("\n" + table.lines.joined(separator: "\n")) }
    }
    report.add("precision", .string(precision.rawValue))
    report.add("products", .array(products))
    report.addLoad(others)
    if json { report.show(json: true) } else if let warning = others.warning { Console.showLine("\n" + warning) }
  }

  private func addPeaks(of backend: Backend, to report: inout Report) {
    let threads = backend.pool.threadCount
    for (name, arithmetic) in [("fp32", MatmulPrecision.float32), ("bf16", .bfloat16)] {
      let rates = (0..<repeats).compactMap { _ in backend.peak(arithmetic, seconds: 0.01) }
      guard !rates.isEmpty else { continue }
      report.add(
        "peak_gflops_\(name)_\(threads)", label: "peak \(name), \(threads)", "\((rates.median / 1e9).fixed(1)) GFLOP/s",
        .number(rates.median / 1e9))
    }
  }

  private func object(_ shape: ProductShape, _ form: ProductForm, _ threads: Int, _ timing: ProductTiming) -> JSON {
    .object([
      JSON.Member("m", .integer(Int64(shape.m))), JSON.Member("n", .integer(Int64(shape.n))),
      JSON.Member("k", .integer(Int64(shape.k))), JSON.Member("form", .string(form.key)),
      JSON.Member("threads", .integer(Int64(threads))), JSON.Member("median_ms", .number(timing.seconds.median * 1e3)),
      JSON.Member("min_ms", .number((timing.seconds.min() ?? .nan) * 1e3)),
      JSON.Member("gflops", .number(timing.rate / 1e9)), JSON.Member("peak_gflops", .number(timing.peaks.median / 1e9)),
      JSON.Member("share", .number(timing.share)), JSON.Member("best_share", .number(timing.bestShare)),
    ])
  }
}

extension ProductShape: CustomStringConvertible {
  private static let sizes = 1...65536

  /// From `1024x3072x768`.
  static func parsed(_ text: String) throws -> ProductShape {
    let numbers = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard numbers.count == 3, numbers.allSatisfy(sizes.contains) else {
      throw ValidationError("write rows x columns x depth, such as 1024x3072x768, each between 1 and 65536")
    }
    return ProductShape(m: numbers[0], n: numbers[1], k: numbers[2])
  }

  public var description: String { "\(m)x\(n)x\(k)" }
}
