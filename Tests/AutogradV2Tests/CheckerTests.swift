import Foundation
import AutogradTestSupport
import Testing

/// A program of Tests/c or Examples/c and how to run it for a short time. In arguments `FOLDER` stands for a folder
/// with a `text.txt`, `REPOSITORY` for this package.
struct CheckedProgram: CustomTestStringConvertible {
  let source: String
  var arguments: [String] = []
  var options = ["-std=gnu11"]

  var testDescription: String { source }

  /// Where the checker has a malloc of its own, the program's goes between it and the library.
  private static let wrapped = ["malloc", "calloc", "realloc", "aligned_alloc", "memalign", "posix_memalign", "mmap"]

  static let all = [
    CheckedProgram(source: "Tests/c/test_basics.c"),
    CheckedProgram(source: "Tests/c/test_operations.c"),
    CheckedProgram(source: "Tests/c/test_gradients.c"),
    CheckedProgram(source: "Tests/c/test_transformer.c"),
    CheckedProgram(source: "Tests/c/test_custom.c"),
    CheckedProgram(source: "Tests/c/test_recompute.c"),
    CheckedProgram(source: "Tests/c/test_debugging.c"),
    CheckedProgram(source: "Tests/c/test_own_names.c"),
    CheckedProgram(source: "Tests/c/test_null.c"),
    CheckedProgram(source: "Tests/c/test_handles.c"),
    CheckedProgram(source: "Tests/c/test_values.c"),
    CheckedProgram(source: "Tests/c/test_unwinding.c"),
    CheckedProgram(source: "Tests/c/test_unwinding.cpp", options: ["-std=c++11"]),
    CheckedProgram(source: "Tests/c/test_lifecycle.c", arguments: ["20"]),
    CheckedProgram(source: "Tests/c/test_files.c", arguments: ["FOLDER"]),
    CheckedProgram(source: "Tests/c/test_adam.c", arguments: ["REPOSITORY/Tests/Fixtures/adam.txt"]),
    CheckedProgram(
      source: "Tests/c/test_faults.c", arguments: ["7", "300"],
      options: ["-std=gnu11", "-DWRAPPED"] + wrapped.map { "-Wl,--wrap=" + $0 }),
    CheckedProgram(source: "Tests/c/test_cplusplus.cpp", options: ["-std=c++11"]),
    CheckedProgram(source: "Tests/c/steady.c", arguments: ["20", "32"]),
    CheckedProgram(source: "Examples/c/xor.c", arguments: ["20"]),
    CheckedProgram(source: "Examples/c/custom_operation.c"),
    CheckedProgram(source: "Examples/c/transformer_layers.c", arguments: ["10"]),
    CheckedProgram(source: "Examples/c/quickstart_basics.c"),
    CheckedProgram(source: "Examples/c/quickstart_training.c", arguments: ["10", "32"]),
    CheckedProgram(source: "Examples/c/train_text.c", arguments: ["FOLDER/text.txt", "FOLDER/checkpoint", "3"]),
  ]

  var compiler: String { source.hasSuffix(".cpp") ? "g++" : "cc" }

  /// Compiles it into a folder, which also gets a text; the program and its arguments.
  func build(in folder: String, options more: [String] = []) throws -> (program: String, arguments: [String]) {
    let text = (0..<40).map { "she sells \($0 * $0 % 17) sea shells on the sea shore\n" }.joined()
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/text.txt"))
    let library = try CLibrary.shared.get()
    let program = try library.compile(
      library.repository + "/" + source, to: folder + "/program", compiler: compiler, options: options + more)
    let given = arguments.map {
      $0.replacingOccurrences(of: "FOLDER", with: folder)
        .replacingOccurrences(of: "REPOSITORY", with: library.repository)
    }
    return (program, given)
  }
}

/// Runs the C programs under valgrind and the sanitizers, where those are installed.
@Suite("C programs under checkers", .enabled(if: CLibrary.isAvailable))
struct CheckerTests {
  @Test("every C test and every C example is among the programs that are checked")
  func complete() throws {
    let manager = FileManager.default, listed = Set(CheckedProgram.all.map(\.source))
    for folder in ["Tests/c", "Examples/c"] {
      let files = try manager.contentsOfDirectory(atPath: CLibrary.repository + "/" + folder)
      for file in files where file.hasSuffix(".c") || file.hasSuffix(".cpp") {
        #expect(listed.contains(folder + "/" + file))
      }
    }
  }

  @Test(
    "valgrind finds no error and nothing lost", .enabled(if: CLibrary.find("valgrind") != nil),
    arguments: CheckedProgram.all)
  func valgrind(checked: CheckedProgram) throws {
    guard CLibrary.find(checked.compiler) != nil else { return print("note: no \(checked.compiler): left out") }
    try temporaryDirectory { path in
      let (program, arguments) = try checked.build(in: path)
      _ = try CLibrary.run("strip", ["--strip-debug", program])
      let outcome = try CLibrary.run(
        "valgrind", ["--leak-check=full", "--error-exitcode=9", program] + arguments,
        environment: ["AUTOGRAD_ISA": "avx2"], folder: path)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("ERROR SUMMARY: 0 errors"), "\(outcome.errors)")
      for line in outcome.errors.split(separator: "\n") where line.contains("ly lost: ") {
        #expect(line.contains(" 0 bytes"), "\(line)")
      }
    }
  }

  @Test("AddressSanitizer and UndefinedBehaviorSanitizer report nothing", arguments: CheckedProgram.all)
  func addresses(checked: CheckedProgram) throws {
    let options = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    guard canCompile(options, checked.compiler) else { return print("note: no AddressSanitizer: left out") }
    try temporaryDirectory { path in
      let (program, arguments) = try checked.build(in: path, options: options)
      let outcome = try CLibrary.run(program, arguments, folder: path)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
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

  private func canCompile(_ options: [String], _ compiler: String = "cc") -> Bool {
    let program = NSTemporaryDirectory() + "autograd-sanitizer-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: program) }
    let source = program + ".c"
    _ = FileManager.default.createFile(atPath: source, contents: Data("int main(void) { return 0; }\n".utf8))
    defer { try? FileManager.default.removeItem(atPath: source) }
    guard (try? CLibrary.run(compiler, options + [source, "-o", program]))?.status == 0 else { return false }
    return (try? CLibrary.run(program, []))?.status == 0
  }
}
