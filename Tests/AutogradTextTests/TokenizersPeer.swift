import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

/// Hugging Face's tokenizers, where `AUTOGRAD_PYTHON` names a Python that has it.
enum TokenizersPeer {
  static let python = ProcessInfo.processInfo.environment["AUTOGRAD_PYTHON"]
  static let comment: Comment = "set AUTOGRAD_PYTHON to a Python with tokenizers and transformers"

  /// Runs Scripts/tokenizers_peer.py.
  static func ask(_ arguments: [String], _ input: JSON) throws -> JSON {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Scripts/tokenizers_peer.py").path
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

  /// Ids of texts by a file's bytes, and what they decode to.
  static func ids(_ file: [UInt8], _ texts: [String]) throws -> (ids: [[Int]], texts: [String]) {
    let answer = try temporaryDirectory { folder in
      try Data(file).write(to: URL(fileURLWithPath: folder + "/tokenizer.json"))
      return try ask(["ids", folder + "/tokenizer.json"], .array(texts.map { .string($0) }))
    }
    let ids = try #require(answer["ids"]?.arrayValue).map { $0.arrayValue?.compactMap(\.intValue) ?? [] }
    return (ids, try #require(answer["texts"]?.arrayValue).compactMap(\.stringValue))
  }
}
