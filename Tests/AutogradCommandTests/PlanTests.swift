import Foundation
import AutogradTestSupport
import Testing

/// Runs `autograd plan` as a person would.
@Suite("Plan") struct PlanTests {
  private let sizes = ["--n-layer", "3", "--n-embd", "32", "--n-head", "2", "--block-size", "16", "--batch-size", "4"]

  private func json(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try autograd(["plan", "--json"] + arguments)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  @Test("parts add up; the arena is that of the run")
  func parts() throws {
    let outcome = try autograd(["plan"] + sizes)
    #expect(outcome.status == 0, "\(outcome.errors)")
    for name in ["parameters ", "gradients ", "optimiser state ", "activations ", "  2 blocks of ", "data ", "total "] {
      #expect(outcome.output.contains("\n" + name), "\(outcome.output)")
    }
    let plan = try json(sizes)
    func bytes(_ name: String) throws -> Int { try #require(plan[name + "_bytes"] as? Int, "\(name)") }
    let names = ["parameter", "gradient", "optimizer", "arena", "scratch", "data", "saving", "process"]
    #expect(try names.reduce(0) { $0 + (try bytes($1)) } == bytes("total"))
    let stages = try #require(plan["activation_bytes"] as? [String: Int])
    #expect(try stages.values.reduce(0, +) == bytes("arena"))
    try temporaryDirectory { path in
      let trained = try autograd(
        ["train", "--out", path, "--max-iters", "1", "--log-interval", "1", "--eval-iters", "1"] + sizes)
      #expect(trained.status == 0, "\(trained.errors)")
      let log = try String(contentsOfFile: path + "/log.jsonl", encoding: .utf8)
      #expect(try log.contains("\"arena_bytes\":\(bytes("arena"))"), "\(log)")
    }
  }

  @Test("--fit finds what fits, keeps the effective batch, and prints the command that does it")
  func fit() throws {
    let options = ["--n-layer", "6", "--n-embd", "64", "--n-head", "2", "--block-size", "128", "--threads", "1"]
    let asked = try json(options + ["--batch-size", "64"])
    let total = try #require(asked["total_bytes"] as? Int)
    #if SANITIZING
      // The process has hundreds of megabytes of the sanitizer's, which no batch makes fewer: half of the others.
      let limit = total - (total - (try #require(asked["process_bytes"] as? Int))) / 2
    #else
      let limit = total / 2
    #endif
    let chosen = try json(options + ["--batch-size=64", "--grad-accum", "2", "--fit", "\(limit)"])
    let batch = try #require(chosen["batch_size"] as? Int), accumulation = try #require(chosen["grad_accum"] as? Int)
    #expect(batch * accumulation == 128 && batch < 64)
    #expect(try #require(chosen["total_bytes"] as? Int) <= limit)
    let command = try #require(chosen["command"] as? String)
    let words = ["autograd", "train"] + options + ["--batch-size", "\(batch)", "--grad-accum", "\(accumulation)"]
    #expect(command == words.joined(separator: " "))
    let small = try autograd(["plan", "--fit", "40M", "--batch-size", "64", "--data", "a book's text.txt"])
    #expect(small.status == 3 && small.errors.contains("a book's text.txt: it does not exist"))
  }

  @Test("options as other programs spell them")
  func foreignNames() throws {
    let ours = try json(["--block-size", "16", "--grad-accum", "2", "--max-iters", "9", "--n-layer", "2"])
    let theirs = try json(["--ctx-size=16", "--gradient_accumulation_steps=2", "--iters", "9", "--n_layer=2"])
    for name in ["block_size", "grad_accum", "parameter_bytes", "arena_bytes"] {
      #expect(ours[name] as? Int != nil && ours[name] as? Int == theirs[name] as? Int, "\(name)")
    }
  }

  @Test("every option of train but --resume is one of plan's, and goes into the command that fits")
  func sameOptions() throws {
    let missing = try options(of: "train").subtracting(try options(of: "plan"))
    #expect(missing.subtracting(["--resume"]).isEmpty, "\(missing)")
    let saving = ["--keep", "3", "--save-every", "7", "--on-nonfinite", "stop", "--out", "x"]
    let command = try #require(try json(sizes + saving + ["--fit", "4G"])["command"] as? String)
    #expect(command.contains(saving.joined(separator: " ")))
    let refused = try autograd(["plan", "--keep", "0"])
    #expect(refused.status == 3)
    #expect(refused.errors == "error: the number of kept checkpoints must be at least 1, got 0\n")
    let resume = try autograd(["plan", "--resume", "x"])
    #expect(resume.status == 64 && resume.errors.hasPrefix("Error: Unknown option '--resume'"))
  }

  @Test("what is too large is shown all the same, with what is missing and exit code 4")
  func tooLarge() throws {
    let outcome = try autograd("plan", "--n-layer", "200", "--n-embd", "8192")
    #expect(outcome.status == 4)
    #expect(outcome.output.contains("\n  199 blocks of "))
    #expect(outcome.errors.hasPrefix("error: not enough memory: training needs "))
    #expect(outcome.errors.split(separator: "\n").count == 1)
  }

  @Test("--probe measures, and a recomputed model trains")
  func probe() throws {
    let plan = try json(sizes + ["--probe", "--recompute", "--max-iters", "1000"])
    let step = try #require(plan["seconds_per_step"] as? Double), run = try #require(plan["seconds_of_run"] as? Double)
    #expect(step > 0 && run > 999 * step)
    #expect(plan["recompute"] as? Bool == true)
  }
}
