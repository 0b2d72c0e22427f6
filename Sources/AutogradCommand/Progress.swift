import AutogradKernels
import AutogradTraining

/// Shows a run's events: on a terminal one live line that evaluations push up, in a pipe plain lines.
struct Progress {
  let maximumSteps: Int
  private let watch = Stopwatch(.wall)
  private let isLive = Console.isTerminal
  /// Where this process took the run up.
  private var firstStep = 0

  init(maximumSteps: Int) { self.maximumSteps = maximumSteps }

  mutating func show(_ event: TrainingEvent) {
    switch event {
    case .started(let parameters, let trained, let arena, let data):
      let some = trained == parameters ? "" : ", \(trained.grouped) to train"
      line("\(parameters.grouped) parameters\(some); \(data); arena \(arena.bytes)")
    case .step(let metrics):
      let parts = parts(of: metrics)
      if isLive {
        Console.showLive(Progress.fitting(parts, columns: Console.columns))
      } else {
        line(parts.joined(separator: "  "))
      }
    case .evaluation(let metrics):
      let text =
        "step \(metrics.step)/\(maximumSteps)  train loss \(metrics.trainingLoss.fixed(4))  "
        + "validation loss \(metrics.validationLoss.fixed(4))"
        + metrics.validationMeasures.map { "  \($0.name.words) \($0.value.fixed(4))" }.joined()
        + "  fingerprint \(metrics.fingerprint.short)"
      push(Console.bold(text))
    case .resumed(let path, let step, let fingerprint):
      firstStep = step
      push("step \(step)/\(maximumSteps)  goes on from \(path)  fingerprint \(fingerprint.short)")
    case .saved(let path, let step, _): push("step \(step)/\(maximumSteps)  saved \(path)")
    case .nonFinite(let bad, let action):
      let consequence =
        switch action {
        case .stop: "the run stops"
        case .skip: "it is skipped"
        case .rollback: "back to the last checkpoint, and past its batches"
        }
      warn("\(bad); \(consequence)")
    case .warning(_, let sentence): warn(sentence)
    }
  }

  /// What the line of a step says, the most important first.
  private func parts(of metrics: StepMetrics) -> [String] {
    [
      "step \(metrics.step)/\(maximumSteps)", "loss \(metrics.loss.fixed(4))",
    ] + metrics.measures.map { "\($0.name.words) \($0.value.fixed(2))" } + [
      "lr \(metrics.learningRate.scientific)",
      "\(Int(metrics.tokensPerSecond).grouped) tokens/s", "\(timeLeft(after: metrics.step).duration) left",
      "arena \(metrics.arenaBytes.bytes)",
    ]
  }

  /// As much of a line as a terminal shows in one row, its last column left free, where some terminals break already:
  /// parts that do not fit are left out from the end, and of the first what does.
  static func fitting(_ parts: [String], columns: Int) -> String {
    var line = ""
    for part in parts {
      let longer = line.isEmpty ? part : line + "  " + part
      guard longer.count < columns else { return line.isEmpty ? String(part.prefix(max(0, columns - 1))) : line }
      line = longer
    }
    return line
  }

  private func line(_ text: String) { Console.showLine(text) }

  /// A line that stays, above the live one.
  private func push(_ text: String) {
    if isLive { Console.clearLive() }
    line(text)
  }

  private func warn(_ sentence: String) {
    if isLive { Console.clearLive() }
    Console.writeError("warning: \(sentence)")
  }

  /// Seconds, evaluations so far included.
  private func timeLeft(after step: Int) -> Double {
    let done = step - firstStep
    return done <= 0 ? .infinity : watch.seconds / Double(done) * Double(maximumSteps - step)
  }
}
