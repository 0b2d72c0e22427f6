import AutogradEngine
import AutogradNeuralNetwork
import Testing

@Suite("Optimisers on a quadratic") struct QuadraticTests {
  /// Σ curvature · (x − goal)², from which optimisers start at `start`.
  private func distance(_ make: ([ParameterGroup<Double>]) -> any Optimizer<Double>, peak: Double) -> Double {
    let x = Parameter<Double>([3, -2, 0.5]), goal: [Double] = [1, 2, 3], tape = Tape<Double>()
    let optimizer = make([ParameterGroup([NamedParameter(path: "x", parameter: x)])])
    let schedule = LearningRateSchedule(peak: peak, minimum: 0, warmupSteps: 0, decaySteps: 1000)
    for step in 0..<1000 {
      tape.step { tape in
        let v = tape.variable(x) - tape.input([1, 2, 3])
        (v * v * tape.input([0.5, 1, 2])).sum().backward()
      }
      optimizer.step(learningRate: schedule.rate(at: step))
    }
    return zip(x.array, goal).map { abs($0 - $1) }.max() ?? .nan
  }

  @Test("1000 Adam steps with a decaying rate come within 1e-10 of the minimum")
  func adam() {
    let distance = distance({ Adam($0) }, peak: 0.1)
    #expect(distance <= 1e-10, "\(distance)")
  }

  @Test("1000 steps of descent with momentum do too, Nesterov's or not", arguments: [false, true])
  func momentum(nesterov: Bool) {
    let distance = distance({ SGD($0, momentum: 0.9, nesterov: nesterov) }, peak: 0.05)
    #expect(distance <= 1e-10, "\(distance)")
  }
}
