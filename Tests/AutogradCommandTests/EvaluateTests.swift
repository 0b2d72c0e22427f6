import AutogradTestSupport
import Foundation
import Testing

/// What `evaluate` and `inspect` say of models whose probabilities a test knows.
@Suite("Evaluate") struct EvaluateTests {
  private static let shares: [Character: Double] = ["a": 0.5, "b": 0.25, "é": 0.15, "中": 0.1]

  private func withModel(_ body: (String) throws -> Void) throws {
    try temporaryDirectory { path in
      var model = try TinyModel(Self.shares.mapValues { Float(log($0)) })
      model.contextLength = 5
      try model.write(to: path)
      try body(path)
    }
  }

  private func evaluated(_ text: String, _ path: String) throws -> [String: Any] {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/text"))
    let outcome = try autograd("evaluate", "--model", path, "--data", path + "/text", "--json")
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// Lengths around one and two windows of five tokens; losses of the windows differ, so that each token must count once.
  @Test(
    "loss, perplexity and bits per byte are those of the tokens' probabilities, however the last window falls",
    arguments: ["ab", "aéaaa", "aéaaa中", "aéaaa中b", "aaaaaabbbb中", "中中aaaaaaaaa", "éaaaaaaaaaa中", "aéb中aaaaéb中bbbbééé"])
  func numbers(text: String) throws {
    try withModel { path in
      let predicted = text.dropFirst()
      let total = predicted.reduce(0) { $0 - log(Self.shares[$1] ?? 0) }
      let report = try evaluated(text, path)
      func number(_ name: String) throws -> Double { try #require(report[name] as? Double) }
      let loss = total / Double(predicted.count)
      #expect(abs(try number("loss") - loss) < 2e-6)
      #expect(abs(try number("perplexity") / exp(loss) - 1) < 4e-6)
      #expect(abs(try number("bits_per_byte") - total / log(2) / Double(predicted.utf8.count)) < 4e-6)
      #expect(report["tokens"] as? Int == predicted.count)
      #expect(report["bytes"] as? Int == predicted.utf8.count && report["context"] as? Int == 5)
      #expect(report.count == 6)
    }
  }

  @Test("the same for people, in six lines")
  func lines() throws {
    try withModel { path in
      try Data("aab".utf8).write(to: URL(fileURLWithPath: path + "/text"))
      let outcome = try autograd("evaluate", "--model", path, "--data", path + "/text")
      #expect(
        outcome.output == """
          loss           1.0397 nats per token
          perplexity     2.828
          bits per byte  1.5000
          tokens         2
          bytes          2
          context        5

          """)
    }
  }

  @Test("one token predicts nothing: a sentence, exit code 3")
  func tooShort() throws {
    try withModel { path in
      try Data("a".utf8).write(to: URL(fileURLWithPath: path + "/text"))
      let outcome = try autograd("evaluate", "--model", path, "--data", path + "/text", "--json")
      #expect(outcome.status == 3 && outcome.output.isEmpty)
      #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
    }
  }

  @Test("logits that overflow are told with exit code 6, not shown as numbers", arguments: [[], ["--json"]] as [[String]])
  func overflow(options: [String]) throws {
    try temporaryDirectory { path in
      var model = try TinyModel(["a": 1, "b": 2])
      model.weights["ln_f.bias"] = [3e38, 0]
      model.weights["wte.weight"] = model.weights["wte.weight"]?.map { $0 * 1e30 }
      try model.write(to: path)
      try Data("abba".utf8).write(to: URL(fileURLWithPath: path + "/text"))
      let outcome = try autograd(["evaluate", "--model", path, "--data", path + "/text"] + options)
      #expect(outcome.status == 6 && outcome.output.isEmpty, "\(outcome.output)")
      #expect(outcome.errors.hasPrefix("error: the loss of \(path) on \(path)/text is "), "\(outcome.errors)")
      #expect(outcome.errors.contains("its logits overflow"))
    }
  }

  @Test("weights that are no numbers are named, and not called unfit")
  func notFinite() throws {
    try temporaryDirectory { path in
      var model = try TinyModel(["a": 1, "b": 2])
      model.weights["ln_f.weight"] = [0, .nan]
      try model.write(to: path)
      let outcome = try autograd("generate", "--model", path, "--prompt", "a")
      #expect(outcome.status == 3)
      #expect(outcome.errors.contains("model.safetensors: not all weights are finite numbers: "), "\(outcome.errors)")
      #expect(outcome.errors.contains("ln_f.weight holds nan at index 1"), "\(outcome.errors)")
    }
  }

  // MARK: A run, by defaults alone

  @Test("what a run leaves is evaluated, continued and inspected with nothing but its folder")
  func endToEnd() throws {
    try temporaryDirectory { path in
      let text = String(repeating: "the cat sat on the mat.\n", count: 40)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/book.txt"))
      let trained = try autograd(["train", "--data", path + "/book.txt", "--out", path + "/run"] + tinyRun)
      #expect(trained.status == 0, "\(trained.errors)")
      let report = try evaluated(text, path + "/run")
      #expect(report["tokens"] as? Int == text.count - 1)
      let loss = try #require(report["loss"] as? Double)
      #expect(loss > 0 && loss < 2 * log(Double(Set(text).count)))
      let generated = try autograd("generate", "--model", path + "/run", "--max-tokens", "500", "--context-shift")
      #expect(generated.status == 0 && generated.output.count == 502, "\(generated.errors)")
      #expect(Set(generated.output).isSubset(of: Set(text)))
      let inspected = try autograd("inspect", path + "/run").output
      #expect(inspected.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.contains("step-00000002") })
      let unwrapped = inspected.replacing("\n  tied", with: " tied").replacing("\n  head", with: " head")
      #expect(
        unwrapped.contains(
          "gpt2: 1 layers, 1 heads, 8 channels, context 8, vocabulary \(Set(text).count), no biases, tied head\n"),
        "\(inspected)")
      for part in [
        "parameters     ", "tokenizer      \(Set(text).count) tokens",
        "  [\(Set(text).count), 8]", "checkpoints:\n  \(path)/run/checkpoints/step-00000002  validation loss ",
        ", best, newest\n", "metadata step: 2\n",
      ] { #expect(inspected.contains(part), "\(part) in \(inspected)") }
      let checkpoint = try autograd("inspect", path + "/run/checkpoints/step-00000002")
      #expect(checkpoint.status == 0)
      for part in ["step             2 of 2, finished\n", "tokens seen      32\n", "verified         every file has"] {
        #expect(checkpoint.output.contains(part), "\(part) in \(checkpoint.output)")
      }
      // The checkpoint is a model folder, too.
      let same = try autograd(
        "evaluate", "--model", path + "/run/checkpoints/step-00000002", "--data", path + "/run/text", "--json")
      #expect(try JSONSerialization.jsonObject(with: Data(same.output.utf8)) as? [String: Double] == report as? [String: Double])
    }
  }
}
