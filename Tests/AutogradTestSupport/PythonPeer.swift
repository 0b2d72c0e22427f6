public import AutogradBase
import Foundation

/// Scripts of this repository that ask other libraries, run by the Python that `AUTOGRAD_PYTHON` names.
public enum PythonPeer {
  /// Nil where the environment names none: whoever needs it is skipped with a message.
  public static let python = ProcessInfo.processInfo.environment["AUTOGRAD_PYTHON"]

  /// A script that did not end well, or no Python to run it.
  public struct Failure: Error {
    public let script: String
    public let status: Int32?
  }

  /// Runs a script of the folder Scripts.
  ///
  /// - Parameter input: What it reads.
  /// - Returns: What it writes.
  public static func run(_ name: String, _ arguments: [String], _ input: JSON = .null) throws -> [UInt8] {
    guard let python else { throw Failure(script: name, status: nil) }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try temporaryDirectory { folder in
      try Data(input.serialized()).write(to: URL(fileURLWithPath: folder + "/input"))
      let process = Process(), output = Pipe()
      process.executableURL = URL(fileURLWithPath: python)
      process.arguments = [root.appendingPathComponent("Scripts/" + name).path] + arguments
      process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder + "/input"))
      process.standardOutput = output
      try process.run()
      let bytes = output.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      guard process.terminationStatus == 0 else { throw Failure(script: name, status: process.terminationStatus) }
      return Array(bytes)
    }
  }

  /// Runs a script that answers in JSON.
  public static func ask(_ name: String, _ arguments: [String], _ input: JSON = .null) throws -> JSON {
    try JSON(parsing: run(name, arguments, input))
  }
}
