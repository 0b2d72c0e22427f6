import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

/// An adapter from its training to a merged model, by commands.
@Suite("Adapters by command") struct AdapterCommandTests {
  private let sizes = [
    "--n-layer", "2", "--n-head", "2", "--n-embd", "32", "--block-size", "8", "--batch-size", "2", "--warmup-iters", "0",
    "--eval-iters", "1", "--threads", "1",
  ]

  private func run(_ arguments: [String]) throws -> Outcome {
    let outcome = try autograd(arguments)
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
    return outcome
  }

  private func fingerprint(_ outcome: Outcome) -> Substring? { outcome.output.firstMatch(of: /sha256  ([0-9a-f]{64})/)?.1 }

  /// A folder with a text and a model that was trained on it for a step, which is exported, too.
  private func withBase(_ family: String, _ body: (_ folder: String, _ train: [String]) throws -> Void) throws {
    try temporaryDirectory { path in
      let book = path + "/book.txt"
      try write(String(repeating: "the cat sat on the mat.\n", count: 60), book)
      let base = ["train", "--data", book, "--out", path + "/base", "--max-iters", "1", "--family", family]
      _ = try run(base + sizes)
      _ = try run(["export", path + "/base", "--format", "gguf", "--weights", "q8_0", "--out", path + "/base.gguf"])
      try body(
        path,
        [
          "train", "--data", book, "--init-from", path + "/base.gguf", "--batch-size", "2", "--warmup-iters", "0",
          "--eval-iters", "1", "--threads", "1", "--lora-rank", "4", "--lora-dropout", "0.1", "--lr-decay-iters", "6",
        ])
    }
  }

  @Test(
    "train, resume, inspect, evaluate, generate, merge: the same bits after a stop, and the merged model says the same",
    arguments: ["llama", "gpt2"])
  func chain(_ family: String) throws {
    try withBase(family) { path, train in
      let whole = try run(train + ["--out", path + "/whole", "--max-iters", "6"])
      _ = try run(train + ["--out", path + "/run", "--max-iters", "3"])
      let resumed = try run(["train", "--resume", path + "/run", "--max-iters", "6"])
      #expect(fingerprint(whole) != nil && fingerprint(resumed) == fingerprint(whole))
      let recomputed = try run(train + ["--out", path + "/again", "--max-iters", "6", "--recompute"])
      #expect(fingerprint(recomputed) == fingerprint(whole))
      let names = Set(try FileManager.default.contentsOfDirectory(atPath: path + "/run"))
      #expect(names.isSuperset(of: ["adapter_config.json", "adapter_model.safetensors"]) && !names.contains("model.safetensors"))
      let shown = try run(["inspect", path + "/run"]).output
      #expect(shown.contains("rank 4, counts 2.0") && shown.contains("base.gguf") && shown.contains("lora_A.weight"))
      #expect(try run(["inspect", path + "/run/checkpoints/step-00000006"]).output.contains("--lora-rank 4"))

      let say = ["--prompt", "the c", "--max-tokens", "3", "--temperature", "0"]
      let adapted = try run(["generate", "--model", path + "/run", "--weights", "f32"] + say).output
      let beside = ["generate", "--model", path + "/base.gguf", "--adapter", path + "/run", "--weights", "f32"]
      #expect(try run(beside + say).output == adapted)
      _ = try run(["merge", path + "/run", "--weights", "f32", "--out", path + "/merged"])
      #expect(try run(["generate", "--model", path + "/merged", "--weights", "f32"] + say).output == adapted)
      let book = ["--data", path + "/book.txt", "--json"]
      func loss(_ arguments: [String]) throws -> Double {
        let json = try JSON(parsing: Array(try run(["evaluate"] + arguments + book).output.utf8))
        return try #require(json["loss"]?.doubleValue)
      }
      let own = try loss(["--model", path + "/run"])
      #expect(abs(own - (try loss(["--model", path + "/merged"]))) < 1e-6)
      #expect(own < (try loss(["--model", path + "/base.gguf"])))
      let half = ["--adapter", path + "/run", "--adapter-scale", "0.5"]
      let between = try loss(["--model", path + "/base.gguf"] + half)
      #expect(between > own)
    }
  }

