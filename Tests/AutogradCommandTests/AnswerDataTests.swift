import AutogradTestSupport
import Foundation
import Testing

/// Conversations, prompts with completions and instructions, as the command reads them.
@Suite("Data with answers") struct AnswerDataTests {
  private let conversation =
    #"{"messages": [{"role": "user", "content": "one and one"}, {"role": "assistant", "content": "two"}]}"# + "\n"
  private let block = ["--block-size", "64"]

  private var conversations: String {
    (0..<30).map { number in
      #"{"messages": [{"role": "user", "content": "say \#(number)"}, {"role": "assistant", "content": "it is \#(number)"}]}"#
        + "\n"
    }.joined()
  }

  @Test("data shows what is learnt of conversations between « and », and where documents begin")
  func shown() throws {
    try temporaryDirectory { folder in
      try write(String(repeating: conversation, count: 20), folder + "/chat.jsonl")
      let arguments = ["data", folder + "/chat.jsonl", "--chat-template", "alpaca"] + block
      let people = try autograd(arguments)
      #expect(people.status == 0, "\(people.errors)")
      #expect(people.output.contains("### Instruction:↵one and one↵↵### Response:↵«two<|endoftext|>»\n"), "\(people.output)")
      #expect(people.output.contains("chat template") && people.output.contains("answers, between « and »"))
      let shown = try object(autograd(arguments + ["--json", "--windows", "1"]))
      #expect(shown["documents"] as? Int == 20 && shown["chat_template"] as? String == "alpaca")
      // 44 characters, and the end of a text.
      #expect(shown["tokens"] as? Int == 20 * 48 && shown["training"] as? Int == 18 * 48)
      let parts = try #require((shown["learnt"] as? [[[String: Any]]])?.first)
      #expect(parts.filter { $0["learnt"] as? Bool == true }.map { $0["text"] as? String } == ["two<|endoftext|>"])
      let all = try autograd(arguments + ["--no-mask-prompt"])
      #expect(all.output.contains("window 1         #«## Instruction:↵one and one"), "\(all.output)")
      let two = try autograd(["data", folder + "/chat.jsonl", "--chat-template", "alpaca", "--block-size", "128"])
      #expect(two.output.contains("»↵") || two.output.contains("» ¦ ### Instruction"), "\(two.output)")
    }
  }

  @Test("conversations train with bounds and masks, resume alone with the same bits, and are evaluated by their answers")
  func train() throws {
    try temporaryDirectory { folder in
      try write(conversations, folder + "/chat.jsonl")
      let run = folder + "/run", tiny = tinyRun + block + ["--max-iters", "4"]
      let data = ["train", "--data", folder + "/chat.jsonl", "--chat-template", "alpaca"]
      let whole = try autograd(data + ["--out", folder + "/whole"] + tiny)
      #expect(whole.status == 0, "\(whole.errors)")
      let first = try autograd(data + ["--out", run] + tiny + ["--max-iters", "2", "--lr-decay-iters", "4"])
      #expect(first.status == 0, "\(first.errors)")
      let resumed = try autograd("train", "--resume", run, "--max-iters", "4")
      #expect(resumed.status == 0 && fingerprint(resumed) == fingerprint(whole), "\(resumed.errors)")
      let other = try autograd("train", "--resume", run, "--max-iters", "6", "--chat-template", "zephyr")
      #expect(other.status == 3 && other.errors.contains("--chat-template alpaca (not zephyr)"), "\(other.errors)")
      let unmasked = try autograd(data + ["--out", folder + "/all", "--no-mask-prompt"] + tiny)
      #expect(unmasked.status == 0 && fingerprint(unmasked) != fingerprint(whole))
      let measured = try object(
        autograd("evaluate", "--model", run, "--data", folder + "/chat.jsonl", "--chat-template", "alpaca", "--json"))
      let answers = (0..<30).reduce(0) { $0 + "it is \($1)".utf8.count }
      #expect(measured["tokens"] as? Int == answers + 30 && measured["bytes"] as? Int == answers)
    }
  }

