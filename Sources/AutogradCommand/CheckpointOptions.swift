import ArgumentParser
import AutogradTraining

extension NonFinitePolicy: ExpressibleByArgument {}

/// When a run saves, and what it does where a step goes wrong. No memory depends on it: `plan` takes it and lets it be.
struct CheckpointOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Steps between checkpoints; 0: at the end only (250).", valueName: "n"))
  var saveEvery: Int?

  @Option(help: ArgumentHelp("Checkpoints that stay, the best apart (2).", valueName: "n"))
  var keep: Int?

  @Option(
    name: .customLong("on-nonfinite"),
    help: ArgumentHelp("What to do where a step gives NaN (skip).", valueName: "what"))
  var onNonfinite: NonFinitePolicy?

  /// As `TrainingOptions.named`.
  var named: [(name: String, value: Any?)] {
    [("save_every", saveEvery), ("keep", keep), ("on_nonfinite", onNonfinite)]
  }

  func apply(to configuration: inout TrainingConfiguration) {
    if let saveEvery { configuration.saveInterval = saveEvery }
    if let keep { configuration.keptCheckpoints = keep }
    if let onNonfinite { configuration.nonFinitePolicy = onNonfinite }
  }
}

struct ResumeOptions: ParsableArguments {
  @Option(
    defaultAsFlag: "auto",
    help: ArgumentHelp("Go on from a run or checkpoint, or in --out.", valueName: "auto|path"))
  var resume: String?

  /// The run or checkpoint that `--resume` names; nil where it says `auto`.
  var path: String? { resume == "auto" ? nil : resume }
}
