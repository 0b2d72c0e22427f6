import ArgumentParser
import CAutogradSystem
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
    TrainCommand.self, PlanCommand.self, GenerateCommand.self, EvaluateCommand.self, InspectCommand.self, BenchCommand.self,
    DoctorCommand.self,
  ]

  static let examples = ["autograd train", "autograd train --data book.txt --out runs/book"]

  static func main() {
    csystem_open_standard_streams()
    do {
      var command = try parseAsRoot(ForeignNames.translated(Array(CommandLine.arguments.dropFirst())))
      try command.run()
    } catch {
      guard exitCode(for: error).isSuccess else { exit(withError: error) }
      // Help and version come as errors, too.
      var message = fullMessage(for: error, columns: 100)
      while message.last == "\n" { message.removeLast() }
      Console.showLine(message.contains("USAGE:") ? message + "\n\n" + endOfHelp() : message)
    }
  }

  /// The examples of the command that the arguments name; where they name none, the exit codes of all of them first.
  private static func endOfHelp() -> String {
    let named = CommandLine.arguments.dropFirst().compactMap { argument in
      commands.first { $0.configuration.commandName == argument }
    }
    let lines = ["EXAMPLES:"] + (named.first?.examples ?? examples).map { "  " + $0 }
    return (named.isEmpty ? ["EXIT CODES:"] + Exit.lines + [""] + lines : lines).joined(separator: "\n")
  }
}

/// A command whose help ends in examples.
protocol HasExamples {
  static var examples: [String] { get }
}
