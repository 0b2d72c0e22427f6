import Foundation
import AutogradTestSupport
import Testing

/// Runs the built `autograd` as a person would, and compares what it says.
@Suite("Command") struct CommandTests {
  @Test("trains, reports, saves, and generates the same text for the same seed")
  func trainAndGenerate() throws {
    try temporaryDirectory { path in
      try write(String(repeating: "she sells sea shells on the sea shore. ", count: 60), path + "/text.txt")
      let trained = try autograd(
        "train", "--data", path + "/text.txt", "--out", path + "/model", "--n-layer", "1", "--n-head", "2", "--n-embd",
        "16", "--block-size", "16", "--batch-size", "4", "--max-iters", "40", "--warmup-iters", "4", "--log-interval",
        "20", "--eval-interval", "20", "--eval-iters", "2", "--threads", "2")
      #expect(trained.status == 0, "\(trained.errors)")
      let lines = trained.output.split(separator: "\n")
      #expect(lines[0].contains("parameters; 2106 training and 234 validation tokens; arena "))
      #expect(lines[1].hasPrefix("step 20/40  loss "))
      for part in ["  lr ", " tokens/s  ", " left  arena "] { #expect(lines[1].contains(part)) }
      #expect(lines[4].hasPrefix("step 40/40  train loss "))
      #expect(lines[4].contains("  validation loss "))
      for name in ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json", "log.jsonl", "curve.svg"] {
        #expect(FileManager.default.fileExists(atPath: path + "/model/" + name), "\(name)")
      }
      let drawing = [
        "generate", "--model", path + "/model", "--prompt", "she ", "--max-tokens", "30", "--seed", "3", "--context-shift",
      ]
      let first = try autograd(drawing), again = try autograd(drawing)
      #expect(first.status == 0, "\(first.errors)")
      #expect(first.output.hasPrefix("she "))
      #expect(first.output.count == 4 + 30 + 1)
      #expect(first.output == again.output)
      let unknown = try autograd("generate", "--model", path + "/model", "--prompt", "shé")
      #expect(unknown.status == 3)
      #expect(unknown.errors.contains("'é' (U+00E9) at position 2"))
    }
  }

  @Test("bad data: one sentence with the path, exit code 3")
  func badData() throws {
    try temporaryDirectory { path in
      try write("", path + "/empty.txt")
      try write("too short", path + "/short.txt")
      try Data([0x61, 0xFF]).write(to: URL(fileURLWithPath: path + "/binary.txt"))
      let cases = [
        ("/missing.txt", "cannot read \(path)/missing.txt: it does not exist"), ("/empty.txt", "\(path)/empty.txt"),
        ("/short.txt", "tokens"), ("/binary.txt", "\(path)/binary.txt"), ("", "\(path)/binary.txt is not UTF-8 at byte 1"),
      ]
      for (name, sentence) in cases {
        let outcome = try autograd("train", "--data", path + name, "--out", path + "/model")
        #expect(outcome.status == 3, "\(name): \(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: "), "\(name): \(outcome.errors)")
        #expect(outcome.errors.contains(sentence), "\(name): \(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
      }
    }
  }

  @Test("usage errors name the option, exit code 64")
  func usage() throws {
    let unknown = try autograd("train", "--data", "x", "--out", "y", "--max-iter", "5")
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("Unknown option '--max-iter'. Did you mean '--max-iters'?"))
    let missing = try autograd("evaluate", "--model", "y")
    #expect(missing.status == 64)
    #expect(missing.errors.contains("give one of --data and --task"))
    let preset = try autograd("train", "--preset", "huge")
    #expect(preset.status == 64)
    #expect(preset.errors.contains("there is no preset 'huge'; choose one of tiny, small, medium, large"))
    let number = try autograd("train", "--data", "x", "--out", "y", "--n-layer", "four")
    #expect(number.status == 64)
    #expect(number.errors.contains("'four' is invalid for '--n-layer <n>'"))
    let threads = try autograd("train", "--data", "x", "--out", "y", "--threads", "0")
    #expect(threads.status == 64)
    #expect(threads.errors.contains("--threads must lie between 1 and 256, got 0"))
  }

  @Test("impossible sizes: a sentence and exit code 3")
  func sizes() throws {
    try temporaryDirectory { path in
      try write(String(repeating: "some text to learn. ", count: 100), path + "/text.txt")
      let outcome = try autograd("train", "--data", path + "/text.txt", "--out", path + "/m", "--n-embd", "10", "--n-head", "3")
      #expect(outcome.status == 3)
      #expect(
        outcome.errors == "error: 10 channels do not divide into 3 heads; make the channels a multiple of the heads (--n-embd, --n-head)\n")
    }
  }

  @Test("help fits a screen and ends in two examples; the version names the instruction set")
  func help() throws {
    for command in ["train", "plan", "generate", "chat", "evaluate", "inspect", "export", "merge", "bench", "doctor"] {
      let outcome = try autograd(command, "--help"), lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(outcome.status == 0)
      // Eight lines of these are an adapter's, under a title of their own.
      let most = ["train": 90, "plan": 90, "chat": 65][command] ?? 55
      #expect(lines.count <= most, "\(command): \(lines.count) lines")
      #expect(lines.suffix(4).first == "EXAMPLES:")
      #expect(lines.suffix(3).prefix(2).allSatisfy { $0.hasPrefix("  autograd \(command)") })
    }
    let root = try autograd("--help").output
    let codes = [
      "   0  done", "   3  a file, a text or settings that cannot be used",
      "   4  not enough memory, found out before the first step", "   5  the disk failed or is full, or the output could not be written",
      "   6  a loss or gradient is not a number",
      "   7  another process writes to the run's folder", "   8  a checkpoint is damaged, or none can be used",
      "  64  the command line is wrong",
    ]
    #expect(root.contains("\nEXIT CODES:\n" + codes.joined(separator: "\n") + "\n\nEXAMPLES:\n"), "\(root)")
    let version = try autograd("--version")
    #expect(version.output.hasPrefix("autograd "))
    #expect(["(baseline)", "(avx2)", "(avx512)"].contains { version.output.contains($0) })
  }
}
