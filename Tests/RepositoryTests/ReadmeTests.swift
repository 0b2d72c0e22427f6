import Foundation
import Testing

@testable import AutogradCommand

/// What README and guide show is what is built. Scripts/test_examples runs the programs that its Swift is taken from.
@Suite("README and guide") struct ReadmeTests {
  /// What stands in fences of a language.
  private static func blocks(_ language: String, in page: String = "README.md") throws -> [String] {
    try Repository.text(page).components(separatedBy: "```\(language)\n").dropFirst().map {
      $0.components(separatedBy: "```")[0]
    }
  }

  @Test("each block of Swift is the marked part of a program in Examples, to the letter")
  func swift() throws {
    let folder = Repository.root.appendingPathComponent("Examples").path
    var marked: [String] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      guard let program = try? Repository.text("Examples/\(name)/main.swift") else { continue }
      for part in program.components(separatedBy: "// README: begin\n").dropFirst() {
        let ended = part.components(separatedBy: "// README: end\n")
        #expect(ended.count == 2, "\(name): a part that does not end")
        marked.append(ended[0])
      }
    }
    let shown = try Self.blocks("swift") + Self.blocks("swift", in: "docs/guide.md")
    #expect(shown.count == 2)
    #expect(shown.sorted() == marked.sorted())
  }

  @Test("the command takes every line that begins with autograd, or with swift run and it; every example exists")
  func commands() throws {
    let pages = ["README.md", "docs/guide.md", "docs/performance.md"]
    let inText = try pages.flatMap {
      try Repository.text($0).components(separatedBy: "`").filter { $0.hasPrefix("autograd ") }
    }
    let inBlocks = try pages.flatMap { try Self.blocks("sh", in: $0) }.flatMap { $0.components(separatedBy: "\n") }
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
    for run in try pages.map(Repository.text).joined().matches(of: /--package-path Examples -c release ([\w-]+)/) {
      _ = try Repository.text("Examples/\(run.1)/main.swift")
    }
  }

  @Test("the exit codes are those of the command")
  func exitCodes() throws {
    let text = try Repository.text("docs/guide.md").components(separatedBy: "Exit codes: ").last ?? ""
    let line = text.components(separatedBy: "\n\n")[0].replacingOccurrences(of: "\n", with: " ")
    let codes = line.components(separatedBy: ". ")[0].components(separatedBy: "; ").compactMap {
      $0.split(separator: " ").first.flatMap { Int32($0) }
    }
    #expect(codes == [0] + Exit.allCases.map(\.rawValue) + [64])
  }

  @Test("README fits two screens of a terminal")
  func length() throws {
    let lines = try Repository.text("README.md").split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(lines.count <= 80)
    #expect(lines.allSatisfy { $0.count <= 120 })
  }
}
