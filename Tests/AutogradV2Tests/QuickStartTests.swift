import Foundation
import AutogradTestSupport
import Testing

/// The guide stands beside the repository, not in it.
private enum Guide {
  static let path = URL(fileURLWithPath: CLibrary.repository).deletingLastPathComponent()
    .appendingPathComponent("shared/QUICKSTART.md").path

  static let isThere: Bool = {
    let found = FileManager.default.fileExists(atPath: path)
    if !found { print("note: \(path) is absent: its programs are left out") }
    return found
  }()
}

/// Compiles the C blocks of the guide that existing programs were written from, and runs them.
@Suite("Quick start guide", .enabled(if: CLibrary.isAvailable && Guide.isThere))
struct QuickStartTests {
  /// The C blocks in order.
  private static func blocks() throws -> [String] {
    var blocks: [String] = [], current: [Substring]?
    let text = try String(contentsOfFile: Guide.path, encoding: .utf8)
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line == "```c" {
        current = []
      } else if line == "```", let lines = current {
        blocks.append(lines.joined(separator: "\n"))
        current = nil
      } else {
        current?.append(line)
      }
    }
    return blocks
  }

  private func block(_ words: String) throws -> String {
    try #require(try Self.blocks().first { $0.contains(words) }, "no block with \(words)")
  }

  /// Compiles a program with the prelude before it, and runs it.
  private func run(_ source: String) throws -> CLibrary.Outcome {
    try temporaryDirectory { path in
      let library = try CLibrary.shared.get(), file = path + "/quickstart.c"
      try Data(("#include \"quickstart_prelude.h\"\n" + source).utf8).write(to: URL(fileURLWithPath: file))
      return try library.check(
        file, options: ["-std=gnu11", "-Wno-unused-variable", "-Wno-unused-function", "-Wno-unused-but-set-variable"])
    }
  }

  @Test("every C block compiles and runs")
  func all() throws {
    let blocks = try Self.blocks()
    #expect(blocks.count >= 9)
    for block in blocks where block.contains("int main()") { _ = try run(block) }
    let functions = blocks.filter { !$0.contains("int main()") && $0.contains("void ") }
    let statements = blocks.filter { !$0.contains("int main()") && !$0.contains("void ") }
    #expect(functions.count == 2 && statements.count >= 5)
    // In the order of the guide; a loss of W's own takes the place of the model.
    let program = functions.joined(separator: "\n") + "\nint main(void) {\n" + statements.joined(separator: "\n")
      + "\nsgd_step(&W, 1, 0.1); check_gradients(&W, 1); return 0;\n}\n"
    let outcome = try run(program)
    #expect(outcome.output.contains("Weight gradient sum: "))
    #expect(outcome.output.contains("Arena used: 0 bytes"))
  }

  @Test("its first product does not fit, and says so")
  func firstProduct() throws {
    let source = "int main(void) {\n" + (try block("tensor_create_persistent(shape, 2)")) + "\n"
      + (try block("ag_matmul(W, x);\n")) + "\nreturn y || z || h || reshaped ? 1 : 0;\n}\n"
    let outcome = try run(source)
    #expect(outcome.errors == "autograd_v2: ag_matmul: shapes [10, 20] and [10, 20] do not fit: 20 columns against "
      + "10 rows; the left's columns must equal the right's rows; transpose one of them\n")
  }

  @Test("its training loop needs no header but the library's")
  func headers() throws {
    let loop = try block("adam_create(0.001)").replacingOccurrences(of: "iter < 1000", with: "iter < 2")
    let source = """
      enum { vocab_size = 5, d_model = 8, n_heads = 2, n_layers = 1, d_ff = 16, max_seq_len = 8, seq_len = 4 };
      static int input_tokens[] = {1, 2, 0, 3}, target_tokens[] = {2, 0, 3, 1};
      """
    try temporaryDirectory { path in
      try Data((source + "\n" + loop).utf8).write(to: URL(fileURLWithPath: path + "/loop.c"))
      let outcome = try CLibrary.shared.get().check(path + "/loop.c")
      #expect(outcome.output.hasPrefix("Iter 0, Loss: ") && outcome.errors.isEmpty)
    }
  }

  @Test("its training loop learns ten lines to below 1 nat per character in 2000 iterations")
  func trainingLoop() throws {
    let loop = try block("adam_create(0.001)")
    let longer = loop.replacingOccurrences(of: "iter < 1000", with: "iter < 2000")
    #expect(longer != loop)
    let outcome = try run(longer)
    let last = try #require(outcome.output.split(separator: "\n").last { $0.hasPrefix("Iter ") })
    #expect(last.hasPrefix("Iter 1900, Loss: "))
    let loss = Double(last.split(separator: " ").last ?? "") ?? .nan
    #expect(loss < 1.0)
  }
}
