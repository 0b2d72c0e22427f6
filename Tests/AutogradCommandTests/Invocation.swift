import Foundation
import Testing

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

/// - Parameter input: A file that becomes the standard input, which is empty otherwise.
func autograd(_ arguments: [String], environment: [String: String] = [:], input: String? = nil) throws -> Outcome {
  try run(executable, arguments, environment, input)
}

/// Runs the built command where the kernel ends it at so many seconds of processor time or bytes of address space.
///
/// Sanitizers reserve addresses and take time of their own: under them only the answer is tested.
func autograd(_ arguments: [String], seconds: Int, megabytes: Int) throws -> Outcome {
  #if SANITIZING
    return try autograd(arguments)
  #else
    let script = "ulimit -t \(seconds); ulimit -v \(megabytes << 10); exec \"$0\" \"$@\""
    return try run(URL(fileURLWithPath: "/bin/sh"), ["-c", script, executable.path] + arguments, [:], nil)
  #endif
}

/// Runs the built command as a line of a shell, in which `"$0" "$@"` is the command with its arguments.
func autograd(_ arguments: [String], shell script: String, environment: [String: String] = [:]) throws -> Outcome {
  try run(URL(fileURLWithPath: "/bin/bash"), ["-c", script, executable.path] + arguments, environment, nil)
}

/// Writes a text, and makes the folders that lead to it.
func write(_ text: String, _ path: String) throws {
  try FileManager.default.createDirectory(
    atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

/// What a command that succeeded printed as JSON.
func object(_ outcome: Outcome) throws -> [String: Any] {
  try #require(outcome.status == 0, "\(outcome.errors)")
  return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
}

/// The hash of weights and optimiser that a run ends with.
func fingerprint(_ outcome: Outcome) -> Substring? {
  outcome.output.split(separator: "\n").first { $0.hasPrefix("sha256  ") }?.dropFirst(8).prefix(64)
}

/// Sizes and pace of a run that is over in a moment.
let tinyRun = [
  "--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "2", "--max-iters", "2",
  "--warmup-iters", "0", "--eval-iters", "1", "--threads", "1",
]

/// Starts the built command, and returns once it has said `text`. Whoever reads `output` gets what it says after that.
func start(_ arguments: [String], until text: String) throws -> (process: Process, output: Pipe) {
  let process = Process(), output = Pipe()
  process.executableURL = executable
  process.arguments = arguments
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  try process.run()
  var said = ""
  while !said.contains(text) {
    let more = output.fileHandleForReading.availableData
    try #require(!more.isEmpty, "it ended before it said \"\(text)\": \(said)")
    said += String(decoding: more, as: UTF8.self)
  }
  return (process, output)
}

private func run(
  _ program: URL, _ arguments: [String], _ environment: [String: String], _ input: String?
) throws -> Outcome {
  let process = Process(), output = Pipe(), errors = Pipe()
  process.executableURL = program
  process.arguments = arguments
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  process.standardOutput = output
  process.standardError = errors
  process.standardInput = input.flatMap { FileHandle(forReadingAtPath: $0) } ?? FileHandle.nullDevice
  try process.run()
  let text = output.fileHandleForReading.readDataToEndOfFile()
  let complaint = errors.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return Outcome(
    status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
    errors: String(decoding: complaint, as: UTF8.self))
}
