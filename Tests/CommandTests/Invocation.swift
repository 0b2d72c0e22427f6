import Foundation

/// What a run of the built `autograd` said.
struct Outcome {
  let status: Int32
  let output: String
  let errors: String
}

/// The products lie beside the test bundle.
let executable: URL = {
  let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
  var folder = bundle.deletingLastPathComponent()
  while folder.path != "/" {
    let candidate = folder.appendingPathComponent("autograd")
    if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
    folder.deleteLastPathComponent()
  }
  return URL(fileURLWithPath: "autograd")
}()

/// Runs the built command as a person would.
func autograd(_ arguments: String...) throws -> Outcome { try autograd(arguments) }

func autograd(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
  let process = Process(), output = Pipe(), errors = Pipe()
  process.executableURL = executable
  process.arguments = arguments
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  process.standardOutput = output
  process.standardError = errors
  process.standardInput = FileHandle.nullDevice
  try process.run()
  let text = output.fileHandleForReading.readDataToEndOfFile()
  let complaint = errors.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return Outcome(
    status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
    errors: String(decoding: complaint, as: UTF8.self))
}
