import Foundation
import Testing

/// Imports run one way: from a module to those that stand before it in the manifest.
@Suite("Imports") struct ImportTests {
  /// A target under Sources, and those of ours that it names.
  struct Target {
    let name: String
    let dependencies: [String]
  }

  /// The targets of the manifest in its order, tests and fuzzing left out.
  static func targets() throws -> [Target] {
    let manifest = try Repository.text("Package.swift")
    let pattern = /\.(?:target|executableTarget)\(\s*name: "(\w+)"(?:,\s*dependencies: \[([^\]]*)\])?([^\n]*\n[^\n]*path:)?/
    return manifest.matches(of: pattern).compactMap { match in
      let name = String(match.1)
      guard Repository.exists("Sources/\(name)") else { return nil }
      let listed = match.2.map(String.init) ?? ""
      return Target(name: name, dependencies: listed.matches(of: /"(\w+)"/).map { String($0.1) })
    }
  }

  /// What a Swift file imports, without the names of single declarations.
  static func imports(of file: String) throws -> Set<String> {
    let pattern = /^\s*(?:@\w+(?:\([^)]*\))? )*(?:public |package |internal |private )?import (?:struct |enum |class |protocol |func |typealias |var |let )?(\w+)/
    let lines = try Repository.text(file).split(separator: "\n")
    return Set(lines.compactMap { $0.firstMatch(of: pattern).map { String($0.1) } })
  }

  @Test("every folder of Sources is a target, has a prefix, and depends only on targets before it")
  func order() throws {
    let targets = try Self.targets(), names = targets.map(\.name)
    #expect(names.sorted() == (try Repository.names(in: "Sources")))
    for (index, target) in targets.enumerated() {
      #expect(target.name.hasPrefix("Autograd") || target.name.hasPrefix("CAutograd"))
      for dependency in target.dependencies where names.contains(dependency) {
        #expect(names[..<index].contains(dependency), "\(target.name) depends on \(dependency), which stands after it")
      }
    }
  }

  @Test("a file imports only what its target names in the manifest, and every name there is imported")
  func declared() throws {
    let targets = try Self.targets(), names = Set(targets.map(\.name))
    for target in targets {
      let files = try Repository.files(below: "Sources/\(target.name)", suffix: ".swift")
      var imported: Set<String> = []
      for file in files {
        let modules = try Self.imports(of: file).intersection(names)
        imported.formUnion(modules)
        let undeclared = modules.subtracting(target.dependencies).subtracting([target.name])
        #expect(undeclared.isEmpty, "\(file) imports \(undeclared.sorted()), which \(target.name) does not name")
      }
      let unused = Set(target.dependencies).intersection(names).subtracting(imported)
      #expect(files.isEmpty || unused.isEmpty, "\(target.name) names \(unused.sorted()) and imports none of it")
    }
  }

  @Test("tests import only what their target depends on, at whatever distance: else a clean build fails now and then")
  func tests() throws {
    let pattern = /\.(?:target|executableTarget|testTarget)\(\s*name: "(\w+)"(?:,\s*dependencies: \[([^\]]*)\])?/
    var dependencies: [String: [String]] = [:]
    for match in try Repository.text("Package.swift").matches(of: pattern) {
      dependencies[String(match.1)] = (match.2 ?? "").matches(of: /"(\w+)"/).map { String($0.1) }
    }
    func reached(from name: String) -> Set<String> {
      (dependencies[name] ?? []).reduce(into: []) { $0.formUnion(reached(from: $1).union([$1])) }
    }
    let names = Set(dependencies.keys), folders = try Repository.names(in: "Tests").filter(names.contains)
    #expect(folders.count >= 10)
    for name in folders {
      let within = reached(from: name).union([name])
      for file in try Repository.files(below: "Tests/\(name)", suffix: ".swift") {
        let undeclared = try Self.imports(of: file).intersection(names).subtracting(within)
        #expect(undeclared.isEmpty, "\(file) imports \(undeclared.sorted()), which \(name) does not depend on")
      }
    }
  }

  @Test("nothing imports the command or the C library")
  func top() throws {
    for target in try Self.targets() where target.name != "AutogradCommand" {
      #expect(!target.dependencies.contains("AutogradCommand"))
      #expect(target.name == "AutogradV2" || !target.dependencies.contains { $0.hasSuffix("AutogradV2") })
    }
  }

  @Test("programs in Examples import the two umbrellas and nothing else of ours")
  func examples() throws {
    let names = Set(try Self.targets().map(\.name))
    var count = 0
    for file in try Repository.files(below: "Examples", suffix: ".swift") where !file.hasSuffix("Package.swift") {
      let ours = try Self.imports(of: file).intersection(names)
      #expect(ours.isSubset(of: ["Autograd", "AutogradLM"]), "\(file) imports \(ours.sorted())")
      count += 1
    }
    #expect(count >= 7)
  }

  @Test("the pattern finds every way to import")
  func pattern() throws {
    let lines = ["import A", "public import B", "@testable import C", "@_exported import struct D.E", "// import F"]
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("imports-\(UUID()).swift")
    try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    let relative = String(repeating: "../", count: Repository.root.pathComponents.count) + file.path.dropFirst()
    #expect(try Self.imports(of: relative) == ["A", "B", "C", "D"])
  }
}