  @Test("forward in integers: it learns, goes on with the same bits, recomputes, and wants a quantised base")
  func integers() throws {
    try withBase("llama") { path, train in
      let train = train + ["--base-products", "integer"]
      let whole = try run(train + ["--out", path + "/whole", "--max-iters", "6"])
      _ = try run(train + ["--out", path + "/run", "--max-iters", "3"])
      let resumed = try run(["train", "--resume", path + "/run", "--max-iters", "6"])
      #expect(fingerprint(whole) != nil && fingerprint(resumed) == fingerprint(whole))
      let recomputed = try run(train + ["--out", path + "/again", "--max-iters", "6", "--recompute", "--threads", "2"])
      #expect(fingerprint(recomputed) == fingerprint(whole))
      let exact = try run(train + ["--out", path + "/exact", "--max-iters", "6", "--base-products", "exact"])
      #expect(fingerprint(exact) != fingerprint(whole))
      let refused = try autograd(train + ["--out", path + "/plain", "--base-weights", "f32"])
      #expect(refused.status == 3 && refused.errors.contains("no weights of small integers"), "\(refused.errors)")
    }
  }

  @Test("another base under an adapter is refused by its hash: by resume, and by those who use it; damage is a sentence")
  func otherBase() throws {
    try withBase("llama") { path, train in
      _ = try run(train + ["--out", path + "/run", "--max-iters", "2"])
      let base = try Data(contentsOf: URL(fileURLWithPath: path + "/base.gguf"))
      _ = try run(["export", path + "/base", "--format", "gguf", "--weights", "f32", "--out", path + "/base.gguf"])
      let resumed = try autograd("train", "--resume", path + "/run", "--max-iters", "4")
      #expect(resumed.status == 3 && resumed.errors.contains("has an adapter over weights with the SHA-256"), "\(resumed.errors)")
      let used = try autograd("generate", "--model", path + "/run", "--prompt", "the", "--max-tokens", "1")
      #expect(used.status == 3 && used.errors.contains("was made for weights with the SHA-256"), "\(used.errors)")
      #expect(used.errors.contains("(--any-base)"))
      _ = try run(["generate", "--model", path + "/run", "--prompt", "the", "--max-tokens", "1", "--any-base"])
      try base.write(to: URL(fileURLWithPath: path + "/base.gguf"))
      _ = try run(["train", "--resume", path + "/run", "--max-iters", "4"])
      let file = path + "/run/adapter_model.safetensors", bytes = try Data(contentsOf: URL(fileURLWithPath: file))
      try bytes.prefix(bytes.count - 3).write(to: URL(fileURLWithPath: file))
      let damaged = try autograd("generate", "--model", path + "/run", "--prompt", "the", "--max-tokens", "1")
      #expect(damaged.status == 3 && damaged.errors.contains("adapter_model.safetensors"), "\(damaged.errors)")
    }
  }

  /// Texts that end in nothing, a full stop or an exclamation mark, and pairs of which the one with a full stop is preferred.
  private func writePairs(_ path: String) throws {
    let words = ["cat", "dog", "sun", "mat", "ran", "saw"]
    func phrase(_ index: Int) -> String { (0..<3).map { words[(index * (3 + $0) + $0) % 6] }.joined(separator: " ") }
    try write(
      (0..<120).map { "{\"text\": \"\(phrase($0)) \(phrase($0 * 7 + 1))\(["", ".", "!"][$0 % 3])\"}\n" }.joined(),
      path + "/texts.jsonl")
    try write(
      (0..<60).map { index in
        let answer = " \(phrase(index * 5 + 2))"
        return "{\"prompt\": \"\(phrase(index))\", \"chosen\": \"\(answer).\", "
          + "\"rejected\": \"\(answer)\(["", "!"][index % 2])\"}\n"
      }.joined(), path + "/pairs.jsonl")
  }

