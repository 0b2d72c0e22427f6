import AutogradEngine
import AutogradKernels
import AutogradNeuralNetwork
import Testing

@Suite("Modules and Adam") struct ModuleTests {
  private struct Network: Module {
    let first = Linear<Double>(inputs: 3, outputs: 4)
    let rest = [Linear<Double>(inputs: 4, outputs: 4, bias: false), Linear<Double>(inputs: 4, outputs: 2)]

    func listParts(_ parts: inout ModuleParts<Double>) {
      parts.add("first", first)
      parts.add("rest", rest)
    }
  }

  @Test("parameters are listed by path, in order, absent biases left out")
  func paths() {
    let network = Network()
    #expect(
      network.parameters.map(\.path) == [
        "first.weight", "first.bias", "rest.0.weight", "rest.1.weight", "rest.1.bias",
      ])
    #expect(network.parameterCount == 12 + 4 + 16 + 8 + 2)
  }

  @Test("1000 steps find the minimum of a quadratic")
  func quadratic() {
    let x = Parameter<Double>([3, -2, 0.5]), tape = Tape<Double>()
    let optimizer = Adam([ParameterGroup([NamedParameter(path: "x", parameter: x)])])
    for step in 0..<1000 {
      tape.step { tape in
        let v = tape.variable(x) - tape.input([1, 2, 3])
        (v * v).sum().backward()
      }
      optimizer.step(learningRate: 0.1 * (1 - Double(step) / 1000))
    }
    for (value, goal) in zip(x.array, [1.0, 2, 3]) { #expect(abs(value - goal) < 1e-6) }
  }

  @Test("a parameter that a step does not reach stays, but for the moments' after-run")
  func unreached() {
    let x = Parameter<Double>([1]), y = Parameter<Double>([1]), tape = Tape<Double>()
    let optimizer = Adam(
      [ParameterGroup([NamedParameter(path: "x", parameter: x), NamedParameter(path: "y", parameter: y)])])
    tape.step { tape in tape.variable(x).sum().backward() }
    #expect(optimizer.gradientNorm() == 1)
    optimizer.step(learningRate: 0.1)
    #expect(y.array == [1])
    #expect(x.array[0] < 1)
  }

  @Test("the norm does not depend on threads")
  func norm() {
    let count = 100_003
    let x = Parameter<Float>(Tensor(shape: [count], (0..<count).map { Float($0 % 977) * 0.01 })), tape = Tape<Float>()
    tape.step { tape in
      let v = tape.variable(x)
      (v * v).sum().backward()
    }
    let norms = [1, 2, 3, 8].map { threads in
      Adam(
        [ParameterGroup([NamedParameter(path: "x", parameter: x)])],
        backend: Backend(pool: ThreadPool(threads: threads))
      ).gradientNorm()
    }
    #expect(Set(norms).count == 1)
  }
}
