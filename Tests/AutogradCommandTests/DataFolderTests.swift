import AutogradTestSupport
import AutogradText
import Foundation
import Testing

/// Folders as people have them: with runs, many files and others' files in them.
@Suite("Folders as data") struct DataFolderTests {
  private let sentences = String(repeating: "the quick brown fox jumps. ", count: 20)

  @Test("a run inside its own folder of texts is no part of them")
  func inside() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/a.txt")
      try write(sentences, folder + "/b.txt")
      let run = folder + "/runs/here"
      let first = try autograd(["train", "--data", folder, "--out", run] + tinyRun)
      #expect(first.status == 0, "\(first.errors)")
      let again = try autograd("train", "--resume", run, "--max-iters", "4")
      #expect(again.status == 0, "\(again.errors)")
    }
  }

  @Test("a text of standard input is not asked for again where the run has its tokens")
  func standardInput() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/a.txt")
      let run = folder + "/run"
      let first = try autograd(["train", "--data", "-", "--out", run] + tinyRun, input: folder + "/a.txt")
      #expect(first.status == 0, "\(first.errors)")
      let again = try autograd(["train", "--data", "-", "--out", run, "--resume", "--max-iters", "4"])
      #expect(again.status == 0, "\(again.errors)")
    }
  }

  @Test("more files of tokens than a process may hold open")
  func manyFiles() throws {
    try temporaryDirectory { folder in
      let tokenizer = try CharacterTokenizer(training: Array(sentences.utf8))
      try write(String(decoding: tokenizer.tokenizerJSON(), as: UTF8.self), folder + "/data/tokenizer.json")
      let bytes = Data(try tokenizer.encode(String(sentences.prefix(30))).flatMap { [UInt8($0), 0] })
      for number in 0..<300 { try bytes.write(to: URL(fileURLWithPath: folder + "/data/\(number).bin")) }
      let outcome = try autograd(
        ["train", "--data", folder + "/data", "--out", folder + "/run"] + tinyRun,
        shell: #"ulimit -n 100; exec "$0" "$@""#)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
  }

  @Test("weights say what they may be")
  func weights() throws {
    for (word, part) in [("1,x", "'x' is none"), ("1,,2", "nothing is none"), ("0", "'0' is none")] {
      let outcome = try autograd("train", "--data", "a", "--data", "b", "--data-weights", word)
      #expect(outcome.status == 64)
      #expect(
        outcome.errors.contains("weights are numbers above 0 with commas between them, as in 3,1.5")
          && outcome.errors.contains(part), "\(outcome.errors)")
    }
  }

  @Test("a file that was added to a run's folder is what a resume complains of")
  func added() throws {
    try temporaryDirectory { folder in
      try write(sentences, folder + "/data/a.txt")
      let run = folder + "/run"
      let first = try autograd(["train", "--data", folder + "/data", "--out", run] + tinyRun)
      #expect(first.status == 0, "\(first.errors)")
      try write(sentences, folder + "/data/b.txt")
      let again = try autograd("train", "--resume", run, "--max-iters", "4")
      #expect(
        again.status == 3 && again.errors.contains("the run was trained on one text") && again.errors.contains("were added"),
        "\(again.errors)")
    }
  }
}
