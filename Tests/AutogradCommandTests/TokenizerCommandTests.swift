import AutogradBase
import AutogradTestSupport
import AutogradText
import Foundation
import Testing

@Suite("autograd tokenizer") struct TokenizerCommandTests {
  private let text = String(repeating: "The quick brown fox jumps over the lazy dog. Größe 😀\n", count: 40)

  private func withVocabulary(_ body: (String) throws -> Void) throws {
    try temporaryDirectory { folder in
      try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/text.txt"))
      let made = try autograd([
        "tokenizer", "train", "--data", folder + "/text.txt", "--vocab-size", "300", "--out", folder + "/v", "--json",
      ])
      #expect(made.status == 0, "\(made.errors)")
      let report = try JSON(parsing: Array(made.output.utf8))
      #expect(report["vocabulary"] == .integer(300) && report["merges"] == .integer(43))
      try body(folder)
    }
  }

  @Test("what is encoded decodes to the same bytes, through files and pipes")
  func roundTrip() throws {
    try withVocabulary { folder in
      let ids = try autograd(["tokenizer", "encode", "--tokenizer", folder + "/v", folder + "/text.txt"])
      let own = try TokenizerFormat.tokenizer(at: folder + "/v").encode(text)
      #expect(ids.output == own.map(String.init).joined(separator: " ") + "\n")
      try Data(ids.output.utf8).write(to: URL(fileURLWithPath: folder + "/ids"))
      let back = try autograd(["tokenizer", "decode", "--tokenizer", folder + "/v/tokenizer.json"], input: folder + "/ids")
      #expect(back.status == 0 && back.output == text)
      let json = try autograd(["tokenizer", "encode", "--tokenizer", folder + "/v", "--text", "fox<|endoftext|>", "--json", "--special"])
      let answer = try JSON(parsing: Array(json.output.utf8))
      #expect(answer["ids"]?.arrayValue?.last == .integer(0))
      #expect(answer["tokens"]?.arrayValue?.last == .string("<|endoftext|>"))
    }
  }

  @Test("a vocabulary is shown, and what is none is refused in a sentence")
  func inspect() throws {
    try withVocabulary { folder in
      let shown = try autograd(["tokenizer", "inspect", folder + "/v"])
      #expect(shown.output.contains("byte-pair vocabulary") && shown.output.contains("<|endoftext|> (0)"))
      for (arguments, sentence) in [
        (["tokenizer", "decode", "--tokenizer", folder + "/v", "300"], "300 is no id of the vocabulary"),
        (["tokenizer", "inspect", folder], "there is no vocabulary in it"),
        (["tokenizer", "inspect", folder + "/text.txt"], "the tokenizer file cannot be read"),
        (["tokenizer", "inspect", folder + "/none"], "cannot read"),
      ] {
        let outcome = try autograd(arguments)
        #expect(outcome.status == 3 && outcome.errors.contains(sentence), "\(outcome.errors)")
      }
      let usage = try autograd(["tokenizer", "train", "--data", folder + "/text.txt", "--vocab-size", "256", "--out", folder + "/w"])
      #expect(usage.status == 64 && usage.errors.contains("must have between 257"))
    }
  }

  @Test("a vocabulary is written in every form that can say it, and read from there")
  func convert() throws {
    try withVocabulary { folder in
      let own = try TokenizerFormat.tokenizer(at: folder + "/v"), ids = try own.encode(text)
      for name in ["x.json", "book.gpt2.tiktoken", "sub/vocab.json", "w"] {
        let made = try autograd(["tokenizer", "convert", folder + "/v", "--out", folder + "/\(name)"])
        #expect(made.status == 0 && made.output.contains("300 tokens"), "\(made.errors)")
        #expect(try TokenizerFormat.tokenizer(at: folder + "/\(name)").encode(text) == ids, "\(name)")
      }
      let ranks = try String(contentsOfFile: folder + "/book.gpt2.tiktoken", encoding: .utf8).split(separator: "\n")
      #expect(ranks.count == 299)
      for line in ranks {
        let parts = line.split(separator: " "), rank = try #require(Int32(parts[1]))
        #expect(Data(base64Encoded: String(parts[0])) == Data(own.bytes(of: rank)))
      }
      for (name, sentence) in [
        ("book.tiktoken", "it is not known how texts are cut"), ("book.cl100k.tiktoken", "mine.gpt2.tiktoken"),
        ("x.gguf", "export the model"),
      ] {
        let outcome = try autograd(["tokenizer", "convert", folder + "/v", "--out", folder + "/\(name)"])
        #expect(outcome.status == 3 && outcome.errors.contains(sentence), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder + "/\(name)"))
      }
      let made = try autograd([
        "tokenizer", "train", "--data", folder + "/text.txt", "--vocab-size", "300", "--pre-tokenizer", "qwen2", "--out",
        folder + "/q/vocab.json",
      ])
      #expect(made.status == 3 && made.errors.contains("write a tokenizer.json"), "\(made.errors)")
    }
  }

  @Test("a run is trained by it, keeps it, and goes on with it")
  func train() throws {
    try withVocabulary { folder in
      let sizes = [
        "--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "2", "--eval-iters", "1",
      ]
      let data = ["--data", folder + "/text.txt", "--out", folder + "/run"]
      let first = try autograd(["train"] + data + ["--tokenizer", folder + "/v", "--max-iters", "2"] + sizes)
      #expect(first.status == 0, "\(first.errors)")
      let own = try POSIXFileSystem().read(folder + "/v/tokenizer.json", byteLimit: 1 << 20)
      #expect(try POSIXFileSystem().read(folder + "/run/tokenizer.json", byteLimit: 1 << 20) == own)
      let other = try autograd(["train"] + data + ["--resume", "--tokenizer", "char", "--max-iters", "3"])
      #expect(other.status == 3 && other.errors.contains("--tokenizer"), "\(other.errors)")
      let next = try autograd(["train"] + data + ["--resume", "--max-iters", "3"])
      #expect(next.status == 0, "\(next.errors)")
      let both = try autograd(["train"] + data + ["--init-from", folder + "/run", "--tokenizer", "char"])
      #expect(both.status == 64 && both.errors.contains("--init-from"))
    }
  }
}
