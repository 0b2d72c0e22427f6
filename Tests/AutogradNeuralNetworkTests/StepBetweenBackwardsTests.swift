import AutogradEngine
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("An optimiser's step between forward and backward")
struct StepBetweenBackwardsTests {
  init() { silenceCrashReports() }

  @Test("of plain descent stops with a sentence that names the parameter")
  func descent() async throws {
    try expectSentence(
      "backward: parameter weight changed after multiply had read its values",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let w = Parameter<Double>([2, 3])
        let optimizer = SGD<Double>([ParameterGroup([NamedParameter(path: "weight", parameter: w)])])
        w.name = "weight"
        Tape<Double>().step { tape in
          let generator = (tape.variable(w) * 1).sum(), critic = (tape.variable(w) * tape.variable(w)).sum()
          generator.backward()
          optimizer.step(learningRate: 1)
          critic.backward()
        }
      })
  }

  /// More outputs than rows: from the second step on Adam leaves the update to the next product.
  @Test("of Adam, too, where the update is still to come")
  func adam() async throws {
    try expectSentence(
      "backward: parameter weight changed after linear had read its values",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let w = Parameter<Double>(randomTensor([256, 16], seed: 1)), x = Parameter<Double>(randomTensor([4, 16], seed: 2))
        w.name = "weight"
        let optimizer = Adam<Double>([ParameterGroup([NamedParameter(path: "weight", parameter: w)])])
        let tape = Tape<Double>()
        for step in 0..<3 {
          tape.step { tape in
            let first = tape.variable(x).linear(w).sum(), y = tape.variable(x).linear(w), second = (y * y).sum()
            first.backward()
            optimizer.step(learningRate: 0.1)
            if step == 2 { second.backward() }
          }
        }
      })
  }

  @Test("after the last backward is as it always was")
  func after() {
    let w = Parameter<Double>([2, 3]), tape = Tape<Double>()
    let optimizer = SGD<Double>([ParameterGroup([NamedParameter(path: "weight", parameter: w)])])
    for _ in 0..<2 {
      tape.step { tape in
        (tape.variable(w) * tape.variable(w)).sum().backward()
        optimizer.step(learningRate: 0.25)
      }
    }
    #expect(w.array == [0.5, 0.75])
  }
}
