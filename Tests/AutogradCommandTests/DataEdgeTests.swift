import AutogradBase
import Foundation
import AutogradTestSupport
import Testing

/// Texts at the edges of what can be trained on: a first step, or a sentence before it.
@Suite("Data at the edges") struct DataEdgeTests {
  /// A tiny model with windows of 4 tokens, one step.
  private func train(_ data: String, in folder: String, input: String? = nil) throws -> Outcome {
    let model = ["--n-layer", "1", "--n-head", "1", "--n-embd", "4", "--block-size", "4", "--batch-size", "2"]
    let steps = ["--max-iters", "1", "--warmup-iters", "0", "--eval-iters", "1", "--threads", "1"]
    return try autograd(["train", "--data", data, "--out", folder + "/out"] + model + steps, input: input)
  }

  @Test(
    "texts of one byte, and of just under one window and one in each part, are refused before anything is written",
    arguments: [
      (1, "the training part has 0 tokens, but one window of block size 4 takes 4 + 1; give more text"),
      (5, "the training part has 4 tokens, but one window of block size 4 takes 4 + 1; give more text"),
      (40, "the validation part has 4 tokens, but one window of block size 4 takes 4 + 1; give more text"),
      (41, nil), (50, nil),
    ] as [(Int, String?)])
  func lengths(count: Int, sentence: String?) throws {
    try temporaryDirectory { folder in
      try write(String(String(repeating: "abcd", count: 13).prefix(count)), folder + "/text")
      let outcome = try train(folder + "/text", in: folder)
      if let sentence {
        #expect(outcome.status == 3, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: " + sentence), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
      } else {
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(FileManager.default.fileExists(atPath: folder + "/out/model.safetensors"))
      }
    }
  }

  @Test("a character that stands alone makes a vocabulary of one, and trains")
  func oneCharacter() throws {
    try temporaryDirectory { folder in
      try write(String(repeating: "a", count: 60), folder + "/text")
      #expect(try train(folder + "/text", in: folder).status == 0)
    }
  }

  @Test("what is no plain file is refused at once", arguments: ["/fifo", "/dev/null", "/dev/zero", ""])
  func notPlain(_ name: String) throws {
    try temporaryDirectory { folder in
      mkfifo(folder + "/fifo", 0o600)
      let path = name.hasPrefix("/dev") ? name : folder + name
      let outcome = try train(path, in: folder)
      #expect(outcome.status == 3)
      // Of a folder all files are read.
      let file = name.isEmpty ? folder + "/fifo" : path
      let reason = "it is not a plain file but a pipe, socket or device"
      #expect(outcome.errors.hasPrefix("error: cannot read \(file): \(reason); name a "), "\(outcome.errors)")
    }
  }

  @Test("standard input is a file like any other when it is one, and refused when it is a device or a pipe")
  func standardInput() throws {
    try temporaryDirectory { folder in
      try write(String(repeating: "some text. ", count: 20), folder + "/text")
      let fromFile = try train("/dev/stdin", in: folder, input: folder + "/text")
      #expect(fromFile.status == 0, "\(fromFile.errors)")
      let fromDevice = try train("/dev/stdin", in: folder)
      #expect(fromDevice.status == 3)
      let sentence = "error: cannot read /dev/stdin: it is not a plain file"
      #expect(fromDevice.errors.hasPrefix(sentence), "\(fromDevice.errors)")
    }
  }

  @Test("an empty path and a path through a file are bad input")
  func paths() throws {
    try temporaryDirectory { folder in
      try write("text", folder + "/text")
      let none = try train("", in: folder), through = try train(folder + "/text/more", in: folder)
      #expect(none.status == 3 && through.status == 3)
      #expect(none.errors == "error: the path \"\" is empty or has a zero byte; name a file\n")
      #expect(through.errors.hasPrefix("error: cannot read \(folder)/text/more: a part of the path is not a folder"))
    }
  }

  @Test("over 4 GiB, of which the disk holds nothing, is refused at its first byte")
  func sparse() throws {
    try temporaryDirectory { folder in
      let path = folder + "/sparse.safetensors", size = 5 << 30
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      try #require(truncate(path, off_t(size)) == 0)
      for name in ["config", "tokenizer", "weights"] {
        let file = ["config": "config.json", "tokenizer": "tokenizer.json"][name] ?? "model.safetensors"
        try FileManager.default.copyItem(atPath: "\(fuzzCorpusFolder)/\(name)/base", toPath: "\(folder)/\(file)")
      }
      // A text may be of any length: it ends at the first character that the vocabulary lacks.
      let evaluated = try autograd(["evaluate", "--model", folder, "--data", path], seconds: 10, megabytes: 512)
      #expect(evaluated.status == 3)
      #expect(evaluated.errors.hasPrefix("error: the character U+0000 at position 0 (byte 0, both counted from 0)"))
      let inspected = try autograd(["inspect", path], seconds: 10, megabytes: 512)
      #expect(inspected.status == 3)
      #expect(inspected.errors.hasPrefix("error: \(path): safetensors: the header has length 0"))
    }
  }
}
