import Training

/// Shows a run's events: on a terminal one live line that evaluations push up, in a pipe plain lines.
struct Progress {
  let maximumSteps: Int
  private let start = ContinuousClock.now
  private let isLive = Console.isTerminal

  init(maximumSteps: Int) { self.maximumSteps = maximumSteps }

  mutating func show(_ event: TrainingEvent) {
    switch event {
    case .started(let parameters, let arena, let data):
      line("\(parameters.grouped) parameters; \(data); arena \(arena.bytes)")
    case .step(let metrics):
      let text =
        "step \(metrics.step)/\(maximumSteps)  loss \(metrics.loss.fixed(4))  lr \(metrics.learningRate.scientific)  "
        + "\(Int(metrics.tokensPerSecond).grouped) tokens/s  \(timeLeft(after: metrics.step).duration) left  "
        + "arena \(metrics.arenaBytes.bytes)"
      if isLive { Console.showLive(text) } else { line(text) }
    case .evaluation(let metrics):
      let text =
        "step \(metrics.step)/\(maximumSteps)  train loss \(metrics.trainingLoss.fixed(4))  "
        + "validation loss \(metrics.validationLoss.fixed(4))"
      if isLive { Console.clearLive() }
      line(Console.bold(text))
    }
  }

  private func line(_ text: String) { Console.showLine(text) }

  /// Seconds, evaluations so far included.
  private func timeLeft(after step: Int) -> Double {
    let elapsed = start.duration(to: .now)
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    return step == 0 ? .infinity : seconds / Double(step) * Double(maximumSteps - step)
  }
}