  @Test("of preference pairs: margin and win rate rise, a stop in the middle leaves the same bits, memory is as planned")
  func preferences() throws {
    try temporaryDirectory { path in
      try writePairs(path)
      let sizes = [
        "--n-layer", "1", "--n-head", "2", "--n-embd", "32", "--block-size", "32", "--batch-size", "8", "--eval-iters", "2",
        "--threads", "1",
      ]
      _ = try run(
        ["train", "--data", path + "/texts.jsonl", "--out", path + "/base", "--max-iters", "30", "--family", "llama",
         "--learning-rate", "0.01"] + sizes)
      let train = [
        "train", "--init-from", path + "/base", "--data", path + "/pairs.jsonl", "--lora-rank", "4", "--batch-size", "2",
        "--grad-accum", "2", "--learning-rate", "0.002", "--eval-interval", "10", "--eval-iters", "3", "--threads", "1",
        "--dpo-beta", "0.2", "--val-fraction", "0.2", "--lr-decay-iters", "40", "--warmup-iters", "0",
      ]
      let whole = try run(train + ["--out", path + "/whole", "--max-iters", "40"])
      _ = try run(train + ["--out", path + "/run", "--max-iters", "17"])
      let resumed = try run(["train", "--resume", path + "/run", "--max-iters", "40"])
      #expect(fingerprint(whole) != nil && fingerprint(resumed) == fingerprint(whole))
      let recomputed = try run(train + ["--out", path + "/again", "--max-iters", "40", "--recompute", "--threads", "2"])
      #expect(fingerprint(recomputed) == fingerprint(whole))
      let log = try String(contentsOfFile: path + "/whole/log.jsonl", encoding: .utf8).split(separator: "\n")
        .map { try JSON(parsing: Array($0.utf8)) }
      let margins = log.compactMap { $0["val_margin"]?.doubleValue }, wins = log.compactMap { $0["val_win_rate"]?.doubleValue }
      #expect(margins.count == 4 && zip(margins, margins.dropFirst()).allSatisfy { $0 < $1 } && margins[0] > 0, "\(margins)")
      #expect(wins.last == 1 && log.contains { $0["margin"] != nil })
      #expect(whole.output.contains("win rate 1.0000"))
      let plan = try run(["plan"] + train.dropFirst())
      #expect(plan.output.contains("batches of 2 × 32 tokens"), "\(plan.output)")
    }
  }

  @Test("preference pairs want an adapter, come alone, and say what is wrong with a line")
  func refusedPairs() throws {
    try temporaryDirectory { path in
      try writePairs(path)
      for (lines, status, part) in [
        (["--data", "pairs.jsonl"], 64, "--lora-rank 16"),
        (["--data", "pairs.jsonl", "--data", "texts.jsonl"], 3, "preference pairs are learnt by themselves"),
        (["--data", "bad.jsonl"], 3, "\"rejected\" is neither a string nor a list"),
      ] as [([String], Int32, String)] {
        try write("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": 3}\n", path + "/bad.jsonl")
        let data = lines.map { $0.hasSuffix(".jsonl") ? path + "/" + $0 : $0 }
        let outcome = try autograd(["train", "--max-iters", "1"] + data + ["--out", path + "/out"])
        #expect(outcome.status == status && outcome.errors.contains(part), "\(lines): \(outcome.errors)")
      }
    }
    try withBase("llama") { path, train in
      let outcome = try autograd(train + ["--out", path + "/run", "--dpo-beta", "0.3"])
      #expect(outcome.status == 64 && outcome.errors.contains("--dpo-beta means nothing"), "\(outcome.errors)")
    }
  }

  @Test("what is read is not written over, and a run of the other kind leaves nothing that is opened in its place")
  func inputsStay() throws {
    try withBase("llama") { path, train in
      _ = try run(train + ["--out", path + "/run", "--max-iters", "2"])
      for arguments in [
        ["merge", path + "/run", "--out", path + "/run"],
        ["merge", path + "/run", "--format", "gguf", "--out", path + "/base.gguf"],
        ["merge", path + "/run", "--format", "gguf", "--out", path + "/run/adapter_model.safetensors"],
        ["merge", path + "/base.gguf", "--adapter", path + "/run", "--out", path + "/run"],
        ["export", path + "/base", "--format", "gguf", "--out", path + "/base/model.safetensors"],
        ["train", "--data", path + "/book.txt", "--init-from", path + "/base", "--lora-rank", "2", "--out", path + "/base"],
      ] {
        let outcome = try autograd(arguments)
        #expect(outcome.status == 3 && outcome.errors.contains("(--out)"), "\(arguments): \(outcome.errors)")
      }
      _ = try run(["export", path + "/base", "--format", "hf", "--out", path + "/hub"])
      try write("a template of before", path + "/hub/chat_template.jinja")
      _ = try run(["export", path + "/base", "--format", "hf", "--out", path + "/hub"])
      #expect(!FileManager.default.fileExists(atPath: path + "/hub/chat_template.jinja"))
      // The run's folder gets a whole model, then an adapter again.
      let whole = ["train", "--data", path + "/book.txt", "--out", path + "/run", "--max-iters", "1"] + sizes
      _ = try run(whole)
      #expect(!(try run(["inspect", path + "/run"]).output.contains("rank 4")))
      _ = try run(train + ["--out", path + "/run", "--max-iters", "1"])
      #expect(try run(["inspect", path + "/run"]).output.contains("rank 4"))
      #expect(!FileManager.default.fileExists(atPath: path + "/run/model.safetensors"))
    }
  }

