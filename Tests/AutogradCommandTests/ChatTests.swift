import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

/// Conversations with a model whose answers a test knows, by the standard input as a program writes it.
@Suite("Chat") struct ChatTests {
  /// Behind a colon, where an answer begins, it says "OK!", and then other characters, one after another.
  private static let characters = ":OK!" + "User Aitan\n\"/.?0123456789bcdfghjklmopquvwxyz<>=-_,'{}[]()#"

  /// - Parameter body: Gets the model's folder, and what runs a conversation there.
  private func chat(
    contextLength: Int = 256, _ body: (_ folder: String, _ say: (String, [String]) throws -> Outcome) throws -> Void
  ) throws {
    try temporaryDirectory { folder in
      var seen = Set<Character>()
      var model = try TinyModel(cycle: String(Self.characters.filter { seen.insert($0).inserted }))
      model.contextLength = contextLength
      try model.write(to: folder)
      try body(folder) { input, options in
        try write(input, folder + "/input")
        return try autograd(
          ["chat", folder, "--chat-template", "deepseek", "--temperature", "0", "-n", "3"] + options, input: folder + "/input")
      }
    }
  }

  private func saved(_ path: String) throws -> [[String]] {
    let json = try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    return try #require(json["messages"]?.arrayValue).map { [$0["role"]?.stringValue ?? "", $0["content"]?.stringValue ?? ""] }
  }

