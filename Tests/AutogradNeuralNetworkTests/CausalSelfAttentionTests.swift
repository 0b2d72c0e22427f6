import AutogradEngine
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("Causal self-attention, the layer")
struct CausalSelfAttentionTests {
  private let x: Tensor<Double> = randomTensor([2, 7, 6], seed: 1)

  private func layer(window: Int? = nil, queryKeyNorm: HeadNorm? = HeadNorm()) -> CausalSelfAttention<Double> {
    let layer = CausalSelfAttention<Double>(
      channels: 6, headCount: 4, keyValueHeadCount: 2, headSize: 4, outputBias: false,
      rotary: RotaryTable(contextLength: 7, headSize: 4), queryKeyNorm: queryKeyNorm, window: window)
    layer.initialize(seed: 3)
    return layer
  }

  private func result(
    _ layer: CausalSelfAttention<Double>, _ x: Tensor<Double>, positions: [Int32]? = nil
  ) -> [Double] {
    Tape<Double>().step { tape in
      let x = tape.input(x)
      return layer(x, positions: positions.map { tape.tokens($0, shape: [x.shape[0], 7]) }, adding: x).array
    }
  }

  @Test("its parts have the names and shapes that its heads ask for")
  func parts() {
    let parts = layer().parameters.map { "\($0.path) \($0.parameter.shape)" }
    #expect(
      parts == [
        "input.weight [32, 6]", "input.bias [32]", "output.weight [6, 16]", "queryNorm.weight [4]",
        "keyNorm.weight [4]",
      ])
    let plain = CausalSelfAttention<Double>(channels: 6, headCount: 2, queryKeyNorm: HeadNorm(hasScale: false))
    #expect(plain.parameters.map(\.path) == ["input.weight", "input.bias", "output.weight", "output.bias"])
    #expect(plain.parameters[0].parameter.shape == [18, 6])
  }

  @Test("it is product, attention and product, with all that it was told")
  func composition() {
    let layer = layer(window: 3), positions: [Int32] = [0, 1, 2, 3, 0, 1, 2, 0, 1, 0, 1, 2, 3, 4]
    for queries in [layer.queryNorm, layer.keyNorm] { queries?.set([0.5, 1, 1.5, -1]) }
    let expected = Tape<Double>().step { tape in
      let x = tape.input(x), qkv = x.linear(layer.input.weight, bias: layer.input.bias)
      let heads = qkv.causalAttention(
        headCount: 4, keyValueHeadCount: 2, rotary: layer.rotary,
        queryKeyNorm: QueryKeyNorm(query: layer.queryNorm, key: layer.keyNorm, epsilon: 1e-6), window: 3,
        positions: tape.tokens(positions, shape: [2, 7]))
      return heads.linear(layer.output.weight, adding: x).array
    }
    expectSameBits(result(layer, x, positions: positions), expected)
    #expect(result(layer, x) != expected)
    #expect(result(self.layer(), x, positions: positions) != expected)
  }

  @Test("positions decide by their distance alone")
  func distance() {
    // One document that begins elsewhere: every query and key is turned by the same angle more.
    let layer = CausalSelfAttention<Double>(
      channels: 6, headCount: 2, headSize: 4, rotary: RotaryTable(contextLength: 100, headSize: 4))
    layer.initialize(seed: 3)
    let far = (0..<14).map { Int32($0 % 7 + 91) }
    expectClose(result(layer, x, positions: far), result(layer, x), Tolerance(relative: 1e-11, absolute: 1e-11))
  }

  @Test("gradients of all parts, recomputed or not")
  func gradients() {
    let layer = layer(window: 4), x = Parameter(x), parameters = layer.parameters.map(\.parameter)
    let report = checkGradients(of: parameters + [x], sampleCount: 20) { tape in
      let x = tape.variable(x)
      return layer(x, adding: x)
    }
    #expect(report.passes, "\(report)")
    func gradients(_ run: @escaping (Variable<Double>) -> Variable<Double>) -> [[Double]] {
      Tape<Double>().step { tape in
        (run(tape.variable(x)) * tape.input(self.x)).sum().backward()
      }
      return (parameters + [x]).map(\.gradient.elements)
    }
    let plain = gradients { layer($0, adding: $0) }
    let recomputed = Recomputation<Double> { layer($0, adding: $0) }
    for (one, other) in zip(plain, gradients { recomputed($0) }) { expectSameBits(one, other) }
  }

  @Test("a weight of the norm that changes before backward stops with a sentence")
  func changed() async throws {
    silenceCrashReports()
    try expectSentence(
      "changed after causalAttention had read its values",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let weight = Parameter<Float>([1, 1]), x = Parameter<Float>(zeros: [1, 2, 6])
        Tape<Float>().step { tape in
          let y = tape.variable(x).causalAttention(headCount: 1, queryKeyNorm: QueryKeyNorm(key: weight)).sum()
          weight.set([2, 2])
          y.backward()
        }
      })
  }
}
