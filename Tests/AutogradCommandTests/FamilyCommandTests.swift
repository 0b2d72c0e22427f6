import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

/// Every family from the command line, from a text to a continued text.
@Suite("Families by command") struct FamilyCommandTests {
  private static let families: [(name: String, options: [String])] = [
    ("llama", ["--n-kv-head", "1", "--rope-theta", "500"]), ("mistral", ["--sliding-window", "3", "--head-dim", "6"]),
    ("qwen2", ["--n-kv-head", "1"]), ("qwen3", ["--head-dim", "6", "--n-inner", "20"]),
    ("arcee", ["--bias", "--tie-word-embeddings"]), ("nanochat", ["--n-kv-head", "1", "--dropout", "0.1"]),
  ]

  private let sizes = [
    "--n-layer", "2", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--batch-size", "2", "--warmup-iters", "0",
    "--eval-iters", "1", "--threads", "1",
  ]

  @Test(
    "train, resume, inspect, evaluate, generate, start from it, plan, bench step", arguments: families.map(\.name))
  func chain(name: String) throws {
    let own = ["--family", name] + (try #require(Self.families.first { $0.name == name })).options
    try temporaryDirectory { path in
      let text = String(repeating: "the cat sat on the mat.\n", count: 40), book = path + "/book.txt"
      try Data(text.utf8).write(to: URL(fileURLWithPath: book))
      let train = ["train", "--data", book] + sizes + own
      func run(_ arguments: [String]) throws -> Outcome {
        let outcome = try autograd(arguments)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome
      }
      func fingerprint(_ outcome: Outcome) -> Substring? { outcome.output.firstMatch(of: /sha256  ([0-9a-f]{64})/)?.1 }
      let whole = try run(train + ["--out", path + "/whole", "--max-iters", "4", "--lr-decay-iters", "4"])
      _ = try run(train + ["--out", path + "/run", "--max-iters", "2", "--lr-decay-iters", "4"])
      let resumed = try run(["train", "--resume", path + "/run", "--max-iters", "4"] + own)
      #expect(fingerprint(whole) != nil && fingerprint(resumed) == fingerprint(whole))
      let inspected = try run(["inspect", path + "/run"]).output
      #expect(inspected.hasPrefix("\(name): 2 layers, 2 heads"), "\(inspected)")
      #expect(inspected.contains("model.layers.1.self_attn.k_proj.weight"))
      let settings = try run(["inspect", path + "/run/checkpoints/step-00000004"]).output
      #expect(settings.contains(" --family \(name) "), "\(settings)")
      for (option, value) in zip(own, own.dropFirst()) where option.hasPrefix("--n-kv") || option.hasPrefix("--rope") {
        #expect(settings.contains("\(option) \(value)"), "\(settings)")
      }
      _ = try run(["evaluate", "--model", path + "/run", "--data", book])
      #expect(try run(["generate", "--model", path + "/run", "--max-tokens", "20", "--context-shift"]).output.count > 20)
      let bf16 = ["--out", path + "/next", "--init-from", path + "/run", "--max-iters", "1", "--weights", "bf16"]
      _ = try run(["train", "--data", book, "--batch-size", "2", "--eval-iters", "1"] + bf16)
      let half = try run(["inspect", path + "/next"]).output
      #expect(half.contains("  BF16  ") && !half.contains("  F32  "))
      #expect(try run(["inspect", path + "/next/checkpoints/step-00000001"]).output.contains("  F32  "))
      _ = try run(["evaluate", "--model", path + "/next", "--data", book])
      #expect(try run(["plan", "--json"] + sizes + own).output.contains("arena_bytes"))
      let bench = try run(["bench", "step", "--steps", "1", "--vocab-size", "11", "--json"] + own + [
        "--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--batch-size", "2", "--threads", "1",
      ])
      #expect(try JSON(parsing: Array(bench.output.utf8))["family"] == .string(name))
    }
  }

  @Test("a folder in shards is inspected, evaluated and trained on")
  func shards() throws {
    try temporaryDirectory { path in
      let text = String(repeating: "the cat sat on the mat.\n", count: 40), book = path + "/book.txt"
      try Data(text.utf8).write(to: URL(fileURLWithPath: book))
      let trained = try autograd(["train", "--data", book, "--out", path + "/run", "--max-iters", "1"] + sizes)
      #expect(trained.status == 0, "\(trained.errors)")
      let before = try autograd("evaluate", "--model", path + "/run", "--data", book).output
      let whole = try autograd("inspect", path + "/run").output.split(separator: "\n").filter { $0.hasPrefix("transformer.") }
      let map = whole.compactMap { $0.split(separator: " ").first }.map { "\"\($0)\":\"part-1.safetensors\"" }
      let files = FileManager.default
      try files.moveItem(atPath: path + "/run/model.safetensors", toPath: path + "/run/part-1.safetensors")
      try Data("{\"weight_map\":{\(map.joined(separator: ","))}}".utf8)
        .write(to: URL(fileURLWithPath: path + "/run/model.safetensors.index.json"))
      #expect(try autograd("evaluate", "--model", path + "/run", "--data", book).output == before)
      let shown = try autograd("inspect", path + "/run").output
      #expect(shown.split(separator: "\n").filter { $0.hasPrefix("transformer.") } == whole)
      try files.removeItem(atPath: path + "/run/part-1.safetensors")
      let missing = try autograd("evaluate", "--model", path + "/run", "--data", book)
      #expect(missing.status == 3)
      #expect(
        missing.errors == "error: \(path)/run/model.safetensors.index.json: index of shards: the shard "
          + "\"part-1.safetensors\" does not exist; get it again\n")
    }
  }
}
