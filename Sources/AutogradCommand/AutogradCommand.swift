import ArgumentParser
import CAutogradSystem
import AutogradBase
import AutogradKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@main
struct AutogradCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "autograd",
    abstract: "Trains transformers on the machine you have.",
    version: "autograd 0.1.0 (\(InstructionSet.preferred.rawValue))",
    subcommands: commands)

  static let commands: [any (ParsableCommand & HasExamples).Type] = [
    TrainCommand.self, PlanCommand.self, GenerateCommand.self, ChatCommand.self, ServeCommand.self, EvaluateCommand.self,
    DataCommand.self, InspectCommand.self, ExportCommand.self, MergeCommand.self, TokenizerCommand.self,
    BenchCommand.self, DoctorCommand.self,
  ]

  static let examples = ["autograd train", "autograd train --data book.txt --out runs/book"]

  static func main() {
    if csystem_open_standard_streams() & 1 << 1 != 0 { Console.noteClosed() }
    let status = perform()
    // What went wrong before is told already, and its code says more.
    if status == 0, let loss = Console.loss {
      Console.writeError("error: \(loss)")
      systemExit(Exit.inputOutput.rawValue)
    }
    systemExit(status)
  }

  /// Does what the arguments say.
  ///
  /// - Returns: The exit code; what it stands for is told.
  private static func perform() -> Int32 {
    var given: [String] = []
    do {
      try reportingErrors { given = try ProgramArguments.read() }
      let arguments = DashedValues.joined(ForeignNames.translated(Array(given.dropFirst())))
      do {
        var command = try parseAsRoot(arguments)
        if !(command is DoctorCommand) { warnOfInstructionSet() }  // which tells more of it
        try command.run()
      } catch {
        return tell(error, arguments)
      }
    } catch {
      return exitCode(for: error).rawValue
    }
    return 0
  }

  /// Shows help and version, which come as errors, too, and errors of the command line.
  private static func tell(_ error: any Error, _ arguments: [String]) -> Int32 {
    let code = exitCode(for: error)
    var message = fullMessage(for: error, columns: code.isSuccess ? 100 : nil)
    while message.last == "\n" { message.removeLast() }
    if code.isSuccess {
      Console.showLine(message.contains("USAGE:") ? message + "\n\n" + endOfHelp(arguments) : message)
    } else if !message.isEmpty {
      Console.writeError(message)
      if let hint = DashedValues.hint(arguments, message: message) { Console.writeError(hint) }
    }
    return code.rawValue
  }

  /// A name that says nothing here would otherwise be passed over without a word.
  private static func warnOfInstructionSet() {
    guard let name = InstructionSet.requested, InstructionSet.preferred.rawValue != name else { return }
    let known = InstructionSet.available.map(\.rawValue).joined(separator: ", ")
    Console.writeError(
      "warning: AUTOGRAD_ISA asks for \(name.quotedForMessage), which does not run here; "
        + "\(InstructionSet.preferred.rawValue) is used. Set it to one of \(known), or unset it")
  }

  /// The examples of the command that the arguments name; where they name none, the exit codes of all of them first.
  private static func endOfHelp(_ arguments: [String]) -> String {
    let named = arguments.compactMap { argument in
      commands.first { $0.configuration.commandName == argument }
    }
    let lines = ["EXAMPLES:"] + (named.first?.examples ?? examples).map { "  " + $0 }
    return (named.isEmpty ? ["EXIT CODES:"] + Exit.lines + [""] + lines : lines).joined(separator: "\n")
  }
}

/// A command whose help ends in examples.
protocol HasExamples {
  static var examples: [String] { get }

  /// Whether options of it are settings of a run, which have names of other programs, too.
  static var takesSettings: Bool { get }
}

extension HasExamples {
  static var takesSettings: Bool { true }
}

/// Outside of the command, whose own `exit` would hide it.
private func systemExit(_ code: Int32) -> Never { exit(code) }
