import Foundation
import AutogradTestSupport
import Testing

/// Builds and runs the programs in Tests/c and Examples/c.
@Suite("C programs", .enabled(if: CLibrary.isAvailable))
struct CProgramTests {
  @Test("the tests written in C pass", arguments: [
    "test_basics", "test_operations", "test_gradients", "test_transformer", "test_custom", "test_recompute",
    "test_debugging", "test_own_names", "test_null", "test_handles", "test_values", "test_unwinding",
  ])
  func tests(name: String) throws {
    try CLibrary.shared.get().check("Tests/c/\(name).c")
  }

  @Test("memory stays flat over thousands of openings, iterations, contexts, threads and a fork")
  func lifeCycle() throws {
    try CLibrary.shared.get().check("Tests/c/test_lifecycle.c", arguments: ["10000"])
  }

  @Test("text, data sets, sampling, checkpoints: a resumed run equals an uninterrupted one")
  func files() throws {
    try temporaryDirectory { path in
      _ = try CLibrary.shared.get().check("Tests/c/test_files.c", arguments: [path])
    }
  }

  @Test("Adam follows PyTorch's for a thousand steps")
  func adam() throws {
    let library = try CLibrary.shared.get()
    try library.check("Tests/c/test_adam.c", arguments: [library.repository + "/Tests/Fixtures/adam.txt"])
  }

  @Test("whichever allocation fails: an error or the right result, no crash, and the process goes on")
  func faults() throws {
    try CLibrary.shared.get().check("Tests/c/test_faults.c")
  }

  @Test("the training loop's resident memory is flat and at most 64 MiB")
  func steady() throws {
    let outcome = try CLibrary.shared.get().check("Tests/c/steady.c", arguments: ["10000", "128"])
    print(outcome.output)
  }

  @Test(
    "the training loop does 500 iterations per second on two free cores",
    .enabled(
      if: ProcessInfo.processInfo.environment["AUTOGRAD_TIMINGS"] != nil,
      "set AUTOGRAD_TIMINGS on a machine that does nothing else"))
  func speed() throws {
    let outcome = try CLibrary.shared.get().check("Tests/c/steady.c", arguments: ["3000", "128", "500"])
    print(outcome.output)
  }

  @Test("exceptions of C++ leave callbacks, and the context is usable again", arguments: [
    CLibrary.Linkage.archive, .shared,
  ])
  func exceptions(linkage: CLibrary.Linkage) throws {
    guard CLibrary.find("g++") != nil else { return print("note: no g++: C++ is left out") }
    try CLibrary.shared.get().check(
      "Tests/c/test_unwinding.cpp", compiler: "g++", options: ["-std=c++11"], linkage: linkage)
  }

  @Test("the headers compile as C++, and the library links")
  func cPlusPlus() throws {
    guard CLibrary.find("g++") != nil else { return print("note: no g++: C++ is left out") }
    let options = ["-std=c++11", "-pedantic"]
    try CLibrary.shared.get().check("Tests/c/test_cplusplus.cpp", compiler: "g++", options: options)
    try CLibrary.shared.get().check("Tests/c/test_cplusplus.cpp", compiler: "g++", options: options, linkage: .shared)
  }

  @Test("the examples compile as strict C99 with every compiler, and do what they say", arguments: [
    "xor", "custom_operation", "transformer_layers", "quickstart_basics", "quickstart_training",
  ])
  func examples(name: String) throws {
    for compiler in ["gcc", "clang"] where CLibrary.find(compiler) != nil {
      try CLibrary.shared.get().check(
        "Examples/c/\(name).c", compiler: compiler, options: ["-std=c99", "-pedantic"],
        linkage: compiler == "gcc" ? .archive : .shared)
    }
  }

  @Test("the text trainer, stopped and started again, ends where it ends without the stop")
  func textTrainer() throws {
    try temporaryDirectory { path in
      let library = try CLibrary.shared.get(), text = path + "/text.txt"
      let lines = (0..<40).map { "she sells \($0 * $0 % 17) sea shells on the sea shore\n" }
      try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: text))
      func train(_ checkpoint: String, _ iterations: String) throws -> String {
        let outcome = try library.check(
          "Examples/c/train_text.c", arguments: [text, path + "/" + checkpoint, iterations],
          options: ["-std=c99", "-pedantic"])
        return outcome.output
      }
      func last(_ output: String) -> Substring? {
        output.split(separator: "\n").last { $0.hasPrefix("iter 119") }
      }
      let whole = try train("whole", "120")
      _ = try train("parts", "70")
      let rest = try train("parts", "120")
      #expect(rest.contains("continuing after iteration 70"))
      #expect(last(whole) != nil && last(whole) == last(rest))
    }
  }

  @Test("a program's own functions win over the library's, in the archive and the shared library")
  func ownNames() throws {
    for linkage in [CLibrary.Linkage.archive, .shared] {
      try CLibrary.shared.get().check("Tests/c/test_own_names.c", linkage: linkage)
    }
  }
}
