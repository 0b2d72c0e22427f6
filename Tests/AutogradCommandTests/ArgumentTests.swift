import AutogradTestSupport
import Foundation
import Testing

@testable import AutogradCommand

/// What stands on the command line: found wherever the command runs, text in UTF-8, values with a dash in front.
@Suite("Arguments") struct ArgumentTests {
  private func withModel(_ body: (String) throws -> Void) throws {
    try temporaryDirectory { path in
      try TinyModel(["a": 1, "-": 2, " ": 0, "1": 0]).write(to: path)
      try body(path)
    }
  }

  // MARK: Without /proc

  /// Only root may hide it, and not everywhere.
  private static let canHide =
    (try? autograd([], shell: "unshare -m bash -c 'mount -t tmpfs none /proc'").status == 0) ?? false

  @Test("commands find their arguments where /proc is missing", .enabled(if: canHide))
  func withoutProc() throws {
    let hidden = "exec unshare -m bash -c 'mount -t tmpfs none /proc; exec \"$0\" \"$@\"' \"$0\" \"$@\""
    try withModel { path in
      let generated = try autograd(["generate", "--model", path, "-p", "a-", "-n", "0"], shell: hidden)
      #expect(generated.status == 0 && generated.output == "a-\n", "\(generated.errors)")
      let missing = try autograd(["evaluate", "--model", path + "/no", "--data", "no"], shell: hidden)
      #expect(missing.status == 3 && missing.errors.contains("/no/config.json: it does not exist"))
      let trained = try autograd(["train", "--out", path + "/run"] + tinyRun, shell: hidden)
      #expect(trained.status == 0, "\(trained.errors)")
      #expect(FileManager.default.fileExists(atPath: path + "/run/model.safetensors"))
    }
  }

  // MARK: UTF-8

