import Foundation
import Testing

/// Paths that the documents name. The log tells of earlier trees, and is left out.
@Suite("Paths in documents") struct PathTests {
  static let pages = [
    "README.md", "docs/architecture.md", "docs/guide.md", "docs/performance.md", "docs/c-api.md", "docs/c-migration.md",
  ]

  /// Names of files that runs and other tools have, not this tree.
  static let foreign: Set<String> = [
    "train.c", "data/shakespeare.txt", "share/autograd_v2/autograd_v2_gdb.py", "book.txt", "other.txt",
  ]

  @Test("every file that a page names in code is one of the tree, by its whole path or the end of it", arguments: pages)
  func files(page: String) throws {
    let all = try ["Sources", "Tests", "Fuzz", "Examples", "Benchmarks", "Scripts", "docs"].flatMap {
      try Repository.files(below: $0, suffix: "")
    } + ["README.md", "Package.swift", "Makefile", "LICENSE"]
    var missing: [String] = []
    for code in try Repository.text(page).components(separatedBy: "`").enumerated() where code.offset % 2 == 1 {
      let pattern = /^[\w+.\/-]+\.(?:swift|c|h|py|md|sh|txt)$/
      guard code.element.wholeMatch(of: pattern) != nil, !Self.foreign.contains(code.element) else { continue }
      if !all.contains(where: { $0 == code.element || $0.hasSuffix("/" + code.element) }) { missing.append(code.element) }
    }
    #expect(missing.isEmpty)
  }

  @Test("every link to a page leads to one", arguments: pages)
  func links(page: String) throws {
    let folder = page.contains("/") ? "docs/" : ""
    for link in try Repository.text(page).matches(of: /\]\(([^)#]+)[^)]*\)/) where !link.1.contains("://") {
      #expect(Repository.exists(folder + link.1), "\(page) links to \(link.1)")
    }
  }

  @Test("every module of the manifest has its row in the table of modules")
  func modules() throws {
    let page = try Repository.text("docs/architecture.md")
    for target in try ImportTests.targets() { #expect(page.contains("| `\(target.name)`"), "\(target.name)") }
  }
}
