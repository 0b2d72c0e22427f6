import AutogradEngine
import AutogradKernels
import AutogradTestSupport
import Testing

/// Attention whose products multiply pairs of bfloat16 is attention in float32 but for the rounding of what it
/// multiplies: eight bits each.
@Suite("Attention in bfloat16")
struct BFloat16AttentionTests {
  @Test(
    "values and gradients are float32's but for the rounding",
    arguments: [1, 2, 13, 14, 15, 56, 57, 58, 71, 131], [1, 2, 31, 32, 64, 65])
  func nearFloat32(T: Int, D: Int) {
    for dropout in [0, 0.3] {
      let exact = attention(T, D, dropout, .float32), rounded = attention(T, D, dropout, .bfloat16)
      for (name, expected, actual) in [("y", exact.y, rounded.y), ("dqkv", exact.gradient, rounded.gradient)] {
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let worst = zip(expected, actual).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(worst <= 0.02 * largest, "\(name), T \(T), D \(D), dropout \(dropout): off by \(worst / largest)")
      }
      if Backend().multipliesPairs, T > 2, D > 2 { #expect(exact.y != rounded.y, "nothing was rounded") }
    }
  }

  @Test(
    "and so they are with shared keys, windows, documents, a norm and rotary positions",
    arguments: AttentionMaskTests.forms)
  func formsNearFloat32(choices: AttentionChoices) {
    let B = 2, T = 71
    func gradients(_ precision: MatmulPrecision) -> [[Float]] {
      let operation = OperationCase(
        .attention, .attentionOf(choices), shapes: choices.shapes(B, T),
        tokens: AttentionChoices.positions(B, T, [40, 19, 71]), tokenShape: [B, T])
      let tape = Tape<Float>()
      tape.matmulPrecision = precision
      let result = OperationRun<Float>(operation).run(tape)
      return [result.output.elements] + result.gradients.map(\.elements)
    }
    for (index, (expected, actual)) in zip(gradients(.float32), gradients(.bfloat16)).enumerated() {
      let largest = expected.reduce(0) { max($0, abs($1)) }
      let worst = zip(expected, actual).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(worst <= 0.03 * largest, "\(choices), result \(index): off by \(worst / largest)")
    }
  }

  private func attention(
    _ T: Int, _ D: Int, _ dropout: Double, _ precision: MatmulPrecision
  ) -> (y: [Float], gradient: [Float]) {
    let H = 2, C = H * D, tape = Tape<Float>()
    tape.matmulPrecision = precision
    let qkv = Parameter<Float>(randomTensor([2, T, 3 * C], seed: 1))
    let weights: Tensor<Float> = randomTensor([2, T, C], seed: 2)
    let y = tape.step { tape in
      let y = tape.variable(qkv).causalAttention(headCount: H, dropout: dropout)
      (y * tape.input(weights)).sum().backward()
      return y.array
    }
    return (y, qkv.gradient.elements)
  }
}
