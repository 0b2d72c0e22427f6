import AutogradEngine
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

/// Layers that cannot be: each stops with its sentence, in release builds too. Every test has a process of its own.
@Suite("Misuse of layers stops with a sentence")
struct LayerMisuseTests {
  init() { silenceCrashReports() }

  @Test("causal attention whose channels do not divide into its heads")
  func causalHeads() async throws {
    try expectSentence(
      "CausalSelfAttention: 6 channels do not divide into 4 heads",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = CausalSelfAttention<Float>(channels: 6, headCount: 4)
      })
  }

  @Test("causal attention without heads")
  func noHeads() async throws {
    try expectSentence(
      "CausalSelfAttention: 6 channels do not divide into 0 heads",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = CausalSelfAttention<Float>(channels: 6, headCount: 0)
      })
  }

  @Test("attention whose channels do not divide into its heads")
  func heads() async throws {
    try expectSentence(
      "MultiHeadAttention: 6 channels do not divide into 4 heads",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = MultiHeadAttention<Float>(channels: 6, headCount: 4)
      })
  }
}
