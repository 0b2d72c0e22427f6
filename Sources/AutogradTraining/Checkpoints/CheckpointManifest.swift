import AutogradBase

/// What a checkpoint's folder must hold: the size and the SHA-256 of every file. Written last, so that a folder with a
/// manifest that verifies is complete.
package struct CheckpointManifest: Equatable {
  package struct File: Equatable {
    package let name: String
    package let byteCount: Int
    let sha256: String
  }

  static let name = "manifest.json"
  private static let format = "swift-autograd checkpoint"
  private static let version = 1
  static let byteLimit = 1 << 20

  package let files: [File]

  init(files: [File]) { self.files = files }

  package var bytes: [UInt8] {
    JSON.object([
      JSON.Member("format", .string(CheckpointManifest.format)),
      JSON.Member("version", .integer(Int64(CheckpointManifest.version))),
      JSON.Member(
        "files",
        .array(
          files.map { file in
            .object([
              JSON.Member("name", .string(file.name)), JSON.Member("bytes", .integer(Int64(file.byteCount))),
              JSON.Member("sha256", .string(file.sha256)),
            ])
          })),
    ]).serialized(pretty: true)
  }

  /// Reads a manifest from outside: every name must be a plain one, inside the folder.
  ///
  /// - Throws: What is wrong, in words.
  package init(parsing bytes: [UInt8]) throws(ManifestProblem) {
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: bytes)
    } catch {
      throw ManifestProblem("\(CheckpointManifest.name) cannot be read: \(error)")
    }
    guard json["format"]?.stringValue == CheckpointManifest.format else {
      throw ManifestProblem("\(CheckpointManifest.name) is no checkpoint's")
    }
    guard json["version"]?.intValue == CheckpointManifest.version else {
      throw ManifestProblem("\(CheckpointManifest.name) is of another version than \(CheckpointManifest.version)")
    }
    var files: [File] = []
    for entry in json["files"]?.arrayValue ?? [] {
      guard let name = entry["name"]?.stringValue, let count = entry["bytes"]?.intValue, count >= 0,
        let sha256 = entry["sha256"]?.stringValue, sha256.utf8.count == 64
      else { throw ManifestProblem("\(CheckpointManifest.name) has an entry without name, bytes or sha256") }
      guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
      else {
        throw ManifestProblem("\(CheckpointManifest.name) names \(name.quotedForMessage), which is no file's name")
      }
      files.append(File(name: name, byteCount: count, sha256: sha256))
    }
    guard !files.isEmpty else { throw ManifestProblem("\(CheckpointManifest.name) lists no files") }
    self.files = files
  }

  /// Whether a folder holds a manifest that can be read, whatever has become of the files that it lists.
  static func stands(in folder: String, _ fileSystem: some FileSystem) -> Bool {
    guard let bytes = try? fileSystem.read(folder + "/" + name, byteLimit: byteLimit) else { return false }
    return (try? CheckpointManifest(parsing: bytes)) != nil
  }

  package struct ManifestProblem: Error {
    let sentence: String
    init(_ sentence: String) { self.sentence = sentence }
  }
}
