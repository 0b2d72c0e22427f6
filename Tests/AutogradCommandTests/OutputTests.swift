import AutogradTestSupport
import Foundation
import Testing

/// Standard output that does not take what is said: every command ends with exit code 5 and a sentence.
@Suite("Output that is lost") struct OutputTests {
  /// A folder with a model `m` and a text.
  private func withModel(_ body: (String) throws -> Void) throws {
    try temporaryDirectory { path in
      try FileManager.default.createDirectory(atPath: path + "/m", withIntermediateDirectories: true)
      try TinyModel(cycle: "abcdefgh").write(to: path + "/m")
      try Data(String(repeating: "abcdefgh", count: 40).utf8).write(to: URL(fileURLWithPath: path + "/text"))
      try body(path)
    }
  }

  private static let commands = [
    "generate --model m -p a -n 5", "generate --model m --interactive", "evaluate --model m --data text",
    "evaluate --model m --data text --json", "inspect m", "plan --data text --block-size 8", "plan --data text --block-size 8 --json", "doctor --json",
    "bench memory --megabytes 1 --json", "train --data text --out run", "--version", "--help", "train --help",
  ]

  @Test("a full disk and a closed output", arguments: commands, [">/dev/full", ">&-"])
  func lost(command: String, redirection: String) throws {
    try withModel { path in
      var arguments = command.split(separator: " ").map(String.init)
      if command.hasPrefix("train --data") { arguments += tinyRun }
      let outcome = try autograd(arguments, shell: "cd '\(path)'; exec \"$0\" \"$@\" \(redirection) </dev/null")
      #expect(outcome.status == 5, "\(outcome.errors)")
      let sentence =
        redirection == ">&-"
        ? "error: standard output is closed; nothing that was to be shown was"
        : "error: cannot write standard output: no space left on the disk or in the quota; free some; what came after"
      #expect(outcome.errors.hasPrefix(sentence), "\(outcome.errors)")
      #expect(outcome.errors.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
      // A run is not stopped by that, and loses nothing.
      if command.hasPrefix("train --data") {
        #expect(FileManager.default.fileExists(atPath: path + "/run/checkpoints/step-00000002/manifest.json"))
        #expect(FileManager.default.fileExists(atPath: path + "/run/curve.svg"))
      }
    }
  }

  @Test("a reader that goes away: a run is finished and then says so; an error of its own keeps its code")
  func reader() throws {
    try withModel { path in
      let train = ["train", "--data", "text", "--out", "run"] + tinyRun
      let outcome = try autograd(
        train, shell: "cd '\(path)'; \"$0\" \"$@\" | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}")
      // Whether anything was left to be said when the reader went is up to the system: often, not always.
      #expect(outcome.status == 5 || outcome.status == 0, "\(outcome.errors)")
      if outcome.status == 5 { #expect(outcome.errors.hasPrefix("error: standard output: nobody reads it any more")) }
      #expect(FileManager.default.fileExists(atPath: path + "/run/checkpoints/step-00000002/manifest.json"))
      let wrong = try autograd(["evaluate", "--model", "m", "--data", "none"], shell: "cd '\(path)'; \"$0\" \"$@\" >&-")
      #expect(wrong.status == 3)
      #expect(wrong.errors == "error: cannot read none: it does not exist; check the path\n")
    }
  }

  @Test("a pipe that does not block gets every byte, however late it is read", .timeLimit(.minutes(1)))
  func nonBlocking() throws {
    try withModel { path in
      let arguments = ["generate", "--model", path + "/m", "-p", "a", "-n", "3000", "--num-samples", "5", "--context-shift"]
      let expected = try autograd(arguments).output
      var ends: [Int32] = [0, 0]
      try #require(pipe(&ends) == 0)
      _ = fcntl(ends[1], 1031, 4096)  // F_SETPIPE_SZ: the least that Linux has
      _ = fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK)
      let process = Process()
      process.executableURL = executable
      process.arguments = arguments
      process.standardOutput = FileHandle(fileDescriptor: ends[1], closeOnDealloc: false)
      try process.run()
      close(ends[1])
      usleep(300_000)
      var found: [UInt8] = [], piece = [UInt8](repeating: 0, count: 1000)
      while true {
        let count = read(ends[0], &piece, piece.count)
        guard count > 0 else { break }
        found += piece[..<count]
        usleep(1000)
      }
      close(ends[0])
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      #expect(String(decoding: found, as: UTF8.self) == expected && expected.utf8.count > 15_000)
    }
  }
}