  @Test("batches of a step count by their answers: one of 8 windows is two of 4")
  func accumulation() throws {
    try temporaryDirectory { folder in
      let lines = (0..<60).map { number in
        let answer = String(repeating: "ab", count: 1 + number % 9)
        return #"{"prompt": "say \#(number) ", "completion": "\#(answer)"}"# + "\n"
      }
      try write(lines.joined(), folder + "/pairs.jsonl")
      func losses(_ batch: String, _ accumulation: String) throws -> [Double] {
        let out = folder + "/\(batch)"
        let outcome = try autograd(
          ["train", "--data", folder + "/pairs.jsonl", "--out", out] + tinyRun
            + ["--block-size", "24", "--batch-size", batch, "--grad-accum", accumulation, "--log-interval", "1"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let log = try String(contentsOfFile: out + "/log.jsonl", encoding: .utf8)
        return try log.split(separator: "\n").compactMap { line in
          let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
          return (event?["loss"] ?? event?["train/loss"]) as? Double
        }
      }
      let one = try losses("8", "1"), two = try losses("4", "2")
      #expect(one.count >= 2 && one.count == two.count)
      for (a, b) in zip(one, two) { #expect(abs(a - b) < 1e-5, "\(one) and \(two)") }
    }
  }

  @Test("a completion follows its prompt where there is no template; what does not fit is told")
  func pairs() throws {
    try temporaryDirectory { folder in
      let lines = (0..<20).map { #"{"prompt": "\#($0): ", "completion": "\#(String(repeating: "x", count: 3 * $0))"}"# + "\n" }
      try write(lines.joined(), folder + "/pairs.jsonl")
      let shown = try autograd("data", folder + "/pairs.jsonl", "--block-size", "16", "--windows", "60")
      #expect(shown.status == 0, "\(shown.errors)")
      #expect(shown.output.contains("1: «xxx<|endoftext|>»"), "\(shown.output)")
      #expect(shown.output.contains("15 documents cut after 16 tokens"), "\(shown.output)")
      let run = try autograd(
        ["train", "--data", folder + "/pairs.jsonl", "--out", folder + "/run"] + tinyRun + ["--block-size", "16"])
      #expect(run.status == 0 && run.output.contains("documents cut after 16 tokens"), "\(run.output)\(run.errors)")
      let tiny = try autograd("data", folder + "/pairs.jsonl", "--block-size", "2")
      #expect(tiny.status == 3 && tiny.errors.contains("none with an answer within its first 2 tokens"), "\(tiny.errors)")
    }
  }

  @Test("what cannot be is refused in a sentence", arguments: ["train", "data"])
  func refusals(command: String) throws {
    try temporaryDirectory { folder in
      let chat = folder + "/chat.jsonl", text = folder + "/text.txt", mixed = folder + "/mixed.jsonl"
      try write(String(repeating: conversation, count: 20), chat)
      try write(String(repeating: "plain text. ", count: 40), text)
      try write(String(repeating: conversation, count: 3) + #"{"text": "plain"}"# + "\n", mixed)
      func refusal(_ paths: [String], _ options: [String], _ status: Int32) throws -> String {
        let arguments = command == "data" ? ["data"] + paths : ["train", "--out", folder + "/run"] + paths.flatMap { ["--data", $0] }
        let outcome = try autograd(arguments + options)
        #expect(outcome.status == status, "\(outcome.errors)")
        return outcome.errors
      }
      #expect(try refusal([chat], [], 3).contains("name a chat template: chatml, "))
      #expect(try refusal([chat], ["--chat-template", "chatml"], 3).contains("the vocabulary has no \"<|im_start|>\""))
      #expect(
        try refusal([mixed], ["--chat-template", "alpaca"], 3)
          .contains("mixed.jsonl, line 4: the line holds texts, and those before hold conversations"))
      #expect(try refusal([chat], ["--chat-template", "nonsense"], 64).contains("--chat-template"))
      try FileManager.default.createDirectory(atPath: folder + "/both", withIntermediateDirectories: true)
      try write(String(repeating: conversation, count: 20), folder + "/both/a.jsonl")
      try write("text", folder + "/both/b.txt")
      #expect(
        try refusal([folder + "/both"], ["--chat-template", "alpaca"], 3).contains("name either by itself"))
      if command == "train" {
        #expect(try refusal([text], ["--chat-template", "alpaca"], 64).contains("means nothing for texts without questions"))
        #expect(try refusal([text], ["--no-mask-prompt"], 64).contains("--mask-prompt means nothing"))
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/run"))
    }
  }

  @Test("a model's own template that is not known is refused, with the hint to name one, which then does")
  func unknownTemplate() throws {
    try temporaryDirectory { folder in
      var model = try TinyModel(Dictionary(uniqueKeysWithValues: "#\n Instrucioedwa:Rp".map { ($0, 0) }))
      model.contextLength = 128
      try model.write(to: folder + "/")
      try write("{{ messages }}", folder + "/chat_template.jinja")
      try write(String(repeating: conversation, count: 4), folder + "/chat.jsonl")
      let evaluate = ["evaluate", "--model", folder, "--data", folder + "/chat.jsonl"]
      let unknown = try autograd(evaluate)
      #expect(unknown.status == 3 && unknown.errors.contains("own chat template is none that is known (SHA-256 "))
      #expect(unknown.errors.hasSuffix("none (--chat-template)\n") || unknown.errors.hasSuffix("alpaca (--chat-template)\n"))
      // The vocabulary has no token that ends an answer.
      let named = try autograd(evaluate + ["--chat-template", "alpaca"])
      #expect(named.status == 3 && named.errors.contains("no token that ends a text"), "\(named.errors)")
    }
  }

  @Test("conversations and plain texts are learnt together, each in its share")
  func together() throws {
    try temporaryDirectory { folder in
      try write(conversations, folder + "/chat.jsonl")
      try write(String(repeating: "just some text to read. ", count: 60), folder + "/text.txt")
      let outcome = try autograd(
        [
          "train", "--data", folder + "/chat.jsonl", "--data", folder + "/text.txt", "--chat-template", "alpaca", "--out",
          folder + "/run",
        ] + tinyRun + block)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
  }

  // MARK: Answers

  @Test("a question is answered by a template's opening, and its answer alone is shown; a conversation remembers")
  func answer() throws {
    try temporaryDirectory { folder in
      // After the opening of the template comes the first letter of the cycle.
      var model = try TinyModel(cycle: "#\n InstrucioRep:abdQ")
      model.contextLength = 64
      try model.write(to: folder)
      let arguments = [
        "generate", "--model", folder, "--chat", "--max-tokens", "4", "--temperature", "0", "--prompt", "Qa",
      ]
      let none = try autograd(arguments)
      #expect(none.status == 3 && none.errors.contains("brings no chat template"), "\(none.errors)")
      let lacking = try autograd(arguments + ["--chat-template", "chatml"])
      #expect(lacking.status == 3 && lacking.errors.contains("no \"<|im_start|>\""), "\(lacking.errors)")
      let answered = try autograd(arguments + ["--chat-template", "alpaca"])
      #expect(answered.status == 0 && answered.output == " Ins\n", "\(answered.output)\(answered.errors)")
      let useless = try autograd("generate", "--model", folder, "--chat-template", "alpaca")
      #expect(useless.status == 64 && useless.errors.contains("means nothing without --chat"))
    }
  }

  // MARK: Tasks

  @Test("a task is scored, and what is wrong with it is told with the line")
  func task() throws {
    try temporaryDirectory { folder in
      try TinyModel(cycle: "abcd ").write(to: folder)
      try write(
        """
        {"question": "abcd", "choices": ["abcd", "dcba"], "answer": 0}
        {"question": "abcd", "choices": ["ba", "abcd abcd"], "answer": 0}
        """, folder + "/task.jsonl")
      let arguments = ["evaluate", "--model", folder, "--task"]
      let report = try object(autograd(arguments + [folder + "/task.jsonl", "--json"]))
      #expect(report["items"] as? Int == 2 && report["acc"] as? Double == 0.5 && report["acc_norm"] as? Double == 0.5)
      let people = try autograd(arguments + [folder + "/task.jsonl"])
      #expect(people.output.contains("  2, multiple choice\nacc ") && people.output.contains("  0.5000 ± 0.5000\n"), "\(people.output)")
      try write(#"{"context": "abcd ", "continuation": "abcd"}"#, folder + "/more.jsonl")
      let continued = try object(autograd(arguments + [folder + "/more.jsonl", "--json"]))
      #expect(continued["acc"] as? Double == 1 && continued["acc_norm"] == nil)
      try write(#"{"question": "abcd", "choices": ["x"], "answer": 0}"#, folder + "/bad.jsonl")
      let bad = try autograd(arguments + [folder + "/bad.jsonl"])
      #expect(bad.status == 3 && bad.errors.contains("bad.jsonl, line 1: its \"choices\" must be two"), "\(bad.errors)")
      try write(#"{"question": "abcd", "choices": ["x", "a"], "answer": 0}"#, folder + "/bad.jsonl")
      let foreign = try autograd(arguments + [folder + "/bad.jsonl"])
      #expect(foreign.status == 3 && foreign.errors.contains("line 1: the character 'x'"), "\(foreign.errors)")
      let both = try autograd(arguments + [folder + "/task.jsonl", "--data", folder + "/task.jsonl"])
      #expect(both.status == 64 && both.errors.contains("give one of --data and --task"))
    }
  }

  // MARK: Strides and other inputs

  @Test("a stride sees more before each token; tokens, lines and standard input are measured, too")
  func inputs() throws {
    try temporaryDirectory { folder in
      var model = try TinyModel(["a": Float(log(0.5)), "b": Float(log(0.25)), "c": Float(log(0.25))])
      model.contextLength = 5
      try model.write(to: folder)
      let text = String(repeating: "abcaab", count: 7)
      try write(text, folder + "/text")
      let loss = text.dropFirst().reduce(0) { $0 - log($1 == "a" ? 0.5 : 0.25) } / Double(text.count - 1)
      let evaluate = ["evaluate", "--model", folder, "--json", "--threads", "1", "--data"]
      for arguments in [[folder + "/text"], [folder + "/text", "--stride", "2"]] {
        let report = try object(autograd(evaluate + arguments))
        #expect(abs(try #require(report["loss"] as? Double) - loss) < 2e-6 && report["tokens"] as? Int == text.count - 1)
        #expect(report["stride"] as? Int == (arguments.count > 1 ? 2 : nil))
      }
      let input = try object(autograd(evaluate + ["-"], input: folder + "/text"))
      #expect(abs(try #require(input["loss"] as? Double) - loss) < 2e-6)
      let ids = try model.tokenizer.encode(text)
      try Data(ids.flatMap { [UInt8($0), 0] }).write(to: URL(fileURLWithPath: folder + "/text.bin"))
      let tokens = try object(autograd(evaluate + [folder + "/text.bin"]))
      #expect(abs(try #require(tokens["loss"] as? Double) - loss) < 2e-6 && tokens["bytes"] as? Int == text.count - 1)
      let wide = try autograd(evaluate + [folder + "/text", "--stride", "5"])
      #expect(wide.status == 3 && wide.errors.contains("the window has 5"), "\(wide.errors)")
      let short = try object(autograd(evaluate + [folder + "/text", "--block-size", "3", "--stride", "1"]))
      #expect(abs(try #require(short["loss"] as? Double) - loss) < 2e-6 && short["context"] as? Int == 3)
      let long = try autograd(evaluate + [folder + "/text", "--ctx-size", "6"])
      #expect(long.status == 3 && long.errors.contains("longer than the model's context of 5"), "\(long.errors)")
    }
  }
}
