import Foundation
import Testing

@testable import AutogradCommand

/// What README shows is what is built. Scripts/test_examples runs the programs that its Swift is taken from.
@Suite("README") struct ReadmeTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: repository.appendingPathComponent(path), encoding: .utf8)
  }

  /// What stands in fences of a language.
  private static func blocks(_ language: String) throws -> [String] {
    try text("README.md").components(separatedBy: "```\(language)\n").dropFirst().map {
      $0.components(separatedBy: "```")[0]
    }
  }

  @Test("each block of Swift is the marked part of a program in Examples, to the letter")
  func swift() throws {
    let folder = Self.repository.appendingPathComponent("Examples").path
    var marked: [String] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      guard let program = try? Self.text("Examples/\(name)/main.swift") else { continue }
      for part in program.components(separatedBy: "// README: begin\n").dropFirst() {
        let ended = part.components(separatedBy: "// README: end\n")
        #expect(ended.count == 2, "\(name): a part that does not end")
        marked.append(ended[0])
      }
    }
    let shown = try Self.blocks("swift")
    #expect(shown.count == 2)
    #expect(shown.sorted() == marked.sorted())
  }

  @Test("the command takes every line that begins with autograd, or with swift run and it; every example exists")
  func commands() throws {
    let inText = try Self.text("README.md").components(separatedBy: "`").filter { $0.hasPrefix("autograd ") }
    let inBlocks = try Self.blocks("sh").flatMap { $0.components(separatedBy: "\n") }
    let prefix = "swift run -c release "
    let built = inBlocks.filter { $0.hasPrefix(prefix + "autograd ") }.map { String($0.dropFirst(prefix.count)) }
    let lines = inText + built
    #expect(lines.count >= 10)
    let commands: [any HasExamples.Type] = AutogradCommand.commands
    for line in lines + commands.flatMap({ $0.examples }) {
      // A quoted argument is one word.
      let words = line.components(separatedBy: "\"").enumerated().flatMap { index, part in
        index % 2 == 1 ? [part] : part.split(separator: " ").map(String.init)
      }
      #expect(throws: Never.self, "\(line)") {
        _ = try AutogradCommand.parseAsRoot(ForeignNames.translated(Array(words.dropFirst())))
      }
    }
    for run in try Self.text("README.md").matches(of: /--package-path Examples -c release ([\w-]+)/) {
      _ = try Self.text("Examples/\(run.1)/main.swift")
    }
  }

  @Test("the exit codes are those of the command")
  func exitCodes() throws {
    let text = try Self.text("README.md").components(separatedBy: "Exit codes: ").last ?? ""
    let line = text.components(separatedBy: "\n\n")[0].replacingOccurrences(of: "\n", with: " ")
    let codes = line.components(separatedBy: ". ")[0].components(separatedBy: "; ").compactMap {
      $0.split(separator: " ").first.flatMap { Int32($0) }
    }
    #expect(codes == [0] + Exit.allCases.map(\.rawValue) + [64])
  }
}
