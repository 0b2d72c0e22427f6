import ArgumentParser
import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradModels

/// How fast a model reads prompts and goes on with them, against how fast memory is.
struct BenchGenerate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Measures how fast a model reads a prompt and goes on with it.",
    discussion: """
      Feeds any tokens: nothing is drawn, and no text made. Prefill is the prompts of all sequences in \
      passes of --chunk tokens, decode is a token of each sequence at a time. A decoding step reads every \
      weight once, and each sequence's keys and values; the report holds that against what memory gives to \
      as many threads. \
      Benchmarks/generation races this against llama.cpp.
      """)

  @Option(help: ArgumentHelp("A model directory, as train writes it, or a .gguf file.", valueName: "path"))
  var model: String

  @OptionGroup var weights: WeightOptions

  @Option(help: ArgumentHelp("Tokens of each prompt.", valueName: "n"))
  var promptTokens = 512

  @Option(help: ArgumentHelp("Tokens that each prompt goes on with.", valueName: "n"))
  var tokens = 128

  @Option(help: ArgumentHelp("Texts at once.", valueName: "n"))
  var sequences = 1

  @Option(help: ArgumentHelp("Keep keys and values as f32 or bf16 (what the products take).", valueName: "type"))
  var cacheType: CacheType?

  @Option(help: ArgumentHelp("Tokens of a pass, at most.", valueName: "n"))
  var chunk = 512

  @Option(help: ArgumentHelp("Rounds; figures are their medians.", valueName: "n"))
  var rounds = 5

  @Option(name: [.long, .customShort("t")], help: ArgumentHelp("Threads (all CPUs).", valueName: "n"))
  var threads: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try checkThreads(threads)
    for (name, value) in [
      ("--prompt-tokens", promptTokens), ("--tokens", tokens), ("--sequences", sequences), ("--chunk", chunk),
      ("--rounds", rounds),
    ] where value < 1 {
      throw ValidationError("\(name) must be at least 1, got \(value)")
    }
  }

  mutating func run() throws { try reportingErrors { try measure() } }

  private func measure() throws {
    let others = OtherLoad(), loading = Stopwatch(.wall)
    let network = try openModel(model).loadModel(weights: weights.weights), loadSeconds = loading.seconds
    let backend = threads.map { Backend(pool: ThreadPool(threads: $0)) } ?? Backend()
    let tape = Tape<Float>(backend: backend), mode = weights.productMode(of: network)
    tape.productMode = mode
    let session = try DecoderSession(
      network, sequences: sequences, contextSize: promptTokens + tokens, cacheType: cacheType, chunk: chunk, tape: tape)
    var prefill: [Double] = [], decode: [Double] = [], bandwidth: [Double] = [], peak: Int?
    for _ in 0..<rounds {
      let (prefillSeconds, decodeSeconds) = try round(session, network.configuration.vocabularySize)
      prefill.append(Double(sequences * promptTokens) / prefillSeconds)
      decode.append(Double(sequences * tokens) / decodeSeconds)
      // The arrays that follow would count.
      peak = peak ?? ProcessMemory.current()?.peakResident
      // In between, so that other work slows both alike.
      bandwidth += backend.bandwidth(.read, bytes: 128_000_000, repeats: 1) ?? []
    }
    var report = Report()
    report.addMachine(backend)
    report.add("threads", "\(backend.pool.threadCount)", .integer(Int64(backend.pool.threadCount)))
    report.add("weights", weights.summary(of: network), .array(network.weightUse.map { .string($0.format) }))
    report.add("products", .string(mode.rawValue))
    report.add("load_seconds", label: "load", "\(loadSeconds.fixed(2)) s", .number(loadSeconds))
    report.add(
      "prefill_tokens_per_second", label: "prefill", "\(prefill.median.fixed(1)) tokens/s", .number(prefill.median))
    report.add(
      "decode_tokens_per_second", label: "decode", "\(decode.median.fixed(1)) tokens/s", .number(decode.median))
    add(session, network, steps: decode.median / Double(sequences), bandwidth: bandwidth.median, to: &report)
    report.add("peak_rss_bytes", label: "peak resident", bytes: peak)
    report.addLoad(others)
    report.show(json: json)
    if !json, let warning = others.warning { Console.showLine("\n" + warning) }
  }

  /// - Returns: Seconds of the prompts, and of the tokens after them.
  private func round(_ session: DecoderSession<Float>, _ vocabularySize: Int) throws -> (Double, Double) {
    func id(_ sequence: Int, _ place: Int) -> Int32 { Int32((37 * place + 11 * sequence + 5) % vocabularySize) }
    func feeds(_ places: Range<Int>) -> [DecoderSession<Float>.Feed] {
      (0..<sequences).map { sequence in
        DecoderSession<Float>.Feed(sequence: sequence, tokens: places.map { id(sequence, $0) }[...])
      }
    }
    for sequence in 0..<sequences { session.truncate(sequence, to: 0) }
    let prompt = Stopwatch(.wall)
    _ = try session.advance(feeds(0..<promptTokens))
    let prefillSeconds = prompt.seconds, rest = Stopwatch(.wall)
    for place in promptTokens..<promptTokens + tokens { _ = try session.advance(feeds(place..<place + 1)) }
    return (prefillSeconds, rest.seconds)
  }

  /// What a decoding step reads, how fast, and how fast memory is.
  private func add(
    _ session: DecoderSession<Float>, _ network: Decoder<Float>, steps: Double, bandwidth: Double, to report: inout Report
  ) {
    // Of an embedding that is no head a step reads a row.
    let read = network.tensors.filter { tensor in
      let role = tensor.description.role
      return role != .positionEmbedding && (role != .tokenEmbedding || network.head == nil)
    }
    let sizes = network.configuration, middle = promptTokens + tokens / 2
    let weightBytes = read.reduce(0) { $0 + ($1.parameter.storedWeight?.byteCount ?? 4 * $1.parameter.count) }
    let keptNumbers = 2 * sizes.layerCount * sizes.keyValueHeadCount * sizes.headSize * middle * sequences
    let keptBytes = keptNumbers * (session.cacheType == .bf16 ? 2 : 4), rate = Double(weightBytes + keptBytes) * steps
    report.add("weight_bytes_per_step", label: "weights read in a step", bytes: weightBytes)
    report.add("kept_bytes_per_step", label: "keys and values", bytes: keptBytes)
    report.add("step_gbps", label: "both", "\((rate / 1e9).fixed(1)) GB/s", .number(rate / 1e9))
    report.add("read_gbps", label: "memory read", "\((bandwidth / 1e9).fixed(1)) GB/s", .number(bandwidth / 1e9))
    report.add("bandwidth_share", label: "share of that", (rate / bandwidth).percent, .number(rate / bandwidth))
  }
}
