import AutogradNeuralNetwork
import Testing

@testable import AutogradModels

@Suite("List of tensors") struct TensorListTests {
  @Test("what the sizes list is what a model has", arguments: [true, false], [true, false])
  func list(hasBias: Bool, tiesHead: Bool) throws {
    var sizes = try GPTConfiguration(
      vocabularySize: 11, contextLength: 7, layerCount: 2, headCount: 2, channelCount: 6, hasBias: hasBias)
    sizes.feedForwardWidth = 10
    sizes.tiesHead = tiesHead
    let layers = (0..<2).flatMap { layer in sizes.layerTensors.map { ("h.\(layer).\($0.path)", $0) } }
    let listed =
      sizes.embeddingTensors.map { ($0.path, $0) } + layers + sizes.finalTensors.map { ($0.path, $0) }
    let model = GPT<Float>(sizes)
    #expect(model.parameters.map { "\($0.path) \($0.parameter.shape)" }
      == listed.filter { hasBias || !$0.1.isBias }.map { "\($0.0) \($0.1.shape)" })
    #expect(GPTWeightNames.biases(sizes).map { "\($0.path) [\($0.count)]" }
      == listed.filter(\.1.isBias).map { "\($0.0) \($0.1.shape)" })
    #expect(sizes.numberCount == listed.reduce(0) { $0 + $1.1.count })
    if hasBias { #expect(sizes.numberCount == Double(model.parameterCount)) }
  }
}
