import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

@Suite("Exact results")
struct RoundingTests {
  private func divides<S: TensorScalar>(_ type: S.Type, by divisors: [S], _ backend: Backend) {
    let x = Parameter<S>(randomTensor([203], seed: 5)), tape = Tape<S>(backend: backend)
    for divisor in divisors {
      let quotients: [S] = tape.step { tape in
        let y = tape.variable(x) / divisor
        y.sum().backward()
        return y.array
      }
      expectSameBits(quotients, x.array.map { $0 / divisor }, "x / \(divisor)")
      expectSameBits(x.gradient.elements, x.array.map { _ in 1 / divisor }, "gradient of x / \(divisor)")
    }
  }

  @Test("a variable over a number is the quotient, correctly rounded, near the ends of the range, too")
  func division() {
    forEachInstructionSet { backend in
      divides(Float.self, by: [3, 7, -0.1, Float.leastNormalMagnitude / 8, 3e38, 49, 1], backend)
      divides(Double.self, by: [3, 7, -0.1, Double.leastNormalMagnitude / 8, 1e308, 49, 1], backend)
    }
    let small = Float.leastNormalMagnitude / 64
    let tiny = Tape<Float>().step { tape in (tape.input(Tensor(shape: [2], [10 * small, 3 * small])) / small).array }
    #expect(tiny == [10, 3])
  }

  @Test("the gradient of clip at NaN is 0, as it is outside of the bounds")
  func clip() {
    forEachInstructionSet { backend in
      let x = Parameter(Tensor<Float>(shape: [5], [.nan, -2, -1, 1, 2]))
      Tape<Float>(backend: backend).step { tape in
        (tape.variable(x).clip(from: -1, to: 1) * 3).sum().backward()
      }
      #expect(x.gradient.elements == [0, 0, 3, 3, 0])
    }
  }

  private func firstRow<S: TensorScalar>(
    _ type: S.Type, tokens T: Int, dropout: Double, _ precision: MatmulPrecision, _ backend: Backend
  ) {
    let qkv = Parameter<S>(randomTensor([2, T, 36], seed: 6)), tape = Tape<S>(backend: backend)
    tape.matmulPrecision = precision
    tape.step { tape in
      let first = tape.variable(qkv).causalAttention(headCount: 3, dropout: dropout).slice([nil, 0..<1])
      (first * tape.input(randomTensor([2, 1, 12], seed: 7))).sum().backward()
    }
    let gradient = qkv.gradient
    for b in 0..<2 {
      for t in 0..<T {
        for column in 0..<24 { #expect(gradient[b, t, column] == 0) }
        for column in 24..<36 where t > 0 { #expect(gradient[b, t, column] == 0) }
      }
    }
    #expect(dropout > 0 || (24..<36).allSatisfy { gradient[1, 0, $0] != 0 })
  }

  @Test("a query that sees one key has no gradient, nor has that key", arguments: [0, 0.3])
  func attention(dropout: Double) {
    forEachInstructionSet { backend in
      for T in [1, 2, 9] {
        firstRow(Float.self, tokens: T, dropout: dropout, .float32, backend)
        firstRow(Float.self, tokens: T, dropout: dropout, .bfloat16, backend)
        firstRow(Double.self, tokens: T, dropout: dropout, .float32, backend)
      }
    }
  }
}
