import Foundation

/// The tree that these tests were built from.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
  }

  /// The names in a folder, sorted.
  static func names(in path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(path).path).sorted()
  }

  /// The paths of all files below a folder with a suffix, from the root, sorted.
  static func files(below folder: String, suffix: String) throws -> [String] {
    let all = try FileManager.default.subpathsOfDirectory(atPath: root.appendingPathComponent(folder).path)
    return all.filter { $0.hasSuffix(suffix) }.map { folder + "/" + $0 }.sorted()
  }
}
