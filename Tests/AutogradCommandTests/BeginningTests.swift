import Foundation
import AutogradTestSupport
import Testing

/// Runs from their beginning: killed before their first checkpoint, from a model's weights, with contradicting options.
@Suite("Beginning") struct BeginningTests {
  private static let sizes = ["--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8"]
  private static let pace = [
    "--batch-size", "2", "--lr-decay-iters", "20", "--warmup-iters", "2", "--eval-interval", "10", "--eval-iters", "1",
    "--threads", "1",
  ]

  private func options(_ path: String, _ out: String = "run", sizes: [String] = sizes) throws -> [String] {
    let text = path + "/text.txt"
    if !FileManager.default.fileExists(atPath: text) {
      try Data(String(repeating: "how much wood would a woodchuck chuck? ", count: 20).utf8)
        .write(to: URL(fileURLWithPath: text))
    }
    return ["train", "--data", text, "--out", "\(path)/\(out)"] + sizes + Self.pace
  }

  /// Starts a run that never saves, and kills it in its first steps.
  private func kill(_ arguments: [String]) throws {
    let endless = arguments + ["--max-iters", "100000000", "--save-every", "0", "--log-interval", "1"]
    let (process, _) = try start(endless, until: "step 3/")
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  @Test(
    "killed before its first checkpoint, a run is named by its folder alone and ends with the same bits",
    .timeLimit(.minutes(1)))
  func beginsAgain() throws {
    try temporaryDirectory { path in
      let whole = try autograd(try options(path, "whole") + ["--max-iters", "20", "--recompute"])
      let expected = try #require(fingerprint(whole)), run = path + "/run"
      try kill(try options(path) + ["--recompute"])
      #expect(!FileManager.default.fileExists(atPath: run + "/checkpoints"))
      let other = try autograd("train", "--resume", run, "--beta1", "0.5", "--n-layer", "3")
      #expect(other.status == 3)
      #expect(
        other.errors
          == "error: the run in \(run) was begun with --beta1 0.9 (not 0.5), --n-layer 1 (not 3); leave these options "
          + "out, or start a new run, without --resume\n")
      let again = try autograd("train", "--resume", run, "--max-iters", "20", "--threads", "2")
      #expect(again.output.hasPrefix("no checkpoint in \(run) yet: starting afresh\n"), "\(again.errors)")
      #expect(fingerprint(again) == expected)
      // Whether blocks are computed again is a setting of the run, and may change.
      let last = run + "/checkpoints/step-00000020"
      #expect(try autograd("inspect", last).output.contains(" --recompute"))
      #expect(try autograd("train", "--resume", run, "--max-iters", "22").status == 0)
      #expect(try autograd("inspect", run + "/checkpoints/step-00000022").output.contains(" --recompute"))
      #expect(try autograd("train", "--resume", run, "--max-iters", "24", "--no-recompute").status == 0)
      #expect(try autograd("inspect", run + "/checkpoints/step-00000024").output.contains(" --no-recompute"))
    }
  }

  @Test(
    "a run from a model's weights begins again with them, and not with others; another --init-from is named",
    .timeLimit(.minutes(1)))
  func beginsAgainFromWeights() throws {
    try temporaryDirectory { path in
      let model = path + "/model", run = path + "/run", from = ["--init-from", path + "/model"]
      #expect(try autograd(try options(path, "model") + ["--max-iters", "3"]).status == 0)
      let plain = try options(path, sizes: [])
      let whole = try autograd(try options(path, "whole", sizes: []) + from + ["--max-iters", "20"])
      let expected = try #require(fingerprint(whole))
      try kill(plain + from)
      let contradicting = ["train", "--resume", run, "--init-from", path + "/whole"]
      let sentence = "with --init-from \(model) (not \(path)/whole); leave these options out"
      let early = try autograd(contradicting)
      #expect(early.status == 3 && early.errors.contains("was begun " + sentence), "\(early.errors)")
      // The same model is no contradiction, in whatever words.
      let again = try autograd(["train", "--resume", run, "--max-iters", "20", "--init-from", path + "/./model"])
      #expect(fingerprint(again) == expected, "\(again.errors)")
      let late = try autograd(contradicting)
      #expect(late.status == 3 && late.errors.contains("was made " + sentence), "\(late.errors)")
      try FileManager.default.removeItem(atPath: run + "/checkpoints")
      #expect(try autograd("train", "--resume", model, "--max-iters", "4").status == 0)
      let others = try autograd("train", "--resume", run)
      #expect(others.status == 3)
      let difference = "error: the weights in \(model) are not those that the run began with ("
      #expect(others.errors.hasPrefix(difference), "\(others.errors)")
    }
  }

  @Test("a new run where one had ended leaves nothing of the old beginning, whenever it is killed")
  func newBeginning() throws {
    try temporaryDirectory { path in
      _ = try autograd(try options(path) + ["--max-iters", "2"])
      let before = try Data(contentsOf: URL(fileURLWithPath: path + "/run/run.json"))
      try kill(try options(path) + ["--beta1", "0.5"])
      let after = try Data(contentsOf: URL(fileURLWithPath: path + "/run/run.json"))
      #expect(before != after)
      let outcome = try autograd("train", "--resume", path + "/run", "--max-iters", "2", "--beta1", "0.5")
      #expect(outcome.output.contains("starting afresh"), "\(outcome.errors)")
    }
  }

  @Test("a damaged beginning is told, exit code 8")
  func damagedBeginning() throws {
    try temporaryDirectory { path in
      try kill(try options(path))
      let file = URL(fileURLWithPath: path + "/run/run.json")
      let text = try String(contentsOf: file, encoding: .utf8).replacing("\"beta1\"", with: "\"beta7\"")
      try Data(text.utf8).write(to: file)
      let outcome = try autograd("train", "--resume", path + "/run")
      #expect(outcome.status == 8)
      #expect(outcome.errors == "error: \(file.path) is damaged: the key \"beta1\" is missing\n")
    }
  }

  @Test(
    "options that contradict the model of --init-from are named, exit code 64; dropout is no part of its weights",
    arguments: [
      ("--n-layer 2", "--n-layer 2 (it has 1)"), ("--n-head 2", "--n-head 2 (it has 1)"),
      ("--n-embd 16 --bias", "--n-embd 16 (it has 8), --bias (it has none)"),
      ("--block-size 9", "--block-size 9 (its context is 8)"),
      ("--preset tiny --n-embd 8 --block-size 8", "--preset tiny, which says --n-layer 2 (it has 1)"),
      ("--n-layer 1 --n-head 1 --n-embd 8 --no-bias --block-size 4 --dropout 0.25", ""),
    ])
  func sizesOfModel(given: String, complaint: String) throws {
    try temporaryDirectory { path in
      _ = try autograd(try options(path, "model") + ["--max-iters", "0"])
      let outcome = try autograd(
        try options(path, sizes: given.split(separator: " ").map(String.init))
          + ["--init-from", path + "/model", "--max-iters", "1"])
      if complaint.isEmpty {
        #expect(outcome.status == 0, "\(outcome.errors)")
        let settings = try autograd("inspect", path + "/run/checkpoints/step-00000001").output
        #expect(settings.contains(" --dropout 0.25 ") && settings.contains(" --block-size 4 "))
      } else {
        #expect(outcome.status == 64)
        let first = String(outcome.errors.split(separator: "\n").first ?? "")
        #expect(first.hasPrefix("Error: the model in \(path)/model contradicts " + complaint), "\(first)")
        #expect(!FileManager.default.fileExists(atPath: path + "/run"))
      }
    }
  }
}
