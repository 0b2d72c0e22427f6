import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

/// What `generate` draws: from models whose logits a test knows.
@Suite("Generate") struct GenerateTests {
  /// Logits after every text: probabilities 0.5, 0.25, 0.15 and 0.1 at temperature 1.
  private static let shares: [Character: Float] = ["a": log(0.5), "b": log(0.25), "c": log(0.15), "d": log(0.1)]

  private func generated(
    _ model: TinyModel, _ arguments: String..., input: String? = nil, contextLength: Int = 1024
  ) throws -> String {
    try temporaryDirectory { path in
      var model = model
      model.contextLength = contextLength
      try model.write(to: path)
      if let input { try Data(input.utf8).write(to: URL(fileURLWithPath: path + "/input")) }
      let outcome = try autograd(
        ["generate", "--model", path] + arguments.flatMap { $0.split(separator: " ").map(String.init) },
        input: input == nil ? nil : path + "/input")
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      return outcome.output
    }
  }

  /// How often each character was drawn, in shares.
  private func drawn(_ arguments: String, _ logits: [Character: Float] = shares, count: Int = 600) throws -> [Character: Double] {
    let text = try generated(TinyModel(logits), "-p a -n \(count) \(arguments)").dropFirst().dropLast()
    #expect(text.count == count)
    return Dictionary(grouping: text) { $0 }.mapValues { Double($0.count) / Double(count) }
  }

