import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradTraining

@Suite("Frozen weights") struct FreezeTests {
  private func trainer(_ frozen: String?, family: ModelFamily = .llama) throws -> Trainer {
    let text = Array(String(repeating: "the thin thread of the thistle is then the thing. ", count: 30).utf8)
    let tokenizer = try CharacterTokenizer(training: text)
    let sizes = try DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 16, layerCount: 2, headCount: 2, channelCount: 16, family: family)
    let weights = WholeModel(Decoder<Float>(sizes, seed: 3))
    if let frozen { try weights.freeze(try #require(FrozenWeights(frozen))) }
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = 3
    let data = try TrainingData.windows(
      of: TokenDataset(tokens: try tokenizer.encode(text), validationFraction: 0.1), blockSize: 16, batchSize: 2, seed: 1)
    return try Trainer(weights, data: data, configuration: configuration, backend: Backend(pool: singleThread))
  }

  @Test("what is frozen keeps its bits and has neither gradient nor moments; the rest learns; the plan says so")
  func freezes() throws {
    let all = try trainer(nil), some = try trainer("model.layers.0.*,model.embed_tokens.weight")
    let tensors = some.model.tensors, before = tensors.map(\.parameter.array)
    for _ in 0..<3 { _ = try some.step() }
    var frozenCount = 0
    for (tensor, old) in zip(tensors, before) {
      let path = tensor.description.path, isFrozen = path.hasPrefix("blocks.0.") || path.hasPrefix("tokenEmbedding")
      frozenCount += isFrozen ? 1 : 0
      #expect(tensor.parameter.isTrainable == !isFrozen)
      #expect((tensor.parameter.array == old) == isFrozen, "\(path)")
    }
    #expect(frozenCount > 4)
    let trained = some.weights.parameterCount
    #expect(trained < all.weights.parameterCount && trained > 0)
    #expect(some.optimizer.memory.stateBytes < all.optimizer.memory.stateBytes * 3 / 4)
    #expect(some.optimizer.memory.gradientBytes < all.optimizer.memory.gradientBytes * 3 / 4)
  }

  @Test("a pattern that names nothing, a part of a weight, or all there is, is a sentence")
  func refuses() throws {
    for (frozen, part) in [
      ("model.layers.7.*", "no weight of the model is called \"model.layers.7.*\""),
      ("*.q_proj.weight", "are one weight here"), ("*", "nothing is left to train"),
    ] {
      do {
        _ = try trainer(frozen)
        #expect(Bool(false), "\(frozen)")
      } catch {
        #expect("\(error)".contains(part), "\(frozen): \(error)")
      }
    }
    #expect(FrozenWeights("a,,b") == nil && FrozenWeights("") == nil)
  }

  @Test("a star is anything, also nothing", arguments: [
    ("model.layers.0.a", "model.layers.0.*", true), ("model.layers.10.a", "model.layers.1.*", false), ("abc", "a*c", true),
    ("ac", "a*c", true), ("abcd", "a*c", false), ("aXcYc", "a*c", true), ("abc", "abc", true), ("abc", "ab", false),
    ("", "*", true), ("aab", "*ab", true), ("mississippi", "m*iss*pi", true),
  ])
  func stars(_ name: String, _ pattern: String, _ matches: Bool) {
    #expect(FrozenWeights.matches(name, pattern) == matches)
  }
}
