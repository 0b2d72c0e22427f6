import AutogradNeuralNetwork
import Testing

@testable import AutogradModels

@Suite("List of tensors") struct TensorListTests {
  private func sizes(hasBias: Bool, tiesHead: Bool) throws -> DecoderConfiguration {
    var sizes = try DecoderConfiguration(
      vocabularySize: 11, contextLength: 7, layerCount: 2, headCount: 2, channelCount: 6, hasBias: hasBias)
    sizes.feedForwardWidth = 10
    sizes.head = tiesHead ? .tied : .own
    return sizes
  }

  @Test("what the sizes list is what a model has", arguments: [true, false], [true, false])
  func list(hasBias: Bool, tiesHead: Bool) throws {
    let sizes = try sizes(hasBias: hasBias, tiesHead: tiesHead), model = Decoder<Float>(sizes), listed = sizes.tensors
    #expect(model.parameters.map { "\($0.path) \($0.parameter.shape)" } == listed.map { "\($0.path) \($0.shape)" })
    #expect(model.tensors.map(\.description) == listed)
    for (tensor, named) in zip(model.tensors, model.parameters) { #expect(tensor.parameter === named.parameter) }
    #expect(sizes.numberCount == listed.reduce(0) { $0 + $1.count })
    #expect(sizes.numberCount == Double(model.parameterCount))
    let complete = try self.sizes(hasBias: true, tiesHead: tiesHead).tensors
    #expect(listed == complete.filter { hasBias || !$0.role.isBias })
    #expect(sizes.family.zeroBiases(sizes).map { "\($0.shortName) \($0.shape)" }
      == (hasBias ? [] : complete.filter(\.role.isBias).map { "\(sizes.family.storedName(of: $0)) \($0.shape)" }))
  }

  @Test("GPT-2's tensors have the names of its files, with which the optimiser's state was saved until now")
  func names() throws {
    let model = Decoder<Float>(try sizes(hasBias: true, tiesHead: false))
    let block = [
      "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
      "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
    ]
    let names =
      ["wte.weight", "wpe.weight"] + block.map { "h.0." + $0 } + block.map { "h.1." + $0 }
      + ["ln_f.weight", "ln_f.bias", "lm_head.weight"]
    #expect(model.storedParameters.map(\.path) == names)
    #expect(model.tensors.map(\.storedName) == names)
    let stored = model.tensors.flatMap { model.configuration.family.stored($0.description, model.configuration) }
    #expect(stored.map(\.name) == names.map { $0 == "lm_head.weight" ? $0 : "transformer." + $0 })
  }

  @Test("weights begin by role: two spreads, zeros and ones, each tensor with numbers of its own")
  func initialization() throws {
    var sizes = try DecoderConfiguration(
      vocabularySize: 200, contextLength: 100, layerCount: 8, headCount: 2, channelCount: 64)
    sizes.head = .own
    let model = Decoder<Float>(sizes, seed: 9)
    func spread(_ values: [Float]) -> Double {
      (values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
    }
    var firsts: Set<Float> = []
    for tensor in model.tensors {
      let values = tensor.parameter.array
      switch tensor.description.role {
      case .tokenEmbedding, .positionEmbedding, .projection, .head:
        #expect(abs(spread(values) - 0.02) < 0.001, "\(tensor.storedName)")
        #expect(firsts.insert(values[0]).inserted)
      case .residualProjection:
        #expect(abs(spread(values) - 0.005) < 0.0002, "\(tensor.storedName)")
        #expect(firsts.insert(values[0]).inserted)
      case .bias, .normShift: #expect(values.allSatisfy { $0 == 0 })
      case .normScale: #expect(values.allSatisfy { $0 == 1 })
      }
    }
    sizes.initialDeviation = 0.2
    #expect(abs(spread(Decoder<Float>(sizes, seed: 9).tokenEmbedding.weight.array) - 0.2) < 0.01)
  }
}
