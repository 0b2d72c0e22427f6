import Foundation
import AutogradTestSupport
import Testing

/// Runs of the built command that are stopped, started again, started twice and damaged.
@Suite("Resuming from the command line") struct ResumeTests {
  /// A tiny run with checkpoints at steps 10 and 20.
  private func train(_ path: String, _ more: String...) throws -> Outcome {
    let text = path + "/text.txt"
    if !FileManager.default.fileExists(atPath: text) {
      try Data(String(repeating: "peter piper picked a peck of pickled peppers. ", count: 20).utf8)
        .write(to: URL(fileURLWithPath: text))
    }
    return try autograd(
      [
        "train", "--data", text, "--out", path + "/run", "--n-layer", "1", "--n-head", "1", "--n-embd", "8",
        "--block-size", "8", "--batch-size", "2", "--lr-decay-iters", "20", "--warmup-iters", "2", "--eval-interval",
        "10", "--eval-iters", "1", "--save-every", "10", "--threads", "1",
      ] + more)
  }

  private func files(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  @Test("a run in two parts ends as one does, with or without its options repeated")
  func twoParts() throws {
    try temporaryDirectory { path in
      let whole = try train(path, "--max-iters", "20"), expected = try #require(fingerprint(whole))
      #expect(whole.output.contains("step 10/20  saved \(path)/run/checkpoints/step-00000010\n"))
      #expect(try files(path + "/run/checkpoints") == ["step-00000010", "step-00000020"])
      try FileManager.default.removeItem(atPath: path + "/run")

      let first = try train(path, "--max-iters", "10", "--resume")
      #expect(first.output.contains("no checkpoint in \(path)/run yet: starting afresh"))
      let second = try train(path, "--max-iters", "20", "--resume")
      #expect(second.output.contains("step 10/20  goes on from \(path)/run/checkpoints/step-00000010  fingerprint "))
      #expect(fingerprint(second) == expected)
      // A command that is refused changes nothing.
      let refused = try autograd(
        "train", "--resume", path + "/run/checkpoints/step-00000010", "--precision", "bf16")
      #expect(refused.status == 3 && refused.errors.contains("was made with --precision fp32 (not bf16)"))
      #expect(try files(path + "/run/checkpoints") == ["step-00000010", "step-00000020"])
      // Back to the first one, by its path alone; what is newer is set aside.
      let third = try autograd("train", "--resume", path + "/run/checkpoints/step-00000010", "--max-iters", "20")
      #expect(fingerprint(third) == expected)
      #expect(
        third.errors.contains("step-00000020 is newer; set aside as \(path)/run/checkpoints/abandoned-step-00000020"))
      #expect(try files(path + "/run/checkpoints") == ["abandoned-step-00000020", "step-00000010", "step-00000020"])
      let shown = try autograd("inspect", path + "/run/checkpoints/step-00000020")
      #expect(shown.output.contains("fingerprint      \(expected)"))
      #expect(try autograd("inspect", path + "/run").output.contains("step-00000020  validation loss "))
      #expect(try autograd("generate", "--model", path + "/run/checkpoints/step-00000010", "-p", "peter").status == 0)
    }
  }

