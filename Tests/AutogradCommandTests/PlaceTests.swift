import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

@testable import AutogradCommand

/// Places that a run is to write to, tried before its first step; names that cannot be used are bad input.
@Suite("Places") struct PlaceTests {
  private func train(_ path: String, _ more: String...) throws -> Outcome {
    let text = path + "/text"
    if !FileManager.default.fileExists(atPath: text) {
      try Data(String(repeating: "some text. ", count: 30).utf8).write(to: URL(fileURLWithPath: text))
    }
    return try autograd(["train", "--data", text] + tinyRun + more)
  }

  private func expectRefused(_ outcome: Outcome, _ sentence: String, _ folder: String) {
    #expect(outcome.status == 3, "\(outcome.errors)")
    #expect(outcome.errors == "error: " + sentence.replacing("@", with: folder) + "\n")
    #expect(!outcome.output.contains("step "), "\(outcome.output)")
  }

  @Test(
    "a trace that cannot be written is refused before the first step, by the name that was given",
    arguments: [
      ("@/no/t.json", "cannot write @/no/t.json: its folder does not exist; make that first, or name another"),
      ("@", "cannot write @: it is a folder; name a file"),
      ("@/text/t", "cannot write @/text/t: a part of the path is not a folder; check the path"),
      ("@/dangling", "cannot write @/dangling: it is a symbolic link that leads nowhere; remove it or choose another name"),
      ("@/loop", "cannot write @/loop: its symbolic links lead in a circle; check the path"),
    ])
  func trace(name: String, sentence: String) throws {
    try temporaryDirectory { path in
      symlink("nowhere", path + "/dangling")
      symlink("loop", path + "/loop")
      let outcome = try train(path, "--out", path + "/run", "--trace", name.replacing("@", with: path))
      expectRefused(outcome, sentence, path)
      #expect(!FileManager.default.fileExists(atPath: path + "/run/model.safetensors"))
    }
  }

