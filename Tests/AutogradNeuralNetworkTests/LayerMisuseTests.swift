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

  @Test("causal attention whose heads do not divide among those of keys and values")
  func keyValueHeads() async throws {
    try expectSentence(
      "CausalSelfAttention: 4 heads do not divide among 3 heads of keys and values",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = CausalSelfAttention<Float>(channels: 8, headCount: 4, keyValueHeadCount: 3)
      })
  }

  @Test("causal attention whose heads have no columns")
  func headSize() async throws {
    try expectSentence(
      "CausalSelfAttention: 4 heads of 0 columns",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = CausalSelfAttention<Float>(channels: 8, headCount: 4, headSize: 0)
      })
  }

  @Test("a rotary table that turns an odd number of columns")
  func rotatedColumns() async throws {
    try expectSentence(
      "RotaryTable: a share of 0.5 of heads of 6 columns turns 3 of them at 9 positions; it wants pairs of columns",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = RotaryTable<Float>(contextLength: 9, headSize: 6, share: 0.5)
      })
  }

  @Test("a rotary table whose frequencies are no numbers")
  func frequencies() async throws {
    try expectSentence(
      "RotaryTable: a base of 10000.0 with scaling linear(factor: 0.0) makes the frequencies [inf, inf]",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = RotaryTable<Float>(contextLength: 9, headSize: 4, scaling: .linear(factor: 0))
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