  @Test(
    "bytes that are not UTF-8 are refused by every door, with their place",
    arguments: [
      ("--prompt \"$(printf 'ab\\377c')\"", "the value of --prompt is not UTF-8 at byte 2 (counted from 0); convert it"),
      ("--prompt=\"$(printf 'a\\303')\"", "the value of --prompt is not UTF-8 at byte 1 (counted from 0); convert it"),
      ("-p \"$(printf '\\200')\"", "the value of -p is not UTF-8 at byte 0 (counted from 0); convert it to UTF-8"),
      ("--stop \"$(printf 'a\\300')\"", "the value of --stop is not UTF-8 at byte 1"),
      ("\"$(printf 'x\\300')\"", "argument 4 is not UTF-8 at byte 1"),
      ("--file - < <(printf 'a\\377')", "standard input is not UTF-8 at byte 1 (counted from 0); convert it to UTF-8"),
      ("--file - < /dev/null", "standard input is empty; name a file with text in it"),
      ("--file <(true)", "cannot read /dev/fd/"),
      ("--file f", "f is not UTF-8 at byte 3 (counted from 0); convert it to UTF-8"),
    ])
  func notUTF8(given: String, sentence: String) throws {
    try withModel { path in
      try Data([97, 97, 97, 0xFF]).write(to: URL(fileURLWithPath: path + "/f"))
      let outcome = try autograd(
        [], shell: "cd '\(path)'; \"$0\" generate --model . \(given)")
      #expect(outcome.status == 3, "\(outcome.errors)")
      #expect(outcome.errors.hasPrefix("error: " + sentence), "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
  }

  @Test("standard input and a file give the same prompt; a byte order mark is no part of it")
  func doors() throws {
    try withModel { path in
      for (name, bytes) in [("plain", Array("a-a".utf8)), ("marked", [0xEF, 0xBB, 0xBF] + Array("a-a".utf8))] {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
        let arguments = ["generate", "--model", path, "-n", "3", "--temperature", "0", "--file"]
        let fromFile = try autograd(arguments + [path + "/" + name])
        let fromInput = try autograd(arguments + ["-"], input: path + "/" + name)
        #expect(fromFile.output == "a-a---\n" && fromInput.output == fromFile.output, "\(fromFile.errors)")
      }
    }
  }

  // MARK: Dashes

  @Test(
    "a value may begin with a dash",
    arguments: [
      (["--prompt", "- a"], "- a--\n"), (["-p", "-1"], "-1--\n"), (["--prompt", "-- a"], "-- a--\n"),
      (["--prompt=-p"], nil), (["--prompt", "---"], "-----\n"), (["--prompt", "-"], "---\n"),
      (["-p", "a", "--stop", "-"], "a\n"), (["-p", "a", "--stop", "- a", "--stop", "-"], "a\n"),
    ] as [([String], String?)])
  func taken(given: [String], expected: String?) throws {
    try withModel { path in
      let outcome = try autograd(["generate", "--model", path, "-n", "2", "--temperature", "0"] + given)
      if let expected {
        #expect(outcome.status == 0 && outcome.output == expected, "\(outcome.output) \(outcome.errors)")
      } else {
        #expect(outcome.status == 3 && outcome.errors.contains("'p' (U+0070) at position 1"), "\(outcome.errors)")
      }
    }
  }

  @Test(
    "a number that may not be negative is refused as a number",
    arguments: [
      ("train --seed -1", 64, "Error: The value '-1' is invalid for '--seed"),
      ("train --learning-rate -1e-3", 3, "error: the learning rate must be a number of at least 0, got -0.001"),
      ("train --max-iters -5", 3, "error: the number of steps must be at least 0, got -5"),
      ("train --dropout -.5", 3, "error: dropout must be at least 0 and below 1, got -0.5"),
      ("generate --model x -n -5", 64, "Error: --max-tokens must be at least 0, got -5"),
      ("generate --model x --temp -1", 64, "Error: --temperature must be a number of at least 0, got -1.0"),
      ("bench step --steps -1", 64, "Error: --steps must be at least 1, got -1"),
    ])
  func negative(line: String, status: Int32, sentence: String) throws {
    try temporaryDirectory { path in
      var arguments = line.split(separator: " ").map(String.init)
      if arguments[0] == "train" { arguments += ["--out", path + "/run"] }
      let outcome = try autograd(arguments)
      #expect(outcome.status == status)
      #expect(outcome.errors.hasPrefix(sentence), "\(outcome.errors)")
    }
  }

  @Test(
    "an option is no value; where one is meant as one, the way to write it is told",
    arguments: [
      ("generate --prompt --model x", "--prompt=--model"), ("generate --model x -p -n 5", "--prompt=-n"),
      ("generate --model x --stop --", "--stop=--"), ("generate --model x --prompt --item", "--prompt=--item"),
    ])
  func hint(line: String, spelling: String) throws {
    let outcome = try autograd(line.split(separator: " ").map(String.init))
    #expect(outcome.status == 64)
    #expect(outcome.errors.hasPrefix("Error: Missing value for '-"), "\(outcome.errors)")
    let last = outcome.errors.split(separator: "\n").last ?? ""
    #expect(last == "A value that begins with a dash is written with an equals sign: " + spelling, "\(outcome.errors)")
  }

  @Test("arguments that are in order stay as they are")
  func untouched() {
    for line in [
      "train --json -1", "generate --model x -- --prompt -1", "generate -p - -n 5", "generate --prompt=-1 --json",
      "train --data x --recompute --no-bias", "-1", "",
    ] {
      let words = line.split(separator: " ").map(String.init)
      #expect(DashedValues.joined(words) == words, "\(line)")
    }
    #expect(DashedValues.joined(["generate", "-p", "-1", "-n", "-2"]) == ["generate", "--prompt=-1", "--max-tokens=-2"])
  }

  // MARK: For the shell

  @Test(
    "words are quoted where a shell would read them otherwise",
    arguments: [
      ("runs/a-b_c.1", "runs/a-b_c.1"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$HOME", "'$HOME'"),
      ("~", "'~'"), ("é", "'é'"), ("a;b", "'a;b'"), ("*", "'*'"),
    ])
  func quoting(word: String, quoted: String) throws {
    #expect(word.shellQuoted == quoted)
    let echoed = try autograd([], shell: "printf %s \(quoted)").output
    #expect(echoed == word)
  }

  @Test("the next commands that a run suggests do what they say, whatever its folder is called")
  func suggestions() throws {
    try temporaryDirectory { path in
      try Data(String(repeating: "some text. ", count: 30).utf8).write(to: URL(fileURLWithPath: path + "/text"))
      let trained = try autograd(["train", "--data", path + "/text", "--out", path + "/it's $HOME; exit 7 #"] + tinyRun)
      #expect(trained.status == 0, "\(trained.errors)")
      let next = trained.output.components(separatedBy: "\nnext ").last ?? ""
      let commands = next.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      #expect(commands.count == 2)
      for command in commands {
        #expect(command.hasPrefix("autograd "))
        let words = command.dropFirst("autograd".count).replacing(" FILE", with: " '\(path)/text'")
        let outcome = try autograd([], shell: "\"$0\"" + words)
        #expect(outcome.status == 0, "\(command): \(outcome.errors)")
      }
    }
  }

  @Test("an unknown instruction set is told, and the widest is used", arguments: ["avx-2", "AVX2", "", "neon"])
  func instructionSet(name: String) throws {
    try withModel { path in
      let arguments = ["generate", "--model", path, "-p", "a", "-n", "1", "--temperature", "0"]
      let outcome = try autograd(arguments, environment: ["AUTOGRAD_ISA": name])
      #expect(outcome.status == 0 && outcome.output == "a-\n")
      #expect(outcome.errors.hasPrefix("warning: AUTOGRAD_ISA asks for \"\(name)\", which does not run here; "))
      #expect(outcome.errors.contains("Set it to one of baseline"))
      let known = try autograd(arguments, environment: ["AUTOGRAD_ISA": "baseline"])
      #expect(known.status == 0 && known.errors.isEmpty)
    }
  }
}
