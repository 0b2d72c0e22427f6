import ArgumentParser
import Kernels

@main
struct AutogradCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "autograd",
    abstract: "Trains transformers on the machine you have.",
    discussion: """
      EXAMPLES:
        autograd train --data book.txt --out runs/book
        autograd generate --model runs/book --prompt "Once upon a time"
      """,
    version: "autograd 0.1.0 (\(InstructionSet.preferred.rawValue))",
    subcommands: [TrainCommand.self, GenerateCommand.self, EvaluateCommand.self, InspectCommand.self, BenchCommand.self])
}
