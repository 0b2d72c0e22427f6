import AutogradEngine
import AutogradBase
import AutogradKernels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("Gated feed-forward and RMS norm") struct GatedFeedForwardTests {
  @Test("parts have their names and shapes, and begin as they are told")
  func parts() {
    let layer = FeedForward<Double>(
      channels: 3, width: 5, activation: .silu, isGated: true, outputInitially: .zeros)
    #expect(layer.parameters.map(\.path) == ["input.weight", "input.bias", "output.weight", "output.bias"])
    #expect(layer.parameters.map(\.parameter.shape) == [[10, 3], [10], [3, 5], [3]])
    layer.initialize(seed: 1)
    #expect(layer.output.weight.array.allSatisfy { $0 == 0 } && layer.input.weight.array.contains { $0 != 0 })
    let bare = FeedForward<Double>(channels: 3, width: 5, activation: .silu, isGated: true, bias: false)
    #expect(bare.parameters.map(\.path) == ["input.weight", "output.weight"])
    #expect(RMSNorm<Double>(channels: 3).parameters.map(\.path) == ["weight"])
    #expect(RMSNorm<Double>(channels: 3).weight?.array == [1, 1, 1])
    #expect(RMSNorm<Double>(channels: 3, hasScale: false).parameters.isEmpty)
  }

  @Test("is its formula, with its gradients", arguments: [Activation.silu, .geluErf, .sigmoid])
  func formula(activation: Activation) {
    let norm = RMSNorm<Double>(channels: 6, epsilon: 1e-5)
    let layer = FeedForward<Double>(channels: 6, width: 10, activation: activation, isGated: true, bias: true)
    layer.initialize(seed: 1)
    let x = Parameter<Double>(randomTensor([2, 3, 6], seed: 2)), parameters = layer.parameters.map(\.parameter) + [x]
    let report = checkGradients(of: parameters + [norm.weight!]) { tape in
      let x = tape.variable(x)
      return layer(norm(x), adding: x)
    }
    #expect(report.passes, "\(report)")
    Tape<Double>().step { tape in
      tape.inference {
        let x = tape.variable(x)
        let pairs = x.linear(layer.input.weight, bias: layer.input.bias).reshape([2, 3, 10, 2])
        let gate = pairs.slice([nil, nil, nil, 0..<1]).reshape([2, 3, 10])
        let value = pairs.slice([nil, nil, nil, 1..<2]).reshape([2, 3, 10])
        let expected = layer.output(Activate(activation)(gate) * value) + x
        expectClose(layer(x, adding: x).array, expected.array, Tolerance(relative: 1e-13, absolute: 1e-14))
      }
    }
  }

  @Test("dropout takes part of the result while recording, and nothing otherwise")
  func dropout() {
    let layer = FeedForward<Double>(channels: 4, width: 8, activation: .silu, isGated: true, bias: false, dropout: 0.5)
    let without = FeedForward<Double>(channels: 4, width: 8, activation: .silu, isGated: true, bias: false)
    layer.initialize(seed: 1)
    without.initialize(seed: 1)
    Tape<Double>().step { tape in
      let x = tape.input(randomTensor([50, 4], seed: 1))
      let whole = tape.inference { without(x, adding: x).array }
      #expect(tape.inference { layer(x, adding: x).array } == whole)
      let part = layer(x, adding: x).array
      let dropped = zip(part, x.array).filter { $0 == $1 }.count
      #expect(dropped > 60 && dropped < 140 && part != whole)
    }
  }

  /// Weights that few rows read through products, which apply their updates.
  private final class Network: Module {
    let table = Parameter<Float>(shape: [150, 71], initially: .normal(deviation: 0.1))
    let norm = RMSNorm<Float>(channels: 71)
    let layer = FeedForward<Float>(channels: 71, width: 1050, activation: .silu, isGated: true, bias: true)

    func listParts(_ parts: inout ModuleParts<Float>) {
      parts.add("table", table)
      parts.add("norm", norm)
      parts.add("layer", layer)
    }
  }

  private func train(
    threads: Int, _ precision: MatmulPrecision, looks: Bool
  ) -> (waiting: [String], bits: [[UInt32]]) {
    let network = Network(), backend = Backend(pool: ThreadPool(threads: threads))
    let tape = Tape<Float>(backend: backend)
    network.initialize(seed: 3)
    tape.matmulPrecision = precision
    let optimizer = Adam([ParameterGroup(network.parameters, weightDecay: 0.1)], backend: backend)
    var waiting: [String] = []
    for step in 0..<3 {
      tape.step { tape in
        let tokens = (0..<6).map { Int32(($0 * 31 + step * 17) % 150) }
        let x = tape.tokens(tokens).embedding(network.table)
        network.layer(network.norm(x), adding: x).linearCrossEntropy(network.table, tape.tokens(tokens)).backward()
      }
      optimizer.step(learningRate: 1e-2)
      waiting = network.parameters.filter(\.parameter.core.awaitsUpdate).map(\.path)
      if looks { for named in network.parameters { _ = named.parameter.array } }
    }
    let tensors = network.parameters.flatMap { [$0.parameter.array, $0.parameter.gradient.elements] }
    return (waiting, (tensors + optimizer.state.tensors.map { $0.tensor.elements }).map { $0.map(\.bitPattern) })
  }

  @Test(
    "the product that reads its weight applies a deferred update, with the bits of one applied at once",
    arguments: [MatmulPrecision.float32, .bfloat16])
  func deferredUpdate(precision: MatmulPrecision) {
    let expected = train(threads: 1, precision, looks: true).bits
    for threads in [1, 2, 3] {
      let late = train(threads: threads, precision, looks: false)
      #expect(late.waiting == ["table", "layer.input.weight", "layer.output.weight"])
      #expect(late.bits == expected)
    }
  }
}