  @Test("a trace goes into a device or a pipe, into the run's own folder, and over a file")
  func traceTaken() throws {
    try temporaryDirectory { path in
      symlink("/dev/null", path + "/null")
      try Data("old".utf8).write(to: URL(fileURLWithPath: path + "/old"))
      for name in ["null", "run/trace.json", "old", "new"] {
        let outcome = try train(path, "--out", path + "/run", "--trace", path + "/" + name)
        #expect(outcome.status == 0, "\(name): \(outcome.errors)")
        #expect(outcome.output.contains("traced to \(path)/\(name):"))
        if name == "null" { continue }
        let trace = try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))
        #expect((try JSONSerialization.jsonObject(with: trace) as? [String: Any])?["traceEvents"] != nil)
      }
      let link = try FileManager.default.destinationOfSymbolicLink(atPath: path + "/null")
      #expect(link == "/dev/null")
      let text = path + "/text"
      let piped = try autograd(
        ["train", "--data", text, "--out", path + "/run"] + tinyRun,
        shell: "\"$0\" \"$@\" --trace >(cat > '\(path)/through') >/dev/null; sleep 0.2; head -c 15 '\(path)/through'")
      #expect(piped.output == "{\"traceEvents\":", "\(piped.errors)")
    }
  }

  @Test(
    "whatever a run will write is tried: a folder in the way of any of its files is named before the first step",
    arguments: [
      "config.json", "tokenizer.json", "generation_config.json", "model.safetensors", "curve.svg", "lock",
    ])
  func inTheWay(name: String) throws {
    try temporaryDirectory { path in
      let place = path + "/run/" + name
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      let outcome = try train(path, "--out", path + "/run")
      let verb = name == "lock" ? "lock" : "write"
      expectRefused(outcome, "cannot \(verb) \(place): it is a folder; name a file", path)
    }
  }

  @Test("a file in the place of the checkpoints is named before the first step")
  func checkpoints() throws {
    try temporaryDirectory { path in
      try FileManager.default.createDirectory(atPath: path + "/run", withIntermediateDirectories: true)
      try Data("x".utf8).write(to: URL(fileURLWithPath: path + "/run/checkpoints"))
      let outcome = try train(path, "--out", path + "/run")
      #expect(outcome.status == 3, "\(outcome.errors)")
      #expect(outcome.errors.contains("\(path)/run/checkpoints: a part of the path is not a folder"), "\(outcome.errors)")
      #expect(!outcome.output.contains("step "))
    }
  }

  @Test(
    "names that cannot be used are bad input, for reading and for writing",
    arguments: [
      ("train --out @/dangling", "cannot create the folder @/dangling: it is a symbolic link that leads nowhere"),
      ("train --out @/loop", "cannot create the folder @/loop: it is a symbolic link that leads nowhere"),
      ("train --out @/dangling/run", "cannot create the folder @/dangling: it is a symbolic link that leads nowhere"),
      ("train --out @/%", "cannot create the folder @/%: the name is longer than the file system takes"),
      ("train --out @/text", "cannot create the folder @/text: a part of the path is not a folder"),
      ("train --out @/x --data @/loop", "cannot read @/loop: its symbolic links lead in a circle"),
      ("train --out @/x --data @/%", "cannot read @/%: the name is longer than the file system takes"),
      ("evaluate --data @/text --model @/loop", "cannot read @/loop/config.json: its symbolic links lead in a circle"),
      ("evaluate --data @/text --model @/%", "cannot read @/%/config.json: the name is longer than the file system takes"),
      ("inspect @/%", "cannot read @/%: the name is longer than the file system takes"),
      ("train --out @/x --init-from @/dangling", "cannot read @/dangling/config.json: it does not exist"),
    ])
  func names(line: String, sentence: String) throws {
    try temporaryDirectory { path in
      symlink("nowhere", path + "/dangling")
      symlink("loop", path + "/loop")
      try Data("text".utf8).write(to: URL(fileURLWithPath: path + "/text"))
      func filled(_ text: String) -> String {
        text.replacing("@", with: path).replacing("%", with: String(repeating: "n", count: 256))
      }
      var arguments = filled(line).split(separator: " ").map(String.init)
      if arguments[0] == "train" { arguments += tinyRun }
      let outcome = try autograd(arguments)
      #expect(outcome.status == 3, "\(outcome.errors)")
      #expect(outcome.errors.hasPrefix("error: " + filled(sentence)), "\(outcome.errors)")
      #expect(outcome.errors.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
    }
  }

  /// Root may do anything: the command runs as somebody else, where the system lets root become that.
  private static let canStepDown =
    geteuid() != 0 || (try? autograd([], shell: "setpriv --reuid 65534 --clear-groups true").status == 0) ?? false

  @Test("permission denied is bad input", .enabled(if: canStepDown))
  func permissions() throws {
    try temporaryDirectory { path in
      try Data("text".utf8).write(to: URL(fileURLWithPath: path + "/secret"))
      chmod(path, 0o755)
      chmod(path + "/secret", 0)
      mkdir(path + "/closed", 0o500)
      for (arguments, sentence) in [
        (["train", "--data", path + "/secret", "--out", "/dev/shm/never"], "cannot read \(path)/secret"),
        (["train", "--out", path + "/closed/run"], "cannot create the folder \(path)/closed/run"),
        (["train", "--out", path + "/closed"], "cannot lock \(path)/closed/lock"),
      ] {
        let prefix = geteuid() == 0 ? "exec setpriv --reuid 65534 --clear-groups " : "exec "
        // Where the command itself cannot be reached by others, a copy of it can.
        let copy = "cp \"$0\" '\(path)/autograd'; "
        let outcome = try autograd(
          arguments + (arguments[0] == "train" ? tinyRun : []),
          shell: copy + prefix + "'\(path)/autograd' \"$@\"")
        #expect(outcome.status == 3, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: \(sentence): permission denied; check owner and mode"), "\(outcome.errors)")
      }
    }
  }

  @Test("each failure of a file has its exit code")
  func codes() {
    #expect(exitCode(of: FileError.permissionDenied(.write, path: "")) == .badInput)
    #expect(exitCode(of: FileError.readOnly(.write, path: "")) == .badInput)
    #expect(exitCode(of: FileError.noSpace(.write, path: "")) == .inputOutput)
    #expect(exitCode(of: FileError.io(.read, path: "", errorNumber: EIO)) == .inputOutput)
  }

  @Test("a text that was moved since the run began: its place is asked for, and the run goes on from there")
  func moved() throws {
    try temporaryDirectory { path in
      #expect(try train(path, "--out", path + "/run").status == 0)
      try FileManager.default.moveItem(atPath: path + "/text", toPath: path + "/elsewhere")
      let lost = try autograd("train", "--resume", path + "/run", "--max-iters", "3")
      #expect(lost.status == 3)
      // A longer run has a warning of its own first.
      let sentence = String(lost.errors.split(separator: "\n").last ?? "")
      #expect(
        sentence.hasPrefix("error: cannot read \(path)/text: it does not exist; check the path. It is the text of the run; "))
      #expect(sentence.contains("name it with --data"), "\(lost.errors)")
      let found = try autograd("train", "--resume", path + "/run", "--max-iters", "3", "--data", path + "/elsewhere")
      #expect(found.status == 0, "\(found.errors)")
    }
  }

  @Test("a byte order mark does not join the vocabulary")
  func byteOrderMark() throws {
    try temporaryDirectory { path in
      let text = String(repeating: "some text. ", count: 30)
      try Data([0xEF, 0xBB, 0xBF] + Array(text.utf8)).write(to: URL(fileURLWithPath: path + "/text"))
      #expect(try train(path, "--out", path + "/run").status == 0)
      let config = try Data(contentsOf: URL(fileURLWithPath: path + "/run/config.json"))
      let size = (try JSONSerialization.jsonObject(with: config) as? [String: Any])?["vocab_size"] as? Int
      #expect(size == Set(text).count)
      let marked = try autograd("evaluate", "--model", path + "/run", "--data", path + "/text", "--json")
      try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/plain"))
      let plain = try autograd("evaluate", "--model", path + "/run", "--data", path + "/plain", "--json")
      #expect(marked.status == 0 && marked.output == plain.output, "\(marked.errors)")
    }
  }

  @Test("a model that no run has left is not overwritten; one of a run is")
  func foreignModel() throws {
    try temporaryDirectory { path in
      let run = path + "/run", copy = path + "/copy"
      #expect(try train(path, "--out", run).status == 0)
      #expect(try train(path, "--out", run, "--seed", "2").status == 0)
      try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
      for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        try FileManager.default.copyItem(atPath: run + "/" + name, toPath: copy + "/" + name)
      }
      let before = try Data(contentsOf: URL(fileURLWithPath: copy + "/model.safetensors"))
      for more in [[], ["--init-from", copy]] {
        let outcome = try autograd(["train", "--data", path + "/text"] + (more.isEmpty ? tinyRun : []) + more + ["--out", copy])
        expectRefused(
          outcome, "@ holds a model that is no run's, and would be overwritten; choose another folder (--out)", copy)
      }
      #expect(try Data(contentsOf: URL(fileURLWithPath: copy + "/model.safetensors")) == before)
      #expect(try FileManager.default.contentsOfDirectory(atPath: copy).count == 3)
    }
  }
}
