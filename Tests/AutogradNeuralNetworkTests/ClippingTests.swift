import AutogradEngine
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("Clipping, and what changes gradients before it") struct ClippingTests {
  @Test("the factor: 1 below the limit and without one, NaN for a norm that is NaN, 0 for an infinite one")
  func factor() {
    #expect(GradientClipping.factor(norm: 0.5, limit: 1) == 1)
    #expect(GradientClipping.factor(norm: 5, limit: 0) == 1)
    #expect(GradientClipping.factor(norm: 4, limit: 1) == 1 / (4 + 1e-6))
    #expect(GradientClipping.factor(norm: .nan, limit: 1).isNaN)
    #expect(GradientClipping.factor(norm: .infinity, limit: 1) == 0)
  }

  @Test("a limit that is NaN or negative stops with a sentence", arguments: [true, false])
  func limit(_ isNaN: Bool) async throws {
    silenceCrashReports()
    try expectSentence(
      "the norm's limit must be at least 0, got \(isNaN ? "nan" : "-1.0")",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [isNaN] in
        _ = GradientClipping.factor(norm: 1, limit: isNaN ? .nan : -1)
      })
  }

  /// Two parameters with the gradients (3, 4) and, where it is used, 12.
  private struct Run {
    let x = Parameter<Double>([0, 0]), y = Parameter<Double>([0]), tape = Tape<Double>()
    let optimizer: SGD<Double>

    init() { optimizer = SGD([x, y]) }

    func backward(usesY: Bool = true, factor: Double = 1) {
      tape.step { tape in
        var loss = (tape.variable(x) * tape.input(Tensor(shape: [2], [3 * factor, 4 * factor]))).sum()
        if usesY { loss = loss + (tape.variable(y) * tape.input([12])).sum() }
        loss.backward()
      }
    }
  }

  @Test("clips and steps in one call, and returns the norm before")
  func oneCall() {
    let run = Run()
    run.backward()
    #expect(run.optimizer.step(learningRate: 1, clippingNorm: 1) == 13)
    for (value, expected) in zip(run.x.array + run.y.array, [-3.0 / 13, -4.0 / 13, -12.0 / 13]) {
      #expect(abs(value - expected) < 1e-6)
    }
    run.backward()
    #expect(run.optimizer.step(learningRate: 1, clippingNorm: 0) == 13)
    #expect(abs(run.y.array[0] + 12 + 12.0 / 13) < 1e-6)
  }

  @Test("a norm that is not finite takes no step", arguments: [Double.nan, .infinity])
  func notFinite(_ factor: Double) {
    let run = Run()
    run.backward(factor: factor)
    #expect(!run.optimizer.step(learningRate: 1, clippingNorm: 1).isFinite)
    #expect(run.x.array == [0, 0] && run.y.array == [0])
    #expect(run.optimizer.stepCount == 0)
  }

  @Test("gradients that are changed in place, in order, are those of norm and step")
  func changed() {
    let run = Run()
    run.backward()
    var paths: [String] = []
    run.optimizer.changeGradients { path, gradient in
      paths.append(path)
      for i in gradient.indices { gradient[i] *= 0.5 }
    }
    #expect(paths == ["parameter 0", "parameter 1"])
    #expect(run.optimizer.gradientNorm() == 6.5)
    run.optimizer.step(learningRate: 1)
    #expect(run.x.array + run.y.array == [-1.5, -2, -6])
  }

  @Test("what is written to a gradient that the backward did not reach counts too, until the next backward")
  func unreached() {
    let run = Run()
    run.backward(usesY: false)
    run.optimizer.changeGradients { path, gradient in if path == "parameter 1" { gradient[0] += 12 } }
    #expect(run.optimizer.gradientNorm() == 13)
    run.optimizer.step(learningRate: 1)
    #expect(run.y.array == [-12])
    run.backward(usesY: false)
    #expect(run.optimizer.gradientNorm() == 5)
  }
}
