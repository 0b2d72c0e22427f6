import Foundation
import TestSupport
import Testing

/// Runs the C programs under valgrind and the sanitizers, where those are installed.
@Suite("C programs under checkers", .enabled(if: CLibrary.isAvailable))
struct CheckerTests {
  private static let programs: [(source: String, arguments: [String])] = [
    ("Tests/c/test_basics.c", []), ("Tests/c/test_transformer.c", []), ("Tests/c/test_custom.c", []),
    ("Tests/c/test_lifecycle.c", ["20"]), ("Tests/c/test_files.c", []), ("Tests/c/test_own_names.c", []),
    ("Tests/c/steady.c", ["20", "32"]), ("Examples/c/custom_operation.c", []),
    ("Examples/c/transformer_layers.c", ["10"]), ("Examples/c/quickstart_basics.c", []),
    ("Examples/c/quickstart_training.c", ["10", "32"]),
  ]

  @Test("valgrind finds no error and nothing lost", .enabled(if: CLibrary.find("valgrind") != nil))
  func valgrind() throws {
    for (source, arguments) in Self.programs {
      try temporaryDirectory { path in
        let library = try CLibrary.shared.get()
        let program = try library.compile(
          library.repository + "/" + source, to: path + "/program", options: ["-std=gnu11"])
        _ = try CLibrary.run("strip", ["--strip-debug", program])
        let outcome = try CLibrary.run(
          "valgrind", ["--leak-check=full", "--error-exitcode=9", program] + arguments,
          environment: ["AUTOGRAD_ISA": "avx2"], folder: path)
        #expect(outcome.status == 0, "\(source): \(outcome.errors)")
        for line in outcome.errors.split(separator: "\n") where line.contains("ly lost: ") {
          #expect(line.contains(" 0 bytes"), "\(source): \(line)")
        }
      }
    }
  }

  @Test("AddressSanitizer and UndefinedBehaviorSanitizer report nothing")
  func addresses() throws {
    let options = ["-std=gnu11", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    guard canCompile(options) else { return print("note: no AddressSanitizer: left out") }
    for (source, arguments) in Self.programs {
      try temporaryDirectory { path in
        let extra = source.hasSuffix("test_files.c") ? [path] : arguments
        _ = try CLibrary.shared.get().check(source, arguments: extra, options: options)
      }
    }
  }

  @Test("AddressSanitizer reports a temporary that is read after its reset")
  func staleRead() throws {
    let options = ["-std=gnu11", "-fsanitize=address"]
    guard canCompile(options) else { return print("note: no AddressSanitizer: left out") }
    try temporaryDirectory { path in
      let library = try CLibrary.shared.get()
      let program = try library.compile(
        library.repository + "/Tests/c/test_debugging.c", to: path + "/program", options: options)
      let outcome = try CLibrary.run(program, ["touch"])
      #expect(outcome.status != 0)
      #expect(outcome.errors.contains("use-after-poison"))
    }
  }

  @Test("ThreadSanitizer finds no race between two contexts on two threads")
  func threads() throws {
    let options = ["-std=gnu11", "-fsanitize=thread"]
    guard canCompile(options) else { return print("note: no ThreadSanitizer: left out") }
    try CLibrary.shared.get().check("Tests/c/test_lifecycle.c", arguments: ["200"], options: options)
  }

  private func canCompile(_ options: [String]) -> Bool {
    let program = NSTemporaryDirectory() + "autograd-sanitizer-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: program) }
    let source = program + ".c"
    _ = FileManager.default.createFile(atPath: source, contents: Data("int main(void) { return 0; }\n".utf8))
    defer { try? FileManager.default.removeItem(atPath: source) }
    guard (try? CLibrary.run("cc", options + [source, "-o", program]))?.status == 0 else { return false }
    return (try? CLibrary.run(program, []))?.status == 0
  }
}
