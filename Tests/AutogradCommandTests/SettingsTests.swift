import AutogradTestSupport
import Foundation
import Testing

/// Settings at their ends, schedules that change on a resume, advice that can be followed.
@Suite("Settings of runs") struct SettingsTests {
  private let sizes = [
    "--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "2", "--eval-iters", "1",
    "--threads", "1",
  ]

  @Test("every count at the end of its type is a sentence or a run, for train, plan and bench step")
  func ends() throws {
    let help = try autograd("train", "--help").output.split(separator: "\n")
    let counts = help.filter { $0.contains(" <n> ") && !$0.contains("--seed") && !$0.contains("--threads") && !$0.contains("--lora") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }
    #expect(counts.count >= 14)
    try temporaryDirectory { path in
      for option in counts {
        let steps = option == "--max-iters" ? [] : ["--max-iters", "1"]
        let outcome = try autograd(
          ["train", "--out", path + "/run"] + sizes + steps + ["\(option)=9223372036854775807"])
        #expect(outcome.status == 3 || outcome.status == 4, "\(option): \(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.contains("9223372036854775807"), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: path + "/run"))
        let plan = try autograd(["plan"] + sizes + ["\(option)=9223372036854775807"])
        #expect(plan.errors.hasPrefix("error: "), "plan \(option): \(plan.errors)")
      }
      for arguments in [["--steps", "9223372036854775807"], ["--batch-size", "9223372036854775807"]] {
        let outcome = try autograd(["bench", "step"] + arguments)
        #expect(outcome.errors.lowercased().hasPrefix("error: "), "\(arguments): \(outcome.errors)")
      }
      // As far as ranges go, nothing overflows on the way.
      let most = ["--warmup-iters", "--lr-decay-iters", "--eval-interval", "--log-interval", "--save-every", "--keep"]
      let far = try autograd(
        ["train", "--out", path + "/run", "--max-iters", "2"] + sizes + most.flatMap { [$0, "1000000000000"] })
      #expect(far.status == 0, "\(far.errors)")
    }
  }

  /// The learning rate of each step that a run has logged.
  private func rates(_ run: String) throws -> [Int: Double] {
    let log = try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8)
    var rates: [Int: Double] = [:]
    for line in log.split(separator: "\n") {
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      if let step = object?["step"] as? Int, let rate = object?["lr"] as? Double { rates[step] = rate }
    }
    return rates
  }

  @Test("a finished run that goes on for more steps has a rate to learn with, and says which; another end can be given")
  func resumedSchedule() throws {
    try temporaryDirectory { path in
      let run = path + "/run"
      let first = try autograd(
        ["train", "--out", run, "--max-iters", "10", "--warmup-iters", "2", "--min-lr", "0", "--log-interval", "1"] + sizes)
      #expect(first.status == 0 && first.errors.isEmpty, "\(first.errors)")
      let second = try autograd("train", "--resume", run, "--max-iters", "20")
      #expect(second.status == 0)
      #expect(
        second.errors.hasPrefix(
          "warning: the learning rate falls until step 20 now, the new end of the run, not until step 10: step 11 has "),
        "\(second.errors)")
      let stretched = try rates(run)
      #expect(try #require(stretched[11]) > 1e-4 && #require(stretched[20]) < #require(stretched[11]))
      // An end of its own stays, and that nothing is learnt is said; a new one is taken.
      let third = try autograd("train", "--resume", run, "--max-iters", "23", "--lr-decay-iters", "20")
      #expect(
        third.errors == "warning: from step 20 to the end at 23 the learning rate stays at its minimum, 0.0, and nothing is "
          + "learnt; let it fall for more steps\n")
      let fourth = try autograd("train", "--resume", run, "--max-iters", "26", "--lr-decay-iters", "30")
      #expect(fourth.status == 0 && fourth.errors.isEmpty, "\(fourth.errors)")
      #expect(try #require(rates(run)[26]) > 0)
    }
  }

  @Test("what is advised where a text is too short works, and names what the command has")
  func shortTexts() throws {
    try temporaryDirectory { path in
      let text = path + "/text", out = ["--out", path + "/run", "--max-iters", "1"]
      try Data(String(repeating: "abcd ", count: 40).utf8).write(to: URL(fileURLWithPath: text))
      func train(_ more: [String]) throws -> Outcome {
        try autograd(["train", "--data", text] + out + sizes + more)
      }
      let short = try train(["--block-size", "60"])
      #expect(
        short.errors == "error: the validation part has 20 tokens, but one window of block size 60 takes 60 + 1; give more "
          + "text, or a block size of at most 19, or a validation fraction of 0.31\n")
      #expect(try train(["--block-size", "19"]).status == 0)
      #expect(try train(["--block-size", "60", "--val-fraction", "0.31"]).status == 0)
      let stays = try autograd("train", "--resume", path + "/run", "--val-fraction", "0.5")
      #expect(stays.status == 3 && stays.errors.contains("--val-fraction 0.31 (not 0.5)"), "\(stays.errors)")
      let stories = try autograd("train", "--val-fraction", "0.5")
      #expect(stories.status == 64 && stories.errors.hasPrefix("Error: --val-fraction means nothing without --data"))
      try Data("a".utf8).write(to: URL(fileURLWithPath: text))
      let one = try train([])
      #expect(
        one.errors == "error: the training part has 0 tokens, but one window of block size 8 takes 8 + 1; give more text\n")
      let measured = try autograd("evaluate", "--model", path + "/run", "--data", text)
      #expect(
        measured.errors == "error: the text has 1 token, and each is predicted from those before it; give a text of at "
          + "least 2 tokens\n")
    }
  }
}
