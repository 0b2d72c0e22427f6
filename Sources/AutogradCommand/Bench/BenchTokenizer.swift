import ArgumentParser
import AutogradBase
import AutogradKernels
import AutogradText
import AutogradTraining

/// How fast texts become ids.
struct BenchTokenizer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Measures how fast texts become ids.",
    discussion: """
      Encodes each text once, in the order given: the first one fills the cache of pre-tokens, others find it filled.
      Reading the files does not count. Benchmarks/tokenizers races this against other tools.
      """)

  @OptionGroup var vocabulary: NamedTokenizer

  @Argument(help: ArgumentHelp("Texts, each of which must fit in memory.", valueName: "path"))
  var paths: [String]

  @Option(name: [.long, .customShort("t")], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws { try checkThreads(threads) }

  mutating func run() throws { try reportingErrors { try measure() } }

  private func measure() throws {
    let others = OtherLoad(), pool = threads.map { ThreadPool(threads: $0) } ?? .shared
    let loading = Stopwatch(.wall), tokenizer = try vocabulary.load(), seconds = loading.seconds
    var report = Report(), passes: [JSON] = []
    report.add("load_seconds", label: "load", "\(seconds.fixed(3)) s", .number(seconds))
    for path in paths {
      let text = try POSIXFileSystem().read(path, byteLimit: 4 << 30)
      let wall = Stopwatch(.wall), process = Stopwatch(.process)
      let ids = try tokenizer.encode(text, pool: pool)
      let time = wall.seconds, processTime = process.seconds, rate = Double(text.count) / time
      report.addLine(path.escapedForDisplay, "\((rate / 1e6).fixed(1)) MB/s, \(ids.count) tokens of \(text.count) bytes")
      var hash = SHA256()
      hash.update(ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> Int32(8 * $0)) } })
      passes.append(
        .object([
          JSON.Member("path", .string(path)), JSON.Member("bytes", .integer(Int64(text.count))),
          JSON.Member("tokens", .integer(Int64(ids.count))), JSON.Member("seconds", .number(time)),
          JSON.Member("cpu_seconds", .number(processTime)),
          JSON.Member("sha256", .string(hexadecimal(hash.finalize()))),
        ]))
    }
    report.add("passes", .array(passes))
    report.add("peak_rss_bytes", label: "peak resident", bytes: ProcessMemory.current()?.peakResident)
    report.addLoad(others)
    report.show(json: json)
    if !json, let warning = others.warning { Console.showLine("\n" + warning) }
  }
}
