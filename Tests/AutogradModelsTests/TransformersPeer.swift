import AutogradBase
import AutogradFormats
import AutogradTestSupport
import Foundation
import Testing

/// Hugging Face's own code, where `AUTOGRAD_PYTHON` names a Python with torch and transformers.
enum TransformersPeer {
  static let python = ProcessInfo.processInfo.environment["AUTOGRAD_PYTHON"]

  /// Runs Scripts/transformers_peer.py, or another script there.
  static func ask(
    _ arguments: [String], _ input: JSON = .null, script name: String = "transformers_peer.py"
  ) throws -> JSON {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Scripts/" + name).path
    return try temporaryDirectory { folder in
      try Data(input.serialized()).write(to: URL(fileURLWithPath: folder + "/input"))
      let process = Process(), output = Pipe()
      process.executableURL = URL(fileURLWithPath: try #require(python))
      process.arguments = [script] + arguments
      process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder + "/input"))
      process.standardOutput = output
      try process.run()
      let bytes = output.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
      return try JSON(parsing: Array(bytes))
    }
  }

  /// Models of every family in three shapes, and their numbers: made once.
  static let families = Result { () throws -> String in
    let folder = NSTemporaryDirectory() + "families-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    _ = try ask(["family", folder])
    return folder
  }
}
