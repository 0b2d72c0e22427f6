import AutogradBase
import AutogradTestSupport
import AutogradText
import Foundation
import Testing

/// What `--data` may name, as the command reads it.
@Suite("Data of a run") struct DataTests {
  private let sentences = String(repeating: "the quick brown fox jumps. ", count: 20)

  @Test("data shows documents, tokens, the split and the first windows of several sources")
  func data() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/texts/b.txt")
      try write("häuser und " + sentences, folder + "/texts/a/x.txt")
      let line = #"{"text": "jackdaws love my big sphinx of quartz"}"# + "\n"
      try write(String(repeating: line, count: 30), folder + "/more.jsonl")
      let arguments = [
        "data", folder + "/texts", folder + "/more.jsonl", "--data-weights", "3,1", "--block-size", "8", "--windows", "40",
      ]
      let shown = try object(autograd(arguments + ["--json"]))
      let sources = try #require(shown["sources"] as? [[String: Any]])
      #expect(sources.map { $0["documents"] as? Int } == [2, 30])
      #expect(sources.map { $0["weight"] as? Double } == [3, 1])
      #expect(sources.map { $0["tokens"] as? Int } == [540 + 551 + 2, 30 * 38])
      #expect(shown["documents"] as? Int == 32 && shown["tokens"] as? Int == 2233)
      #expect(shown["training"] as? Int == Int(0.9 * 1093) + 1026)
      #expect((shown["training"] as? Int ?? 0) + (shown["validation"] as? Int ?? 0) == 2233)
      // The last token of the vocabulary, behind the two pieces of ä.
      let size = try #require(shown["vocabulary"] as? Int)
      #expect(shown["end_of_text"] as? Int == size - 1)
      let windows = try #require(shown["windows"] as? [String])
      let jackdaws = windows.count { window in !sentences.contains(window.replacing("<|endoftext|>", with: "")) }
      #expect(windows.count == 40 && (3...22).contains(jackdaws), "\(windows)")
      let people = try autograd(arguments)
      #expect(people.status == 0 && people.errors.isEmpty)
      for part in ["\(folder)/texts", "2 documents, 1,093 tokens, weight 3.0", "bytes per token", "window 40"] {
        #expect(people.output.contains(part), "\(people.output)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["more.jsonl", "texts"])
    }
  }

  @Test("one plain text has the tokens and windows that it always had, and no end")
  func plain() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/t.txt")
      let shown = try object(autograd("data", folder + "/t.txt", "--block-size", "8", "--json"))
      #expect(shown["end_of_text"] is NSNull && shown["documents"] as? Int == 1)
      #expect(shown["tokens"] as? Int == sentences.utf8.count && shown["training"] as? Int == 486)
      let tokenizer = try CharacterTokenizer(training: Array(sentences.utf8))
      let sampler = WindowSampler(
        tokens: TokenSlice(try tokenizer.encode(sentences), 0..<486), blockSize: 8, batchSize: 12, seed: 1337,
        purpose: .dataOrder)
      let batch = try sampler.batch(0)
      let expected = (0..<3).map { row in
        String(decoding: tokenizer.decode(Array(batch.inputs[row * 8..<row * 8 + 8])), as: UTF8.self)
      }
      #expect(shown["windows"] as? [String] == expected)
    }
  }

  @Test("options that say nothing, or do not fit the paths, are wrong usage")
  func usage() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/a.txt")
      try write(sentences, folder + "/b.txt")
      func refusal(_ arguments: String...) throws -> String {
        let outcome = try autograd(["train", "--out", folder + "/run"] + tinyRun + arguments)
        #expect(outcome.status == 64, "\(outcome.errors)")
        return outcome.errors
      }
      let a = folder + "/a.txt", b = folder + "/b.txt"
      #expect(try refusal("--data", a, "--data-weights", "1").contains("means nothing for fewer than two --data"))
      #expect(try refusal("--data", a, "--data", b, "--data-weights", "1").contains("has 1 numbers, and there are 2"))
      for weights in ["1,0", "1,-2", "1,x", "1,", "1,inf"] {
        #expect(try refusal("--data", a, "--data", b, "--data-weights", weights).contains("--data-weights"))
      }
      #expect(try refusal("--keep-documents-apart").contains("means nothing without --data"))
      let alone = try autograd(["train", "--data", a, "--keep-documents-apart", "--out", folder + "/run"] + tinyRun)
      #expect(alone.status == 3)
      #expect(alone.errors.contains("a.txt cannot be read as a text: it is one document, and there are no others"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/run"))
    }
  }

  @Test("several texts train, and a resume has to have the same ones with the same weights")
  func several() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/a.txt")
      try write(String(repeating: "pack my box. ", count: 30), folder + "/b.txt")
      let run = folder + "/run", data = ["--data", folder + "/a.txt", "--data", folder + "/b.txt"]
      let first = try autograd(["train", "--out", run] + data + ["--data-weights", "2,1"] + tinyRun)
      #expect(first.status == 0, "\(first.errors)")
      let longer = ["train", "--resume", run, "--max-iters", "4"]
      let alone = try autograd(longer + ["--out", folder + "/copy"])
      #expect(alone.status == 0, "\(alone.errors)")
      let named = try autograd(longer + data)
      #expect(named.status == 0 && fingerprint(named) == fingerprint(alone))
      let others = try autograd(["train", "--resume", run, "--max-iters", "5"] + data + ["--data-weights", "1,1"])
      #expect(others.status == 3 && others.errors.contains("with other weights"), "\(others.errors)")
      let apart = try autograd("train", "--resume", run, "--max-iters", "5", "--keep-documents-apart")
      #expect(apart.status == 3 && apart.errors.contains("--no-keep-documents-apart (not yes)"), "\(apart.errors)")
      let swapped = try autograd(
        ["train", "--resume", run, "--max-iters", "5", "--data", folder + "/b.txt", "--data", folder + "/a.txt"])
      #expect(swapped.status == 3 && swapped.errors.contains("the run was trained on another text"), "\(swapped.errors)")
      let model = try autograd("generate", "--model", run, "--max-tokens", "20", "--context-shift", "--prompt", "the")
      #expect(model.status == 0, "\(model.errors)")
    }
  }

  @Test("tokens of nanoGPT train as the text that they were made of, and lies are told")
  func tokens() throws {
    try temporaryDirectory { folder in
      let tokenizer = try CharacterTokenizer(training: Array(sentences.utf8)), all = try tokenizer.encode(sentences)
      func bytes(_ tokens: some Sequence<Int32>) -> Data { Data(tokens.flatMap { [UInt8($0), 0] }) }
      try write(sentences, folder + "/text.txt")
      try write("", folder + "/nano/meta.json")
      let stoi = Dictionary(uniqueKeysWithValues: tokenizer.scalars.enumerated().map { (String($1), $0) })
      let meta = try JSONSerialization.data(withJSONObject: ["vocab_size": stoi.count, "stoi": stoi])
      try meta.write(to: URL(fileURLWithPath: folder + "/nano/meta.json"))
      try bytes(all[..<486]).write(to: URL(fileURLWithPath: folder + "/nano/train.bin"))
      try bytes(all[486...]).write(to: URL(fileURLWithPath: folder + "/nano/val.bin"))
      let text = try autograd(["train", "--data", folder + "/text.txt", "--out", folder + "/one"] + tinyRun)
      let tokens = try autograd(["train", "--data", folder + "/nano", "--out", folder + "/two"] + tinyRun)
      #expect(tokens.status == 0 && fingerprint(text) == fingerprint(tokens) && fingerprint(text) != nil, "\(tokens.errors)")
      #expect(try autograd("train", "--resume", folder + "/two", "--max-iters", "3").status == 0)
      let split = try autograd(
        ["train", "--data", folder + "/nano", "--val-fraction", "0.2", "--out", folder + "/three"] + tinyRun)
      #expect(split.status == 64 && split.errors.contains("comes with tokens to validate with"), "\(split.errors)")
      try FileManager.default.removeItem(atPath: folder + "/nano/meta.json")
      let unknown = try autograd(["train", "--data", folder + "/nano", "--out", folder + "/three"] + tinyRun)
      #expect(unknown.status == 3 && unknown.errors.contains("there is no tokenizer.json or meta.json beside it"))
      let given = try autograd(
        ["train", "--data", folder + "/nano", "--init-from", folder + "/one", "--out", folder + "/three", "--max-iters", "1"])
      #expect(given.status == 0, "\(given.errors)")
      try bytes(all[..<400] + [Int32(stoi.count)]).write(to: URL(fileURLWithPath: folder + "/nano/train.bin"))
      let foreign = try autograd(
        ["train", "--data", folder + "/nano/train.bin", "--init-from", folder + "/one", "--out", folder + "/four"])
      #expect(foreign.status == 3 && foreign.errors.contains("token 400 is \(stoi.count), and the vocabulary has"))
    }
  }

  @Test("standard input trains, and its run goes on without it")
  func standardInput() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/text.txt")
      let run = folder + "/run", train = ["train", "--data", "-", "--out", run] + tinyRun
      let first = try autograd(train, shell: "cat \(folder)/text.txt | \"$0\" \"$@\"")
      #expect(first.status == 0, "\(first.errors)")
      let file = try autograd(["train", "--data", folder + "/text.txt", "--out", folder + "/file"] + tinyRun)
      #expect(fingerprint(first) == fingerprint(file))
      #expect(try FileManager.default.contentsOfDirectory(atPath: run + "/data").sorted() == ["tokenizer.json", "tokens.bin", "tokens.json"])
      let more = try autograd("train", "--resume", run, "--max-iters", "4", "--out", folder + "/copy")
      #expect(more.status == 0, "\(more.errors)")
      let moreOfFile = try autograd("train", "--resume", folder + "/file", "--max-iters", "4")
      #expect(fingerprint(more) == fingerprint(moreOfFile))
      // Begun and killed before its first checkpoint: the folder alone is enough.
      try FileManager.default.removeItem(atPath: run + "/checkpoints")
      let again = try autograd("train", "--resume", run)
      #expect(again.status == 0 && fingerprint(again) == fingerprint(first), "\(again.errors)")
      let tokens = run + "/data/tokens.bin"
      var bytes = try Data(contentsOf: URL(fileURLWithPath: tokens))
      bytes[77] ^= 1
      try bytes.write(to: URL(fileURLWithPath: tokens))
      let damaged = try autograd("train", "--resume", run, "--max-iters", "5")
      #expect(damaged.status == 3 && damaged.errors.contains("the run read its text from standard input"), "\(damaged.errors)")
      let given = try autograd(
        ["train", "--resume", run, "--data", "-", "--max-iters", "4"], shell: "cat \(folder)/text.txt | \"$0\" \"$@\"")
      #expect(given.status == 0 && fingerprint(given) == fingerprint(more), "\(given.errors)")
      let empty = try autograd(["train", "--data", "-", "--out", folder + "/none"] + tinyRun)
      #expect(empty.status == 3 && empty.errors == "error: standard input is empty; name a file with text in it\n")
    }
  }

  @Test("a long text's tokens go into a file of the run, which is used again, made anew when damaged, and not kept by plan")
  func longText() throws {
    try temporaryDirectory { folder in
      let text = folder + "/long.txt", run = folder + "/run"
      let block = String(repeating: "zwölf Boxkämpfer jagen Viktor quer über den Deich. ", count: 4000)
      try write(String(repeating: block, count: 1 + (17 << 20) / block.utf8.count), text)
      let train = ["train", "--data", text, "--out", run] + tinyRun
      let first = try autograd(train)
      #expect(first.status == 0, "\(first.errors)")
      #expect(first.output.contains(" of tokens in \(run)/data/tokens.bin"))
      #expect(first.output.contains(", tokens written in "))
      let again = try autograd(train)
      #expect(again.output.contains("; the tokens are there from before, and as they were"))
      let tokens = URL(fileURLWithPath: run + "/data/tokens.bin")
      var bytes = try Data(contentsOf: tokens)
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: tokens)
      let anew = try autograd(train)
      #expect(anew.output.contains(", tokens written in "))
      #expect(fingerprint(first) == fingerprint(again) && fingerprint(first) == fingerprint(anew))
      // What a killed pass leaves is removed by the next one.
      try write("unfinished", run + "/data/.autograd-0.tmp")
      try FileManager.default.removeItem(at: tokens)
      #expect(fingerprint(try autograd(train)) == fingerprint(first))
      #expect(try FileManager.default.contentsOfDirectory(atPath: run + "/data").sorted() == ["tokenizer.json", "tokens.bin", "tokens.json"])
      let plan = try autograd(["plan", "--data", text, "--probe", "--out", folder + "/planned"] + tinyRun)
      #expect(plan.status == 0 && !FileManager.default.fileExists(atPath: folder + "/planned"), "\(plan.errors)")
      // The tokens of a run are data for another.
      let other = try autograd(["train", "--data", tokens.path, "--out", folder + "/other"] + tinyRun)
      #expect(other.status == 0 && fingerprint(other) == fingerprint(first), "\(other.errors)")
    }
  }
}