  private func expectShares(_ found: [Character: Double], _ expected: [Character: Double]) {
    #expect(Set(found.keys) == Set(expected.keys), "\(found)")
    // Four standard deviations of 600 draws are at most 0.082.
    for (character, share) in expected { #expect(abs((found[character] ?? 0) - share) < 0.082, "\(found)") }
  }

  // MARK: What is drawn from

  @Test("with nothing cut off, tokens come as often as the model says")
  func plain() throws { expectShares(try drawn("--temperature 1"), ["a": 0.5, "b": 0.25, "c": 0.15, "d": 0.1]) }

  @Test("--top-k: that many of the likeliest, in their proportions", arguments: [1, 2, 3, 4, 99])
  func topK(count: Int) throws {
    let all = [("a" as Character, 0.5), ("b", 0.25), ("c", 0.15), ("d", 0.1)].prefix(count)
    let total = all.reduce(0) { $0 + $1.1 }
    expectShares(
      try drawn("--temperature 1 --top-k \(count)"), Dictionary(uniqueKeysWithValues: all.map { ($0.0, $0.1 / total) }))
  }

  @Test(
    "--top-p: the likeliest that together reach it",
    arguments: [(0.3, "a"), (0.49, "a"), (0.6, "ab"), (0.74, "ab"), (0.8, "abc"), (0.95, "abcd"), (1.0, "abcd")])
  func topP(share: Double, characters: String) throws {
    #expect(String(try drawn("--temperature 1 --top-p \(share)").keys.sorted()) == characters)
  }

  @Test(
    "--min-p: those that are likely enough beside the likeliest",
    arguments: [(1.0, "a"), (0.6, "a"), (0.45, "ab"), (0.31, "ab"), (0.25, "abc"), (0.15, "abcd"), (0.0, "abcd")])
  func minP(share: Double, characters: String) throws {
    #expect(String(try drawn("--temperature 1 --min-p \(share)").keys.sorted()) == characters)
  }

  @Test("--temperature: 0 takes the likeliest, low prefers it, high evens out")
  func temperature() throws {
    expectShares(try drawn("--temperature 0"), ["a": 1])
    // Probabilities to the power of two, and of a half, over their sums.
    expectShares(try drawn("--temp 0.5"), ["a": 0.7246, "b": 0.1812, "c": 0.0652, "d": 0.029])
    expectShares(try drawn("--temperature 2"), ["a": 0.3718, "b": 0.2629, "c": 0.2036, "d": 0.1663])
    expectShares(try drawn(""), ["a": 0.5735, "b": 0.2411, "c": 0.1273, "d": 0.0767])  // 0.8 unless told
  }

  @Test("--presence-penalty counts once, --frequency-penalty each time; below 0 they call tokens back")
  func otherPenalties() throws {
    let logits: [Character: Float] = ["a": 0, "b": 0, "c": 0]
    func text(_ options: String) throws -> [Character] {
      Array(try generated(TinyModel(logits), "-p a -n 90 --temperature 1 \(options)").dropLast())
    }
    let once = try text("--presence-penalty 30 --repeat-last-n 2")
    #expect((2..<once.count).allSatisfy { Set(once[$0 - 2...$0]).count == 3 }, "\(once)")
    // As often as the others, since each time counts.
    let even = try text("--frequency-penalty 30 --repeat-last-n 99")
    #expect(Set(["a", "b", "c"].map { one in even.count { String($0) == one } }).max()! <= 31, "\(even)")
    #expect(Set(try text("--presence-penalty -30 --repeat-last-n 1")).count == 1)
    #expect(Set(try text("--frequency-penalty -30 --repeat-last-n 1")).count == 1)
  }

  @Test("--logit-bias adds to a token's logit: much forces it, -inf forbids it")
  func bias() throws {
    let tokenizer = try TinyModel(Self.shares).tokenizer, ids = try tokenizer.encode("abcd")
    expectShares(try drawn("--temperature 1 --logit-bias \(ids[3])=60"), ["d": 1])
    expectShares(try drawn("--temperature 1 --logit-bias \(ids[0])=-inf"), ["b": 0.5, "c": 0.3, "d": 0.2])
    let more = log(2.0)
    expectShares(
      try drawn("--temperature 1 --logit-bias \(ids[2])=\(more) --logit-bias \(ids[1])=-\(more)"),
      ["a": 0.4878, "b": 0.122, "c": 0.2927, "d": 0.0976])
  }

  @Test(
    "--repeat-penalty keeps recent tokens away, whatever the sign of their logits; below 1 it calls them back",
    arguments: [20, -20] as [Float])
  func penalty(logit: Float) throws {
    let logits: [Character: Float] = ["a": logit, "b": logit, "c": logit]
    func text(_ options: String) throws -> [Character] {
      Array(try generated(TinyModel(logits), "-p a -n 60 --temperature 1 \(options)").dropLast())
    }
    let last = try text("--repeat-penalty 10 --repeat-last-n 1")
    #expect(zip(last, last.dropFirst()).allSatisfy { $0 != $1 }, "\(last)")
    let both = try text("--repetition-penalty 10 --repeat-last-n 2")
    #expect((2..<both.count).allSatisfy { Set(both[$0 - 2...$0]).count == 3 }, "\(both)")
    let again = try text("--repeat-penalty 0.1 --repeat-last-n 1")
    #expect(Set(again).count == 1, "\(again)")
    for options in ["--repeat-penalty 10 --repeat-last-n 0", "--repeat-penalty 1 --repeat-last-n 2", ""] {
      let free = try text(options)
      #expect(zip(free, free.dropFirst()).contains { $0 == $1 }, "\(options): \(free)")
    }
  }

  // MARK: Samples and stops

  @Test("--num-samples: each from the prompt, set apart, other than the rest, and the same however many there are")
  func samples() throws {
    let model = try TinyModel(Self.shares)
    func samples(_ options: String) throws -> [String] {
      var output = try generated(model, "-p abcd -n 40 \(options)")
      #expect(output.removeLast() == "\n")
      return output.components(separatedBy: "\n---\n")
    }
    let four = try samples("--num-samples 4"), two = try samples("--num-samples 2")
    #expect(four.count == 4 && Set(four).count == 4)
    #expect(four.allSatisfy { $0.hasPrefix("abcd") && $0.count == 44 })
    let one = try samples("")
    #expect(Array(four.prefix(2)) == two && one == [four[0]])
    #expect(try samples("--num-samples 4 --seed 1337") == four)
    #expect(Set(try samples("--num-samples 4 --seed 7")).isDisjoint(with: four))
  }

  @Test(
    "--stop ends before the first of the texts, and what only looks like one is shown",
    arguments: [
      ("-n 12", "abcdefghabcde"), ("-n 12 --stop def", "abc"), ("-n 12 --stop b", "a"), ("-n 12 --stop efg --stop cd", "ab"),
      ("-n 12 --stop cd --stop efg", "ab"), ("-n 12 --stop dez", "abcdefghabcde"), ("-n 4 --stop dez", "abcde"),
      ("-n 12 --stop dez --stop ghab", "abcdef"), ("-n 12 --stop a", "abcdefgh"), ("-n 3 --stop defg", "abcd"),
      ("-n 12 --stop hab", "abcdefg"), ("-n 0 --stop b", "a"), ("-n 12 --stop abc", "abcdefgh"),
    ])
  func stops(options: String, text: String) throws {
    let model = try TinyModel(cycle: "abcdefgh")
    #expect(try generated(model, "-p a --temperature 0 \(options)") == text + "\n")
    // As sure of itself as the model is, drawing changes nothing.
    #expect(try generated(model, "-p a \(options)") == text + "\n")
  }

  @Test("characters of several bytes come whole, and a piece of one as the sign for it")
  func bytes() throws {
    #expect(try generated(TinyModel(["é": 1, "中": 3]), "-p é -n 3 --temperature 0") == "é中中中\n")
    var model = try TinyModel(["é": 1])
    // The likeliest token is no character but the first byte of one.
    let piece = try #require((0..<Int32(model.tokenizer.vocabularySize)).first { model.tokenizer.bytes(of: $0).count == 1 })
    model.weights["wte.weight"]?[Int(piece) * 2] = 5
    let text = try generated(model, "-p é -n 2 --temperature 0")
    #expect(text.hasPrefix("é") && text.contains("\u{FFFD}"), "\(text)")
  }

  @Test("more samples than go together in one pass are the same ones")
  func manySamples() throws {
    func samples(_ count: Int) throws -> [String] {
      try generated(TinyModel(Self.shares), "-p a -n 20 --num-samples \(count)").dropLast().components(separatedBy: "\n---\n")
    }
    let many = try samples(19)
    #expect(many.count == 19 && Set(many).count == 19)
    #expect(Array(many.prefix(3)) == (try samples(3)))
  }

  // MARK: The context

  @Test("a text that does not fit is refused before anything is computed; --context-shift lets it grow")
  func context() throws {
    try temporaryDirectory { path in
      try TinyModel(cycle: "abcdefgh").write(to: path)
      func run(_ options: String) throws -> Outcome {
        try autograd(["generate", "--model", path, "--temperature", "0"] + options.split(separator: " ").map(String.init))
      }
      let long = try run("-p abc -n 14")
      #expect(long.status == 3 && long.output.isEmpty)
      #expect(
        long.errors == "error: the prompt has 3 tokens and 14 more are asked for, but the context holds 16; ask for at most 13, "
          + "or let the context shift (--max-tokens, --context-shift)\n")
      #expect(try run("-p abc -n 13").output == "abcdefghabcdefgh\n")
      // Where nobody says how many, as many as fit.
      #expect(try run("-p abc").output == "abcdefghabcdefgh\n")
      let prompt = String(repeating: "abcdefgh", count: 2)
      let full = try run("-p \(prompt)")
      #expect(full.status == 3)
      #expect(
        full.errors == "error: the prompt has 16 tokens, and the context holds 16, the continuation included; shorten it, or "
          + "let the context shift (--max-tokens, --context-shift)\n")
      #expect(try run("-p abc -n 6 --ctx-size 8").status == 3)
      #expect(try run("-p abc -n 5 --ctx-size 8").output == "abcdefgh\n")
      let larger = try run("-p abc --ctx-size 17")
      #expect(larger.status == 3)
      #expect(larger.errors == "error: a context of 17 tokens is longer than the model's of 16 (--ctx-size)\n")
      let grown = "abc" + String(repeating: "defghabc", count: 12) + "defg\n"
      #expect(try run("-p abc -n 100 --context-shift").output == grown)
      #expect(try run("-p abc -n 100 --context-shift --keep 3 --ctx-size 5").output == grown)
      #expect(try run("-p \(prompt)\(prompt)abc -n 100 --context-shift").output == prompt + prompt + grown)
      #expect(try run("-p a -n 1 --keep 3").errors.contains("--keep means nothing without --context-shift"))
    }
  }

  // MARK: For programs

  @Test("--json: an object for each sample, with its tokens, their probabilities, why it ended, and what it counts")
  func json() throws {
    let model = try TinyModel(Self.shares), ids = try model.tokenizer.encode("abcd")
    let lines = try generated(model, "-p ab -n 5 --temperature 0.3 --num-samples 2 --json --logprobs 2 --stats")
      .split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
    #expect(lines.count == 2)
    let plain = try generated(model, "-p ab -n 5 --temperature 0.3 --num-samples 2").components(separatedBy: "\n---\n")
    let probabilities = ["a": 0.5, "b": 0.25, "c": 0.15, "d": 0.1]
    for (number, line) in lines.enumerated() {
      #expect(line.objectValue?.map(\.key) == ["sample", "prompt", "text", "tokens", "finish_reason", "usage", "timings"])
      #expect(line["sample"] == .integer(Int64(number)) && line["prompt"] == .string("ab"))
      let text = try #require(line["text"]?.stringValue), tokens = try #require(line["tokens"]?.arrayValue)
      #expect(plain[number].hasPrefix("ab" + text) && text.count == 5 && tokens.count == 5)
      #expect(tokens.compactMap { $0["text"]?.stringValue }.joined() == text)
      for token in tokens {
        let name = try #require(token["text"]?.stringValue), logprob = try #require(token["logprob"]?.doubleValue)
        // Of the model's own distribution, whatever the temperature.
        #expect(abs(logprob - log(try #require(probabilities[name]))) < 1e-5)
        #expect(token["id"]?.intValue == Int(try model.tokenizer.encode(name)[0]))
        #expect(token["bytes"] == .array([.integer(Int64(name.utf8.first!))]))
        let top = try #require(token["top_logprobs"]?.arrayValue)
        #expect(top.compactMap { $0["id"]?.intValue } == [Int(ids[0]), Int(ids[1])])
        #expect(top.allSatisfy { $0.objectValue?.map(\.key) == ["id", "text", "bytes", "logprob"] })
      }
      #expect(line["finish_reason"] == .string("length"))
      #expect(
        line["usage"] == .object([
          .init("prompt_tokens", .integer(2)), .init("completion_tokens", .integer(5)), .init("total_tokens", .integer(7)),
        ]))
      #expect(line["timings"]?["weight_bytes"]?.intValue ?? 0 > 0)
    }
    let stopped = try JSON(parsing: Array(try generated(TinyModel(cycle: "abcdefgh"), "-p a -n 9 --stop de --json").utf8))
    #expect(stopped["text"] == .string("bc") && stopped["finish_reason"] == .string("stop"))
    #expect(stopped["tokens"]?.arrayValue?.count == 4 && stopped["timings"] == nil)
    #expect(stopped["tokens"]?.arrayValue?.first?["top_logprobs"] == nil)
    let none = try JSON(parsing: Array(try generated(TinyModel(cycle: "abcdefgh"), "-p a -n 0 --json").utf8))
    #expect(none["text"] == .string("") && none["finish_reason"] == .string("length"))
  }

  @Test("--stats tells what it took on standard error, and the text stays alone")
  func stats() throws {
    try temporaryDirectory { path in
      try TinyModel(cycle: "abcdefgh").write(to: path)
      let outcome = try autograd("generate", "--model", path, "-p", "ab", "-n", "6", "--temperature", "0", "--stats")
      #expect(outcome.status == 0 && outcome.output == "abcdefgh\n")
      let lines = outcome.errors.split(separator: "\n")
      #expect(lines.count == 4)
      #expect(lines[3].hasPrefix("computed   weights f32 ") && lines[3].hasSuffix("; products exact"))
      #expect(lines[0].hasPrefix("prompt     2 tokens; the first token after "))
      #expect(lines[1].hasPrefix("generated  6 tokens in ") && lines[1].hasSuffix(" tokens/s"))
      #expect(lines[2].hasPrefix("memory     weights "))
    }
  }

  @Test("a model that writes commands of terminals into a file does so unchanged")
  func control() throws {
    #expect(try generated(TinyModel(cycle: "ab\u{1B}c"), "-p a --temperature 0 -n 5") == "ab\u{1B}cab\n")
  }

  @Test(
    "options that mean nothing are named",
    arguments: [
      ("--logprobs 2", "--logprobs means nothing without --json"), ("--logprobs -1 --json", "--logprobs must be at least 0, got -1"),
      ("--logit-bias x=1", "'x=1' is invalid for '--logit-bias"), ("--logit-bias 5", "'5' is invalid"),
      ("--logit-bias 5=nan", "'5=nan' is invalid"), ("--logit-bias 5=inf", "'5=inf' is invalid"),
      ("--logit-bias -5=1", "'-5=1' is invalid"), ("--logit-bias 5=1 --logit-bias 5=2", "--logit-bias names a token twice"),
      ("--presence-penalty inf", "--presence-penalty must be a number, got inf"),
      ("--frequency-penalty nan", "--frequency-penalty must be a number, got nan"),
      ("--ctx-size 0", "--ctx-size must be at least 1, got 0"), ("--threads 0", "--threads must lie between 1 and 256, got 0"),
      ("-i --json", "--json means nothing with --interactive"), ("-i --stats", "--stats means nothing with --interactive"),
      ("-i --chat", "to talk with a model, use autograd chat x"),
    ])
  func usage(options: String, sentence: String) throws {
    let outcome = try autograd(["generate", "--model", "x"] + options.split(separator: " ").map(String.init))
    #expect(outcome.status == 64 && outcome.errors.contains(sentence), "\(outcome.errors)")
  }

  @Test("a bias on a token that is none, and on all of them, is refused in a sentence")
  func impossible() throws {
    try temporaryDirectory { path in
      try TinyModel(["a": 0]).write(to: path)
      let outside = try autograd("generate", "--model", path, "-p", "a", "-n", "1", "--logit-bias", "9999=1")
      #expect(outside.status == 3 && outside.errors.hasPrefix("error: a bias is for token 9999, and the vocabulary has "))
      #expect(outside.errors.hasSuffix("name one of these (--logit-bias)\n"))
    }
  }

  // MARK: The defaults

  @Test("by default: 500 tokens after a line end, the same each time, of the likely ones")
  func defaults() throws {
    try temporaryDirectory { path in
      var model = try TinyModel(["\n": 0, "x": 3, "y": 2])
      model.contextLength = 1024
      try model.write(to: path)
      let first = try autograd("generate", "--model", path), second = try autograd("generate", "--model", path)
      #expect(first.status == 0 && first.errors.isEmpty, "\(first.errors)")
      #expect(first.output.count == 1 + 500 + 1 && first.output.first == "\n" && first.output.last == "\n")
      #expect(first.output == second.output)
      #expect(try autograd("generate", "--model", path, "--prompt", "\n").output == first.output)
      let asTold = [
        "--max-tokens", "500", "--num-samples", "1", "--temperature", "0.8", "--top-k", "200", "--top-p", "1", "--min-p",
        "0", "--repeat-penalty", "1", "--presence-penalty", "0", "--frequency-penalty", "0", "--repeat-last-n", "64",
        "--seed", "1337", "--ctx-size", "1024",
      ]
      #expect(try autograd(["generate", "--model", path] + asTold).output == first.output)
      // A vocabulary without a line end: its first character.
      try TinyModel(["x": 3, "w": 1]).write(to: path)
      let other = try autograd("generate", "--model", path, "--temperature", "0", "-n", "3")
      #expect(other.status == 0 && other.output == "wxxx\n", "\(other.errors)")
      let empty = try autograd("generate", "--model", path, "--prompt", "")
      #expect(empty.status == 3 && empty.errors == "error: the prompt is empty; give at least one character\n")
    }
  }

  // MARK: --interactive

  private static let welcome = "Type a text to continue. /temp X, /topk N, /len N change how; /quit ends.\n"

  @Test(
    "a conversation, to the letter",
    arguments: [
      ("", "> \n"), ("/quit\n", "> "), ("a\n", "> abcd\n> \n"), ("a", "> abcd\n> \n"),
      ("a\nh\n/quit\na\n", "> abcd\n> habc\n> "), ("\n\na\n", "> > > abcd\n> \n"),
      ("/len 5\na\n/len 0\nb\n", "> > abcdef\n> > b\n> \n"),
      ("/len -1\n/len x\n/len\na\n", "> @/len 500\n> @/len 500\n> @/len 500\n> abcd\n> \n"),
      ("/temp -1\n/temp inf\n/temp x\n/temp\n", "> @/temp 0.8\n> @/temp 0.8\n> @/temp 0.8\n> @/temp 0.8\n> \n"),
      ("/topk 0\n/topk x\n/topk\n", "> @/topk 200\n> @/topk 200\n> @/topk 200\n> \n"),
      ("/help\n/\n", "> @/temp 0.8, /topk 200, /len 500 or /quit\n> @/temp 0.8, /topk 200, /len 500 or /quit\n> \n"),
      (
        "ax\na\n",
        "> the character 'x' (U+0078) at position 1 (byte 1, both counted from 0) is not in the vocabulary; remove it, or "
          + "make a vocabulary from a text that has it\n> abcd\n> \n"
      ),
    ])
  func conversation(input: String, expected: String) throws {
    let output = try generated(TinyModel(cycle: "abcdefgh"), "--interactive -n 3 --temperature 0", input: input)
    #expect(output == Self.welcome + expected.replacing("@", with: "write it like this: "))
  }

  @Test("a line that is not UTF-8 is told, and the next is answered")
  func notUTF8() throws {
    try temporaryDirectory { path in
      try TinyModel(cycle: "abcdefgh").write(to: path)
      try Data([0x61, 0xFF, 0x0A, 0x61, 0x0A]).write(to: URL(fileURLWithPath: path + "/input"))
      let outcome = try autograd(
        ["generate", "--model", path, "-i", "-n", "1", "--temperature", "0"], input: path + "/input")
      let sentence = "the text is not UTF-8 at byte 1 (counted from 0); convert it to UTF-8"
      #expect(outcome.output == Self.welcome + "> \(sentence)\n> ab\n> \n")
    }
  }

  @Test("what is set in a conversation changes how it goes on, and each answer is a sample of its own")
  func settings() throws {
    let model = try TinyModel(Self.shares)
    func answers(_ options: String, _ input: String) throws -> [String] {
      let text = try generated(model, "--interactive -n 60 \(options)", input: input)
      return text.dropFirst(Self.welcome.count).split(separator: "\n").map { String($0.replacing("> ", with: "")) }
        .filter { !$0.isEmpty }
    }
    let samples = try generated(model, "-p a -n 60 --num-samples 3").split(separator: "\n").map(String.init).filter { $0 != "---" }
    #expect(try answers("", "a\na\na\n") == samples)
    let likeliest = String(repeating: "a", count: 61)
    #expect(try answers("", "a\n/temp 0\na\n") == [samples[0], likeliest])
    #expect(try answers("", "/topk 1\na\n/topk 4\na\n") == [likeliest, samples[1]])
    #expect(try answers("--temperature 0", "a\n/temp 0.8\na\n") == [likeliest, samples[1]])
    let stopped = try answers("--stop b", "a\n")[0]
    #expect(stopped == String(samples[0].prefix { $0 != "b" }))
  }
}
