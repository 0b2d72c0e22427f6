import AutogradTraining

/// The arguments of a call of `plan`, as a call of `train` that follows a plan.
struct TrainArguments {
  private let arguments: [String]

  private static let dropped = ["--batch-size", "--grad-accum", "--fit"]
  private static let droppedFlags = ["--probe", "--json", "--recompute", "--no-recompute"]

  /// - Parameter arguments: All of them, the program's name first.
  init(_ arguments: [String]) {
    var kept: [String] = [], skips = false
    for argument in arguments.dropFirst() where !(kept.isEmpty && argument == "plan") {
      if skips {
        skips = false
      } else if TrainArguments.dropped.contains(argument) {
        skips = true
      } else if !TrainArguments.droppedFlags.contains(argument),
        !TrainArguments.dropped.contains(where: { argument.hasPrefix($0 + "=") })
      {
        kept.append(argument)
      }
    }
    self.arguments = kept
  }

  func command(_ plan: TrainingPlan) -> String {
    var words = ["autograd", "train"] + arguments
    words += ["--batch-size", "\(plan.batchSize)", "--grad-accum", "\(plan.accumulation)"]
    if plan.recomputesBlocks { words.append("--recompute") }
    return words.map(\.shellQuoted).joined(separator: " ")
  }
}
