import AutogradModels
import Testing

@Suite("Cost") struct CostTests {
  @Test("GPT-2's flops per token: 6 for each weight in a product, attention counted as causal")
  func gpt2() throws {
    let sizes = try DecoderConfiguration(
      vocabularySize: 50257, contextLength: 1024, layerCount: 12, headCount: 12, channelCount: 768)
    #expect(sizes.productWeightCount == 123_532_032)
    #expect(sizes.trainingFlopsPerToken(sequenceLength: 1024) == 797_815_296)
  }
}