  @Test("what contradicts a checkpoint is named: options and text; exit code 3")
  func contradictions() throws {
    try temporaryDirectory { path in
      _ = try train(path, "--max-iters", "10")
      let options = try train(path, "--resume", "--beta1", "0.5", "--optimizer", "sgd")
      #expect(options.status == 3)
      #expect(
        options.errors
          == "error: \(path)/run/checkpoints/step-00000010 was made with --optimizer adamw (not sgd), "
          + "--beta1 0.9 (not 0.5); leave these options out, or start a new run from its weights with --init-from\n")
      try Data("peter piper".utf8).write(to: URL(fileURLWithPath: path + "/text.txt"))
      let text = try train(path, "--resume")
      #expect(text.status == 3)
      #expect(
        text.errors.hasPrefix("error: the run was trained on another text: on \(path)/text.txt (920 bytes, SHA-256 "))
    }
  }

  @Test("a damaged checkpoint is set aside and told; where none verifies: exit code 8")
  func damage() throws {
    try temporaryDirectory { path in
      let whole = try train(path, "--max-iters", "20"), folder = path + "/run/checkpoints/"
      func damage(_ name: String) throws {
        let file = URL(fileURLWithPath: folder + name + "/optimizer.safetensors")
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: file)
      }
      try damage("step-00000020")
      let fallen = try train(path, "--max-iters", "20", "--resume")
      #expect(fallen.status == 0 && fingerprint(fallen) == fingerprint(whole))
      #expect(
        fallen.errors.contains(
          "warning: \(folder)step-00000020 is damaged: optimizer.safetensors does not have the hash"))
      #expect(fallen.errors.contains("warning: fell back to \(folder)step-00000010"))
      #expect(try files(folder) == ["damaged-step-00000020", "step-00000010", "step-00000020"])
      let whatStands = try autograd("inspect", path + "/run")
      #expect(whatStands.status == 0 && whatStands.errors.isEmpty)
      try damage("step-00000010")
      let shown = try autograd("inspect", path + "/run")
      #expect(shown.status == 8)
      #expect(shown.output.contains("step-00000010  \(folder)step-00000010 is damaged: "))
      #expect(shown.output.contains("newest"))
      #expect(shown.errors == "error: 1 of the 2 checkpoints in \(folder.dropLast()) is damaged, as shown\n")
      try damage("step-00000020")
      let none = try train(path, "--max-iters", "20", "--resume")
      #expect(none.status == 8)
      #expect(none.errors.hasPrefix("error: none of the checkpoints in \(path)/run/checkpoints can be used: "))
      #expect(try files(folder) == ["damaged-step-00000020", "step-00000010", "step-00000020"])
      #expect(try autograd("inspect", folder + "step-00000010").status == 8)
    }
  }

  @Test("an unfinished run is not started over; a finished one makes room")
  func startingOver() throws {
    try temporaryDirectory { path in
      // Its last checkpoint is of step 10, and it was to go on to 20.
      _ = try train(path, "--max-iters", "20", "--keep", "9")
      try FileManager.default.removeItem(atPath: path + "/run/checkpoints/step-00000020")
      let refused = try train(path, "--max-iters", "20")
      #expect(refused.status == 3)
      #expect(
        refused.errors.hasPrefix(
          "error: \(path)/run holds an unfinished run, saved at step 10; resume it, choose another folder"))
      #expect(try train(path, "--resume").status == 0)
      let replacing = try train(path, "--max-iters", "10")
      #expect(replacing.status == 0)
      #expect(replacing.errors.hasPrefix("warning: the finished run in \(path)/run is replaced: "))
      #expect(try files(path + "/run/checkpoints") == ["step-00000010"])
    }
  }

  @Test("a run that ended before it had written down anything: what it was to replace is named, and can be resumed")
  func replacedRun() throws {
    try temporaryDirectory { path in
      _ = try train(path, "--max-iters", "10")
      let run = path + "/run", checkpoints = run + "/checkpoints/", files = FileManager.default
      // As a process leaves it that is killed between the two.
      try files.removeItem(atPath: run + "/run.json")
      try files.moveItem(atPath: checkpoints + "step-00000010", toPath: checkpoints + "finished-step-00000010")
      let refused = try autograd("train", "--resume", run)
      #expect(refused.status == 3)
      #expect(
        refused.errors == "error: \(run) holds no run that could go on; \(checkpoints)finished-step-00000010 is of a finished "
          + "run that one without checkpoints replaced: name it to go on from there\n")
      let resumed = try train(path, "--max-iters", "20", "--resume", checkpoints + "finished-step-00000010")
      #expect(resumed.status == 0, "\(resumed.errors)")
    }
  }

  @Test(
    "SIGTERM saves and ends by the signal; meanwhile nobody else can write: exit code 7 with the process's number",
    .timeLimit(.minutes(1)))
  func signalAndLock() throws {
    try temporaryDirectory { path in
      _ = try train(path, "--max-iters", "0")
      let endless = [
        "train", "--data", path + "/text.txt", "--out", path + "/run", "--n-layer", "1", "--n-head", "1", "--n-embd",
        "8", "--block-size", "8", "--batch-size", "2", "--max-iters", "100000000", "--log-interval", "1", "--threads", "1",
      ]
      // Its first line of progress has come: it has the lock, and watches signals.
      let (first, pipe) = try start(endless, until: "step 1/")
      let second = try train(path, "--max-iters", "20")
      #expect(second.status == 7)
      #expect(
        second.errors
          == "error: \(path)/run is in use by process \(first.processIdentifier); wait for it, stop it, "
          + "or choose another folder (--out)\n")
      // Nobody reads its progress any more: that must not stop it from saving.
      try pipe.fileHandleForReading.close()
      first.terminate()
      first.waitUntilExit()
      #expect(first.terminationReason == .uncaughtSignal && first.terminationStatus == SIGTERM)
      let saved = try files(path + "/run/checkpoints")
      #expect(!saved.isEmpty && saved.allSatisfy { $0.hasPrefix("step-") })
      #expect(try autograd("inspect", path + "/run").output.contains("newest"))
    }
  }
}
