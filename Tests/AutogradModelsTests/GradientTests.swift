import AutogradEngine
import AutogradModels
import Testing

@Suite("Gradients of a whole GPT") struct GradientTests {
  @Test(
    "a 2-layer GPT in Double, every parameter, with and without biases, with and without recomputation",
    arguments: [true, false], [true, false])
  func everyParameter(bias: Bool, recomputing: Bool) throws {
    var model = Decoder<Double>(
      try DecoderConfiguration(
        vocabularySize: 7, contextLength: 5, layerCount: 2, headCount: 2, channelCount: 6, hasBias: bias), seed: 11)
    model.recomputesBlocks = recomputing
    for named in model.parameters where named.parameter.shape.count == 2 {
      // Ordinary sizes: gradients of nearly zero weights hide in rounding.
      named.parameter.set(named.parameter.array.map { $0 * 15 })
    }
    let network = model
    let inputs: [Int32] = [3, 1, 4, 1, 5, 2, 6, 5, 3, 0], targets: [Int32] = [1, 4, 1, 5, 2, 6, 5, -1, 0, 3]
    let report = checkGradients(of: model.parameters.map(\.parameter)) { tape in
      network.loss(
        tape.tokens(inputs.span, shape: [2, 5]), targets: tape.tokens(targets.span, shape: [2, 5]), ignoring: -1)
    }
    #expect(report.passes, "\(report)")
    let logits = checkGradients(of: model.parameters.map(\.parameter), sampleCount: 8) { tape in
      network.logits(tape.tokens(inputs.span, shape: [2, 5]))
    }
    #expect(logits.passes, "\(logits)")
  }
}