  @Test("a base that was moved is named anew; weights that give no numbers end with 6")
  func movedBase() throws {
    try withBase("llama") { path, train in
      _ = try run(train + ["--out", path + "/run", "--max-iters", "2"])
      let whole = try run(train + ["--out", path + "/whole", "--max-iters", "4"])
      try FileManager.default.moveItem(atPath: path + "/base.gguf", toPath: path + "/moved.gguf")
      let lost = try autograd("train", "--resume", path + "/run", "--max-iters", "4")
      #expect(lost.status == 3 && lost.errors.contains("name its new place with --init-from"), "\(lost.errors)")
      let found = try run(["train", "--resume", path + "/run", "--max-iters", "4", "--init-from", path + "/moved.gguf"])
      #expect(fingerprint(found) == fingerprint(whole))
      let extreme = ["--init-from", path + "/moved.gguf", "--lora-alpha", "1e38", "--max-iters", "2", "--out", path + "/nan"]
      let outcome = try autograd(train + extreme)
      #expect(outcome.status == 6 && outcome.errors.contains("give no numbers any more"), "\(outcome.errors)")
    }
  }

  @Test("what means nothing is refused, and says why")
  func refused() throws {
    for (arguments, part) in [
      (["--lora-alpha", "8"], "--lora-alpha means nothing without --lora-rank"),
      (["--lora-rank", "8"], "name that with --init-from"),
      (["--lora-rank", "8", "--init-from", "x", "--dropout", "0.1"], "--dropout means nothing with --lora-rank"),
      (["--lora-rank", "8", "--init-from", "x", "--weights", "bf16"], "--weights means nothing with --lora-rank"),
      (["--epochs", "2", "--max-iters", "3"], "--epochs and --max-iters both say how long the run is"),
    ] {
      let outcome = try autograd(["train"] + arguments)
      #expect(outcome.status == 64 && outcome.errors.contains(part), "\(arguments): \(outcome.errors)")
    }
    try withBase("llama") { path, train in
      let names = try autograd(train + ["--out", path + "/run", "--lora-target", "c_attn"])
      #expect(names.status == 3 && names.errors.contains("q_proj, k_proj, v_proj"), "\(names.errors)")
      let rank = try autograd(train + ["--out", path + "/run", "--lora-rank", "9223372036854775807"])
      #expect(rank.status == 3 && rank.errors.contains("must lie between 1 and 4096"), "\(rank.errors)")
      #expect(!FileManager.default.fileExists(atPath: path + "/run"))
      let scale = try autograd("generate", "--model", path + "/base", "--adapter-scale", "2")
      #expect(scale.status == 64 && scale.errors.contains("--adapter-scale means nothing without --adapter"))
      let merged = try autograd("merge", path + "/base", "--out", path + "/m")
      #expect(merged.status == 3 && merged.errors.contains("is no adapter"), "\(merged.errors)")
    }
  }

  @Test("epochs are worked out from the windows that there are; patience ends a run with the weights that were best")
  func lengths() throws {
    try temporaryDirectory { path in
      let book = path + "/book.txt"
      try write(String(repeating: "abcdefgh", count: 100), book)
      let train = ["train", "--data", book] + sizes
      let epochs = try run(train + ["--out", path + "/epochs", "--epochs", "2", "--val-fraction", "0.1"])
      // 720 tokens to train on: 89 windows of 8 and one more, two in a step.
      #expect(epochs.output.contains("step 89/89"), "\(epochs.output)")
      let stories = try autograd("train", "--out", path + "/stories", "--epochs", "1")
      #expect(stories.status == 3 && stories.errors.contains("--epochs means nothing for stories"))
      let wild = ["--learning-rate", "5", "--eval-interval", "2", "--patience", "2", "--max-iters", "60", "--grad-clip", "0"]
      let patient = try run(train + ["--out", path + "/patient"] + wild)
      let ended = try #require(patient.output.firstMatch(of: /ended after step (\d+): no evaluation since that of step (\d+)/))
      #expect(Int(ended.1)! == Int(ended.2)! + 4)
      let best = path + "/patient/checkpoints/step-" + String(repeating: "0", count: 8 - ended.2.count) + ended.2
      let model = try Data(contentsOf: URL(fileURLWithPath: path + "/patient/model.safetensors"))
      let kept = try Data(contentsOf: URL(fileURLWithPath: best + "/model.safetensors"))
      #expect(model == kept)
    }
  }
}
