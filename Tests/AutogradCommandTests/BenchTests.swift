import AutogradBase
import AutogradTestSupport
import AutogradText
import Testing

/// What the measuring commands report, as programs read it.
@Suite("Bench and doctor") struct BenchTests {
  static let model = "--n-layer 1 --n-head 2 --n-embd 16 --block-size 8 --batch-size 2 --vocab-size 11 --threads 1"
  static let machine = ["cpu", "instruction_set"]
  static let step = machine + ["family", "threads", "precision", "parameters", "batch_size", "block_size"]
  static let load = ["other_processes_share", "host_share"]

  /// The object that a command prints with `--json`, and nothing beside it.
  private func object(_ arguments: String, environment: [String: String] = [:]) throws -> [JSON.Member] {
    let outcome = try autograd((arguments + " --json").split(separator: " ").map(String.init), environment: environment)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    return try #require(try JSON(parsing: Array(outcome.output.utf8)).objectValue)
  }

  @Test("gemm: a peak for each number of threads, a product for each transposed form")
  func gemm() throws {
    let members = try object("bench gemm --shape 96x64x32 --repeats 2 --threads 1"), keys = members.map(\.key)
    let peaks = keys.filter { $0.hasPrefix("peak_gflops_") }
    #expect(peaks == ["peak_gflops_fp32_1"] || peaks == ["peak_gflops_fp32_1", "peak_gflops_bf16_1"])
    #expect(keys == BenchTests.machine + peaks + ["precision", "products"] + BenchTests.load)
    let products = try #require(JSON.object(members)["products"]?.arrayValue)
    #expect(products.map { $0["form"]?.stringValue } == ["nn", "nt", "tn"])
    for product in products {
      #expect(
        product.objectValue?.map(\.key) == [
          "m", "n", "k", "form", "threads", "median_ms", "min_ms", "gflops", "peak_gflops", "share", "best_share",
        ])
      #expect([product["m"], product["n"], product["k"]].map { $0?.intValue } == [96, 64, 32])
      let time = try #require(product["median_ms"]?.doubleValue), rate = try #require(product["gflops"]?.doubleValue)
      #expect(abs(rate * time / (2 * 96 * 64 * 32 / 1e6) - 1) < 1e-9)
    }
  }

  @Test("step: time, rate, share of the peak and memory agree with each other")
  func step() throws {
    let members = try object("bench step --steps 3 " + BenchTests.model), values = JSON.object(members)
    #expect(
      members.map(\.key) == BenchTests.step + [
        "steps", "median_ms", "min_ms", "cpu_ms", "tokens_per_second", "flops_per_token", "peak_gflops", "flops_share",
        "peak_rss_bytes", "arena_bytes", "loss",
      ] + BenchTests.load)
    #expect(values["steps"]?.intValue == 3)
    // 1·(12·16²) + 11·16 weights in products, 8 tokens of context.
    #expect(values["flops_per_token"]?.doubleValue == Double(6 * (3072 + 176) + 6 * 16 * 8))
    let time = try #require(values["median_ms"]?.doubleValue), rate = try #require(values["tokens_per_second"]?.doubleValue)
    #expect(abs(rate * time / 1000 - 16) < 1e-9)
    let share = try #require(values["flops_share"]?.doubleValue)
    #expect(share > 0 && share < 1)
    let arena = try #require(values["arena_bytes"]?.intValue), resident = try #require(values["peak_rss_bytes"]?.intValue)
    #expect(0 < arena && arena < resident)
    #expect(try #require(values["loss"]?.doubleValue).isFinite)
  }

  @Test("ops: the operations' flops are the step's, an empty region costs something")
  func operations() throws {
    let members = try object("bench ops --steps 2 " + BenchTests.model), values = JSON.object(members)
    #expect(
      members.map(\.key) == BenchTests.step + [
        "step_ms", "rest_ms", "operations", "empty_region_us", "region_beyond_work_us",
      ] + BenchTests.load)
    let rows = try #require(values["operations"]?.arrayValue)
    let names = rows.map { $0["name"]?.stringValue }
    for name in ["linear", "causalAttention", "linearCrossEntropy", "layerNorm"] { #expect(names.contains(name)) }
    for row in rows {
      #expect(row.objectValue?.map(\.key) == ["name", "runs", "forward_ms", "backward_ms", "bytes", "flops"])
    }
    // 16 tokens of the sizes in `step`.
    let flops = rows.compactMap { $0["flops"]?.doubleValue }.reduce(0, +)
    #expect(flops == 16 * Double(6 * (3072 + 176) + 6 * 16 * 8))
    #expect(try #require(values["empty_region_us"]?.doubleValue) > 0)
  }

  @Test("memory: what a step holds, then streams")
  func memory() throws {
    let members = try object("bench memory --steps 1 --megabytes 4 " + BenchTests.model), values = JSON.object(members)
    #expect(
      members.map(\.key) == BenchTests.step + [
        "weight_bytes", "gradient_bytes", "moment_bytes", "arena_bytes", "arena_reserved_bytes", "workspace_bytes",
        "rss_bytes", "peak_rss_bytes", "read_gbps_1", "copy_gbps_1", "triad_gbps_1",
      ] + BenchTests.load)
    let weights = try #require(values["weight_bytes"]?.intValue), parameters = try #require(values["parameters"]?.intValue)
    #expect(weights == 4 * parameters)
    #expect(values["moment_bytes"]?.intValue == 8 * parameters)
    for stream in ["read", "copy", "triad"] { #expect(try #require(values[stream + "_gbps_1"]?.doubleValue) > 0) }
  }

  @Test("tokenizer: each text in order, with its ids' hash")
  func tokenizer() throws {
    try temporaryDirectory { folder in
      let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded("gpt2").description), text = Array("The bench\nof texts".utf8)
      try POSIXFileSystem().writeAtomically(tokenizer.tokenizerJSON(), to: folder + "/tokenizer.json")
      try POSIXFileSystem().writeAtomically(text, to: folder + "/text")
      let members = try object("bench tokenizer --tokenizer \(folder)/tokenizer.json \(folder)/text \(folder)/text")
      #expect(members.map(\.key) == ["load_seconds", "passes", "peak_rss_bytes"] + BenchTests.load)
      let passes = try #require(JSON.object(members)["passes"]?.arrayValue)
      #expect(passes.count == 2 && passes[0]["sha256"] == passes[1]["sha256"])
      #expect(passes.allSatisfy { $0["tokens"]?.intValue == tokenizer.encode(text).count && $0["bytes"]?.intValue == 18 })
    }
  }

  @Test("generate: rates, what a step reads, and how weights are kept", arguments: ["f32", "bf16"])
  func generate(_ form: String) throws {
    try temporaryDirectory { folder in
      try TinyModel(cycle: "abcd").write(to: folder)
      let options = "--prompt-tokens 5 --tokens 4 --sequences 2 --rounds 1 --threads 1 --weights \(form)"
      let members = try object("bench generate --model \(folder) \(options)"), values = JSON.object(members)
      #expect(
        members.map(\.key) == BenchTests.machine + [
          "threads", "weights", "products", "load_seconds", "prefill_tokens_per_second", "decode_tokens_per_second",
          "weight_bytes_per_step", "kept_bytes_per_step", "step_gbps", "read_gbps", "bandwidth_share", "peak_rss_bytes",
        ] + BenchTests.load)
      #expect(values["products"]?.stringValue == "exact")
      // Norms, biases and learned positions are float32 in any form.
      let forms = Set(try #require(values["weights"]?.arrayValue).compactMap(\.stringValue))
      #expect(forms == Set([form, "f32"]))
      // One layer, four channels, seven tokens on the average, two texts.
      #expect(values["kept_bytes_per_step"]?.intValue == 2 * 4 * 7 * 2 * 4)
      for key in ["prefill_tokens_per_second", "decode_tokens_per_second", "step_gbps", "read_gbps"] {
        #expect(try #require(values[key]?.doubleValue) > 0)
      }
    }
  }

  @Test("record: both directions")
  func record() throws {
    #expect(try object("bench record --repeats 2").map(\.key) == ["forward_us", "backward_us"])
  }

  @Test("doctor: every fact has its key, hints are sentences")
  func doctor() throws {
    let members = try object("doctor"), values = JSON.object(members)
    #expect(
      members.map(\.key) == [
        "cpu", "instruction_sets", "instruction_set", "instruction_set_reason", "bfloat16_products", "threads",
        "threads_reason", "cpus_online", "cpus_allowed", "cpu_quota", "peak_gflops_fp32_1", "peak_gflops_fp32",
        "peak_gflops_bf16_1", "peak_gflops_bf16", "read_gbps", "memory_bytes", "memory_available_bytes",
        "memory_limit_bytes", "address_space_limit_bytes", "huge_pages",
      ] + BenchTests.load + ["hints"])
    let threads = try #require(values["threads"]?.intValue), allowed = try #require(values["cpus_allowed"]?.intValue)
    #expect(1...allowed ~= threads)
    #expect(try #require(values["cpus_online"]?.intValue) >= allowed)
    let usesBFloat16 = try #require(values["bfloat16_products"]?.boolValue as Bool?)
    #expect(usesBFloat16 == (values["peak_gflops_bf16_1"] != .null))
  }

  @Test("doctor: a narrower set than the CPU has is said with its reason, and how to undo it")
  func narrowed() throws {
    let values = JSON.object(try object("doctor", environment: ["AUTOGRAD_ISA": "baseline"]))
    #expect(values["instruction_set"]?.stringValue == "baseline")
    #expect(values["instruction_set_reason"]?.stringValue == "AUTOGRAD_ISA asks for it")
    let sets = try #require(values["instruction_sets"]?.arrayValue).compactMap(\.stringValue)
    let hint = "AUTOGRAD_ISA=baseline leaves \(sets.last ?? "") unused: unset it"
    #expect(values["hints"]?.arrayValue?.contains(.string(hint)) == (sets.count > 1))
    let unknown = JSON.object(try object("doctor", environment: ["AUTOGRAD_ISA": "avx1024"]))
    let reason = "the widest that runs here; AUTOGRAD_ISA asks for 'avx1024', which does not"
    #expect(unknown["instruction_set_reason"]?.stringValue == reason)
  }

  @Test("each benchmark's help fits a screen", arguments: ["gemm", "step", "ops", "memory", "tokenizer", "record"])
  func help(_ name: String) throws {
    let outcome = try autograd("bench", name, "--help")
    #expect(outcome.status == 0)
    #expect(outcome.output.split(separator: "\n", omittingEmptySubsequences: false).count <= 55)
  }
}
