import AutogradEngine
import AutogradBase
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("Layers, freezing and initial values") struct LayerTests {
  @Test("Sequential numbers its layers and applies them in order")
  func sequential() {
    let network = Sequential<Double>([
      Linear(inputs: 2, outputs: 3), Activate(.sigmoid), Dropout(rate: 0.5),
      Sequential([LayerNorm(channels: 3), Linear(inputs: 3, outputs: 1, bias: false)]),
    ])
    #expect(
      network.parameters.map(\.path) == ["0.weight", "0.bias", "3.0.weight", "3.0.bias", "3.1.weight"])
    network.initialize(seed: 1)
    let x = randomTensor([5, 2], seed: 3, of: Double.self), tape = Tape<Double>()
    let (first, second, expected) = tape.step { tape in
      tape.inference {
        let x = tape.input(x)
        let hidden = x.linear(network["0.weight"]!, bias: network["0.bias"]!).sigmoid()
        let normal = hidden.layerNorm(scale: network["3.0.weight"]!, shift: network["3.0.bias"]!)
        return (network(x).array, network(x).array, normal.linear(network["3.1.weight"]!).array)
      }
    }
    #expect(first == expected && first == second)
    #expect(tape.step { network($0.input(x)).array } != first)  // dropout, as it is recorded
  }

  @Test("a recomputed layer has the layer's paths, values and gradients, with less memory")
  func recomputed() {
    let body = Sequential<Double>([
      Linear(inputs: 4, outputs: 16), Activate(.sigmoid), Dropout(rate: 0.5), Linear(inputs: 16, outputs: 4),
    ])
    body.initialize(seed: 1)
    let recomputed = Recomputed(body), x = randomTensor([50, 4], seed: 3, of: Double.self)
    #expect(recomputed.parameters.map(\.path) == body.parameters.map(\.path))
    func run(_ layer: any Layer<Double>) -> (values: [[Double]], peak: Int) {
      let tape = Tape<Double>()
      let value = tape.step { tape in
        let y = layer(layer(tape.input(x))), loss = (y * y).sum()
        loss.backward()
        return loss.value
      }
      return ([[value]] + body.parameters.map { $0.parameter.gradient.elements }, tape.statistics.peak)
    }
    let plain = run(body), again = run(recomputed)
    #expect(plain.values == again.values)
    #expect(again.peak < plain.peak)
  }

  @Test("every activation has its layer", arguments: Activation.allCases)
  func activations(activation: Activation) {
    let x = randomTensor([7], seed: 1, of: Double.self), one = Parameter<Double>([[1]])
    Tape<Double>().step { tape in
      let y = tape.input(x).reshape([7, 1])
      expectClose(
        Activate(activation)(y).array, y.linear(one, activation: activation).array, Tolerance(relative: 1e-15)
      )
    }
  }

  @Test("attention ignores padding, and a sequence of nothing else is no NaN")
  func padding() {
    let attention = MultiHeadAttention<Double>(channels: 8, headCount: 2)
    attention.initialize(seed: 5)
    let tape = Tape<Double>()
    func run(_ x: Tensor<Double>, _ padding: Tensor<Double>?) -> [Double] {
      tape.step { tape in attention(tape.input(x), isPadding: padding.map { tape.input($0) }).array }
    }
    let x = randomTensor([1, 3, 8], seed: 1, of: Double.self),
      garbage = randomTensor([1, 2, 8], seed: 2, of: Double.self)
    let padded = Tensor(shape: [1, 5, 8], x.elements + garbage.elements)
    let alone = run(x, nil), together = run(padded, [[0, 0, 0, 1, 1]])
    expectClose(Array(together.prefix(24)), alone, Tolerance(relative: 1e-14, absolute: 1e-15))
    // Nothing to attend to: what is left is the output's bias, which is 0.
    #expect(run(x, [[1, 1, 1]]) == [Double](repeating: 0, count: 24))
  }

  @Test("gradients of attention, to itself and to a memory, with padding")
  func attentionGradients() {
    let attention = MultiHeadAttention<Double>(channels: 4, headCount: 2)
    attention.initialize(seed: 5)
    let x = Parameter<Double>(randomTensor([2, 3, 4], seed: 1)),
      memory = Parameter<Double>(randomTensor([2, 5, 4], seed: 2))
    let parameters = attention.parameters.map(\.parameter) + [x, memory]
    let report = checkGradients(of: parameters) { tape in
      let x = tape.variable(x)
      let padding = tape.input([[0, 0, 0, 0, 1], [0, 1, 0, 1, 1]])
      return attention(x) + attention(x, memory: tape.variable(memory), isPadding: padding)
    }
    #expect(report.passes, "\(report)")
  }

  @Test("frozen parameters get no gradient and no update; unfreezing takes it back")
  func freezing() {
    let body = Linear<Double>(inputs: 2, outputs: 2), head = Linear<Double>(inputs: 2, outputs: 1)
    let network = Sequential<Double>([body, head])
    network.initialize(seed: 1)
    body.freeze()
    #expect(body.parameters.allSatisfy { !$0.parameter.isTrainable } && head.weight.isTrainable)
    let optimizer = SGD([ParameterGroup(network.parameters)]), before = body.weight.array
    Tape<Double>().step { tape in network(tape.input([[1, 2]])).sum().backward() }
    optimizer.step(learningRate: 0.1)
    #expect(body.weight.array == before && body.weight.gradient == [[0, 0], [0, 0]])
    #expect(optimizer.state.tensors.isEmpty && head.bias?.array == [-0.1])
    body.unfreeze()
    #expect(network.parameters.allSatisfy { $0.parameter.isTrainable })
    #expect(network["0.bias"] === body.bias && network["2.weight"] == nil)
  }

  @Test("initial values have the deviations and bounds that their names promise")
  func initialValues() {
    let weight = Parameter<Double>(zeros: [200, 300])
    func deviation(_ fill: (inout RandomStream) -> Void) -> (deviation: Double, largest: Double) {
      var random = RandomStream(seed: 7, purpose: .initialization)
      fill(&random)
      let x = weight.array, mean = x.reduce(0, +) / 60_000
      #expect(abs(mean) < 0.01)
      return (
        (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 60_000).squareRoot(),
        x.map { abs($0) }.max() ?? .nan
      )
    }
    func expect(_ actual: (deviation: Double, largest: Double), _ deviation: Double, within bound: Double) {
      #expect(abs(actual.deviation / deviation - 1) < 0.02)
      #expect(actual.largest <= bound && actual.largest > 0.95 * min(bound, 4 * deviation))
    }
    expect(deviation { weight.fill(.normal(deviation: 0.3), &$0) }, 0.3, within: .infinity)
    expect(deviation { weight.fill(.uniform(bound: 0.6), &$0) }, 0.6 / 3.0.squareRoot(), within: 0.6)
    expect(deviation { weight.fill(.truncatedNormal(deviation: 0.5), &$0) }, 0.5 * 0.8796, within: 1)
    let xavier = (2.0 / 500).squareRoot(), kaiming = (2.0 / 300).squareRoot()
    expect(deviation { weight.fill(.xavierUniform(), &$0) }, xavier, within: xavier * 3.0.squareRoot())
    expect(deviation { weight.fill(.xavierNormal(gain: 2), &$0) }, 2 * xavier, within: .infinity)
    expect(deviation { weight.fill(.kaimingUniform(), &$0) }, kaiming, within: kaiming * 3.0.squareRoot())
    expect(
      deviation { weight.fill(.kaimingNormal(gain: 1), &$0) }, kaiming / 2.0.squareRoot(), within: .infinity)
  }

  @Test("weights are filled from streams of their own, whatever stands before them")
  func streams() {
    func second(_ first: Linear<Double>) -> [Double] {
      let network = Sequential<Double>([first, Linear(inputs: 3, outputs: 3)])
      network.initialize(seed: 9)
      #expect(network["1.bias"]?.array == [0, 0, 0])
      return network["1.weight"]!.array
    }
    #expect(second(Linear(inputs: 2, outputs: 3)) == second(Linear(inputs: 7, outputs: 3)))
  }
}
