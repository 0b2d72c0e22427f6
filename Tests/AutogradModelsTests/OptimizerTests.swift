import AutogradEngine
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

/// 50 steps of the tiny GPT with each optimiser, against PyTorch in float64 (Scripts/fixtures/training.py).
@Suite("Optimisers against PyTorch") struct OptimizerTests {
  static let optimizers: [(name: String, rate: Double)] = [
    ("adamw", 1e-2), ("adam", 1e-2), ("momentum", 0.05), ("nesterov", 0.05),
  ]

  private func optimizer(_ name: String, _ groups: [ParameterGroup<Double>]) -> any Optimizer<Double> {
    switch name {
    case "adamw": Adam(groups, beta1: 0.9, beta2: 0.99)
    case "adam": Adam(groups, beta1: 0.9, beta2: 0.99, decoupledDecay: false)
    case "momentum": SGD(groups, momentum: 0.9)
    default: SGD(groups, momentum: 0.9, nesterov: true)
    }
  }

  @Test("losses in Double are PyTorch's to 1e-9", arguments: optimizers.map(\.name))
  func trajectory(name: String) throws {
    let rate = try #require(Self.optimizers.first { $0.name == name }).rate
    let start = try fixture("gpt-tiny"), expected = try fixture("training").tensor("gpt/\(name)").elements
    let model = Decoder<Double>(
      try DecoderConfiguration(
        vocabularySize: 11, contextLength: 8, layerCount: 2, headCount: 2, channelCount: 12))
    for named in model.storedParameters { named.parameter.set(try start.file.doubles("weights/\(named.path)")) }
    let inputs = try #require(try start.tokens("inputs")).ids,
      targets = try #require(try start.tokens("targets")).ids
    let tape = Tape<Double>()
    let optimizer = optimizer(name, ParameterGroup.decayingMatrices(model.parameters, weightDecay: 0.1))
    #expect(expected.count == 50)
    for (step, expected) in expected.enumerated() {
      let loss = tape.step { tape in
        let loss = model.loss(
          tape.tokens(inputs.span, shape: [3, 8]), targets: tape.tokens(targets.span, shape: [3, 8]),
          ignoring: -1)
        loss.backward()
        return loss.value
      }
      #expect(
        abs(loss - expected) <= 1e-9 * abs(expected), "\(name), step \(step): \(loss), expected \(expected)")
      optimizer.step(
        learningRate: rate, gradientScale: GradientClipping.factor(norm: optimizer.gradientNorm(), limit: 1))
    }
  }
}
