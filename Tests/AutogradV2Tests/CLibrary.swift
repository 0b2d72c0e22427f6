import Foundation
import Testing

/// The C library, linked of this build's objects once for all tests, and the tools to use it.
struct CLibrary: Sendable {
  /// Holds libautograd_v2.a and libautograd_v2.so.
  let folder: String
  let repository: String

  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// Why the library cannot be linked here; nil where it can.
  static let obstacle: String? = {
    #if DEBUG
      return "a debug build: test the C library with swift test -c release -Xswiftc -enable-testing"
    #else
      return missingTool
    #endif
  }()

  private static let missingTool: String? = {
    for tool in ["bash", "cc", "ld", "objcopy", "ar"] where find(tool) == nil {
      return "no \(tool): the tests of the C library are left out"
    }
    return nil
  }()

  static var isAvailable: Bool {
    if let obstacle { print("note: \(obstacle)") }
    return obstacle == nil
  }

  static let shared: Result<CLibrary, Failure> = {
    let folder = NSTemporaryDirectory() + "autograd-c-library-\(getpid())"
    atexit_b(folder)
    let linked = try? run("/bin/bash", [repository + "/Scripts/c_library/link.sh", buildFolder, folder])
    guard let linked, linked.status == 0 else {
      return .failure(Failure(text: "link.sh failed: \(linked?.errors ?? "it does not start")"))
    }
    return .success(CLibrary(folder: folder, repository: repository))
  }()

  struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
  }

  /// Where this build's objects lie: a folder above the test bundle.
  private static var buildFolder: String {
    var folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    while folder.path != "/" {
      if FileManager.default.fileExists(atPath: folder.appendingPathComponent("AutogradV2.build").path) {
        return folder.path
      }
      folder.deleteLastPathComponent()
    }
    return "."
  }

  // MARK: Tools

  struct Outcome: Sendable {
    let status: Int32
    let output: String
    let errors: String
  }

  static func find(_ tool: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(tool)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// Runs a program to its end; kills it after ten minutes.
  static func run(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], folder: String? = nil
  ) throws -> Outcome {
    let process = Process(), output = Pipe()
    let errorPath = NSTemporaryDirectory() + "autograd-c-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: errorPath, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: errorPath) }
    process.executableURL = URL(fileURLWithPath: find(executable) ?? executable)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    process.standardOutput = output
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    try start(process)
    let identifier = process.processIdentifier
    let deadline = DispatchWorkItem { kill(identifier, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 600, execute: deadline)
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    deadline.cancel()
    let errors = FileManager.default.contents(atPath: errorPath) ?? Data()
    return Outcome(
      status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
      output: String(decoding: text, as: UTF8.self), errors: String(decoding: errors, as: UTF8.self))
  }

  /// Starts a program with no signal blocked. The threads that tests run on block them all, a child inherits that,
  /// and gdb would never hear that its program stopped.
  private static func start(_ process: Process) throws {
    var none = sigset_t(), before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  // MARK: Compiling

  enum Linkage: Sendable { case archive, shared }

  /// Compiles a C or C++ program; the path of the result.
  func compile(
    _ source: String, to program: String, compiler: String = "cc", options: [String] = [], linkage: Linkage = .archive
  ) throws -> String {
    var arguments = [
      "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-I" + repository + "/Sources/CAutogradV2/include",
      "-I" + repository + "/Tests/c",
    ]
    arguments += options + [source, "-o", program, "-L" + folder]
    switch linkage {
    case .archive: arguments += ["-l:libautograd_v2.a", "-lstdc++", "-lm", "-lpthread", "-ldl"]
    case .shared: arguments += ["-lautograd_v2", "-lm", "-Wl,-rpath," + folder]
    }
    let compiled = try CLibrary.run(compiler, arguments)
    guard compiled.status == 0 else {
      throw Failure(text: "\(compiler) \(arguments.joined(separator: " "))\n\(compiled.errors)")
    }
    return program
  }

  /// Compiles a program, runs it and expects that it ends with 0.
  @discardableResult
  func check(
    _ source: String, arguments: [String] = [], compiler: String = "cc", options: [String] = ["-std=gnu11"],
    linkage: Linkage = .archive, environment: [String: String] = [:], location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let name = URL(fileURLWithPath: source).deletingPathExtension().lastPathComponent
    let program = folder + "/\(name)-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: program) }
    let full = source.hasPrefix("/") ? source : repository + "/" + source
    _ = try compile(full, to: program, compiler: compiler, options: options, linkage: linkage)
    let outcome = try CLibrary.run(program, arguments, environment: environment, folder: folder)
    #expect(
      outcome.status == 0, "\(name) \(arguments) ended with \(outcome.status):\n\(outcome.output)\(outcome.errors)",
      sourceLocation: location)
    return outcome
  }
}

/// Removes the linked library when the tests end.
private func atexit_b(_ folder: String) {
  struct Kept { nonisolated(unsafe) static var folder = "" }
  Kept.folder = folder
  atexit { try? FileManager.default.removeItem(atPath: Kept.folder) }
}