  @Test("each line is answered; what was said is remembered, and saved as training data has it")
  func conversation() throws {
    try chat { folder, say in
      let outcome = try say("hi\n\nand you?\n/save \(folder)/talk.json\n/quit\nnever read\n", [])
      #expect(outcome.status == 0 && outcome.output == "OK!\nOK!\n", "\(outcome.errors)")
      #expect(outcome.errors == "4 messages are in \(folder)/talk.json.\n")
      #expect(
        try saved(folder + "/talk.json") == [["user", "hi"], ["assistant", "OK!"], ["user", "and you?"], ["assistant", "OK!"]])
      let data = try autograd("data", folder + "/talk.json", "--tokenizer", folder, "--chat-template", "deepseek", "--block-size", "8")
      #expect(data.errors.contains("jsonl") || data.status == 0, "\(data.errors)")
      // It goes on from the file, and the input may end instead of /quit.
      let more = try say("more\n/save \(folder)/more.json", ["--load", folder + "/talk.json"])
      #expect(more.status == 0 && more.output == "OK!\n", "\(more.errors)")
      #expect(try saved(folder + "/more.json").count == 6)
      let again = try say("/load \(folder)/talk.json\n/reset\nhi\n/save \(folder)/talk.json\n", [])
      #expect(again.status == 0 && again.output == "OK!\n", "\(again.errors)")
      #expect(try saved(folder + "/talk.json") == [["user", "hi"], ["assistant", "OK!"]])
    }
  }

  @Test("a question that a file ends with is answered next")
  func openQuestion() throws {
    try chat { folder, say in
      try write(#"{"messages": [{"role": "user", "content": "hi"}]}"#, folder + "/asked.json")
      let outcome = try say("/save \(folder)/answered.json\n", ["--load", folder + "/asked.json"])
      #expect(outcome.status == 0 && outcome.output == "OK!\n", "\(outcome.errors)")
      #expect(try saved(folder + "/answered.json") == [["user", "hi"], ["assistant", "OK!"]])
    }
  }

  @Test("the system message comes first, stays on a reset, and goes with an empty one")
  func system() throws {
    try chat { folder, say in
      let path = folder + "/talk.json"
      let outcome = try say("hi\n/system be kind\n/save \(path)\n", ["--system", "be brief"])
      #expect(outcome.status == 0 && outcome.output == "OK!\n", "\(outcome.errors)")
      #expect(try saved(path) == [["system", "be kind"], ["user", "hi"], ["assistant", "OK!"]])
      #expect(try say("hi\n/reset\n/save \(path)\n", ["--system", "be brief"]).status == 0)
      #expect(try saved(path) == [["system", "be brief"]])
      #expect(try say("/system\nhi\n/save \(path)\n", ["--system", "be brief"]).status == 0)
      #expect(try saved(path) == [["user", "hi"], ["assistant", "OK!"]])
      let refused = try autograd(["chat", folder, "--chat-template", "mistral-v0.1", "--system", "x"])
      #expect(refused.status == 3 && refused.errors.contains("mistral-v0.1 has no place"), "\(refused.errors)")
    }
  }

  @Test("settings change how it goes on")
  func settings() throws {
    try chat { _, say in
      #expect(try say("hi\n/len 2\nhi\n/len 5\nhi\n", []).output == "OK!\nOK\nOK!Us\n")
      #expect(try say("/temp 0.9\n/topk 1\nhi\n", []).output == "OK!\n")
      let stats = try say("hi\n/stats\n", [])
      #expect(stats.status == 0 && stats.output == "OK!\n")
      let lines = stats.errors.split(separator: "\n")
      #expect(lines.count == 5 && lines[1].hasPrefix("generated  3 tokens in ") && lines[4].hasSuffix(" of 256 tokens"))
      let help = try say("/help\n", []).errors
      for name in ["/system", "/temp", "/topk", "/len", "/save", "/load", "/reset", "/stats", "/help", "/quit"] {
        #expect(help.contains("\n  \(name) ") || help.hasPrefix("  \(name) "), "\(name)")
      }
    }
  }

  @Test("several lines between marks are one question, and what begins with a slash there is no command")
  func lines() throws {
    try chat { folder, say in
      let path = folder + "/talk.json"
      let mark = "\"\"\""
      let outcome = try say("\(mark)\n/quit\nor not\n\(mark)\n\(mark)one\(mark)\n\(mark)a\nb\(mark)\n/save \(path)\n", [])
      #expect(outcome.output == "OK!\nOK!\nOK!\n", "\(outcome.errors)")
      let questions = try saved(path).filter { $0[0] == "user" }.map { $0[1] }
      #expect(questions == ["/quit\nor not", "one", "a\nb"])
    }
  }

  @Test("what cannot be done is told in a sentence, the rest is done, and the exit code tells")
  func errors() throws {
    try chat(contextLength: 40) { folder, say in
      func error(_ line: String, _ sentence: String) throws {
        let outcome = try say(line + "\nhi\n", [])
        #expect(outcome.status == 3 && outcome.output == "OK!\n", "\(line): \(outcome)")
        #expect(outcome.errors == "error: \(sentence)\n", "\(line)")
      }
      try error("/temp x", "write it like this: /temp 0.8")
      try error("/temp -1", "write it like this: /temp 0.8")
      try error("/topk 0", "write it like this: /topk 200")
      try error("/len 0", "write it like this: /len 500")
      try error("/save", "write it like this: /save talk.json")
      try error("/load", "write it like this: /load talk.json")
      try error("/quit now", "write it like this: /quit")
      try error("/sing", "\"/sing\" is none of /system /temp /topk /len /save /load /reset /stats /help /quit")
      try error("/load \(folder)/missing.json", "cannot read \(folder)/missing.json: it does not exist; check the path")
      try write("[1]", folder + "/list.json")
      try error("/load \(folder)/list.json", "\(folder)/list.json holds no conversation: the object has no \"messages\"; /save writes one")
      try error("/save \(folder)/list.json", "\(folder)/list.json is there already, and holds no conversation; choose another name")
      #expect(try String(contentsOfFile: folder + "/list.json", encoding: .utf8) == "[1]")
      try error(
        "é", "the character 'é' (U+00E9) at position 6 (byte 6, both counted from 0) is not in the vocabulary; remove it, or make a "
          + "vocabulary from a text that has it")
      let long = String(repeating: "no ", count: 20)
      try error(
        long, "the prompt has \(6 + 60 + 12) tokens, and the context holds 40, the continuation included; shorten it, or let the "
          + "context shift (/reset, --ctx-size, --context-shift)")
      let shifted = try say(long + "\n", ["--context-shift", "-n", "2"])
      #expect(shifted.status == 0 && shifted.output.count == 3, "\(shifted)")
      #expect(shifted.errors.hasPrefix("The context is full: ") && shifted.errors.hasSuffix(" tokens of the conversation are left out.\n"))
      // An answer that is cut off by the end of the context is still one.
      #expect(try say("hi\n", ["-n", "30"]).output.count == 1 + 40 - 20)
    }
  }

  @Test("what the command line lacks or contradicts is told")
  func usage() throws {
    try chat { folder, _ in
      let none = try autograd("chat", folder)
      #expect(none.status == 3)
      #expect(
        none.errors == "error: \(folder) brings no chat template: name the one that its conversations were written by "
          + "(--chat-template)\n")
      let both = try autograd("chat", folder, "--load", "x", "--system", "y")
      #expect(both.status == 64 && both.errors.contains("--load brings a system message of its own"))
      #expect(try autograd("chat").status == 64)
      #expect(try autograd("chat", folder, "-n", "0").errors.contains("--max-tokens must be at least 1, got 0"))
    }
  }

  // MARK: Ctrl-C

  /// Talks with the command while it runs.
  private final class Talk {
    let process = Process()
    private let input = Pipe(), output = Pipe(), errors = Pipe()

    init(_ arguments: [String]) throws {
      process.executableURL = executable
      process.arguments = arguments
      (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
      try process.run()
    }

    func say(_ line: String) throws { try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8)) }

    /// Reads until something has come.
    func hear(_ text: String) throws -> String { try read(output, text) }
    func hearError(_ text: String) throws -> String { try read(errors, text) }

    private func read(_ pipe: Pipe, _ text: String) throws -> String {
      var heard = ""
      while !heard.contains(text) {
        let more = pipe.fileHandleForReading.availableData
        try #require(!more.isEmpty, "it ended before \"\(text)\" came: \(heard.suffix(200))")
        heard += String(decoding: more, as: UTF8.self)
      }
      return heard
    }

    func end() -> (status: Int32, reason: Process.TerminationReason) {
      try? input.fileHandleForWriting.close()
      process.waitUntilExit()
      return (process.terminationStatus, process.terminationReason)
    }
  }

  @Test("Ctrl-C ends an answer and not the conversation; at the prompt, twice ends that")
  func interrupts() throws {
    try chat(contextLength: 64) { folder, _ in
      let talk = try Talk(["chat", folder, "--chat-template", "deepseek", "--temperature", "0", "--context-shift"])
      try talk.say("hi")
      _ = try talk.hear("OK!")
      talk.process.interrupt()
      // The answer has no end of its own.
      _ = try talk.hear("\n")
      try talk.say("/len 3")
      try talk.say("hi")
      try talk.say("/stats")
      _ = try talk.hearError("generated  3 tokens")
      talk.process.interrupt()
      _ = try talk.hearError("Ctrl-C once more ends the conversation, as /quit does.")
      talk.process.interrupt()
      let end = talk.end()
      #expect(end.status == 0 && end.reason == .exit)
    }
  }

  @Test("Ctrl-C ends generate by the signal, with what was drawn by then")
  func generateInterrupted() throws {
    try chat(contextLength: 64) { folder, _ in
      let talk = try Talk(["generate", "--model", folder, "-p", ":", "--temperature", "0", "-n", "1000000", "--context-shift"])
      let text = try talk.hear("OK!")
      talk.process.interrupt()
      let end = talk.end()
      #expect(text.hasPrefix(":OK!") && end.reason == .uncaughtSignal && end.status == SIGINT)
    }
  }
}
