import Foundation
import AutogradTestSupport
import Testing

/// The names of all options in a command's help.
func options(of command: String) throws -> Set<String> {
  let words = try autograd(command, "--help").output.split { " \n/,()".contains($0) }
  return Set(words.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0.isLetter || $0.isNumber || $0 == "-" }) })
}

/// What a resume makes of each of train's options. An option that nobody has thought of fails here.
@Suite("Options on resume") struct OptionTests {
  /// Values unlike those of the run, which a resume has to refuse by name.
  private static let contradicting: [String: [String]] = [
    "--init-from": ["elsewhere"], "--n-layer": ["2"], "--n-head": ["2"], "--n-embd": ["16"], "--block-size": ["4"],
    "--dropout": ["0.5"], "--bias": [], "--batch-size": ["3"], "--grad-accum": ["2"], "--optimizer": ["sgd"],
    "--learning-rate": ["0.5"], "--min-lr": ["0.25"], "--schedule": ["linear"], "--warmup-iters": ["9"],
    "--weight-decay": ["0.75"], "--beta1": ["0.5"], "--beta2": ["0.5"], "--grad-clip": ["3"],
    "--eval-iters": ["2"], "--precision": ["bf16"], "--seed": ["1"], "--family": ["llama"], "--n-kv-head": ["3"],
    "--head-dim": ["5"], "--n-inner": ["77"], "--rope-theta": ["500.0"], "--sliding-window": ["4"],
    "--no-tie-word-embeddings": [], "--epochs": ["0.5"],
    "--freeze": ["wte.weight"],
  ]
  /// Values unlike those of the run, which a resume takes.
  private static let changing: [String: [String]] = [
    "--max-iters": ["3"], "--eval-interval": ["7"], "--log-interval": ["7"], "--save-every": ["7"], "--keep": ["7"],
    "--on-nonfinite": ["stop"], "--recompute": [], "--lr-decay-iters": ["9"], "--weights": ["bf16"],
    "--patience": ["7"],
  ]
  /// No settings: places, the machine, the opposite of a flag above, what stands for several settings or for none.
  /// --data and what goes with it have tests of their own, so have an adapter's options (AdapterCommandTests), and the preset's settings are checked one by one.
  private static let others: Set = [
    "--data", "--out", "--resume", "--preset", "--threads", "--trace", "--no-bias", "--no-recompute", "--help",
    "--version", "--val-fraction", "--data-weights", "--keep-documents-apart", "--no-keep-documents-apart", "--ctx-size",
    "--iters", "--tokenizer", "--chat-template", "--mask-prompt", "--no-mask-prompt", "--gradient-accumulation-steps", "--intermediate-size", "--tie-word-embeddings",
    "--lora-rank", "--lora-alpha", "--lora-dropout", "--lora-target", "--rslora", "--no-rslora", "--base-weights",
    "--base-products", "--dpo-beta",
  ]

  @Test("each option is refused by name where it contradicts, is taken over, or is no setting")
  func complete() throws {
    let known = Set(Self.contradicting.keys).union(Self.changing.keys).union(Self.others)
    #expect(try options(of: "train") == known)
    try temporaryDirectory { path in
      let sizes = ["--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "2"]
      #expect(try autograd(["train", "--out", path, "--max-iters", "1", "--eval-iters", "1"] + sizes).status == 0)
      func resumed(_ given: [String: [String]]) throws -> Outcome {
        try autograd(["train", "--resume", path] + given.sorted { $0.key < $1.key }.flatMap { [$0.key] + $0.value })
      }
      let refused = try resumed(Self.contradicting)
      #expect(refused.status == 3)
      for (name, value) in Self.contradicting {
        let own = ["--bias": "--no-bias", "--no-tie-word-embeddings": "--tie-word-embeddings"][name] ?? name
        let clause = refused.errors.components(separatedBy: ", ").first { (" " + $0).contains(" \(own) ") } ?? "nothing"
        let asked = value.first ?? (name.hasPrefix("--no-") ? "no" : "yes")
        #expect(clause.contains(" (not \(asked)"), "\(name): \(clause) in \(refused.errors)")
      }
      let taken = try resumed(Self.changing)
      let shown = try autograd("inspect", path + "/checkpoints/step-00000003").output
      #expect(taken.status == 0, "\(taken.errors)")
      for (name, value) in Self.changing {
        #expect(shown.contains(([" " + name] + value).joined(separator: " ")), "\(name): \(shown)")
      }
    }
  }
}
