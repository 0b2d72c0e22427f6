import AutogradEngine
import AutogradKernels
import AutogradTestSupport
import Testing

/// A token's result depends on the tokens before it and on nothing else, to the bit.
@Suite("Attention")
struct AttentionTests {
  @Test(
    "the first t rows are those of the first t tokens alone, and of a sequence among others",
    arguments: [1, 3, 16, 33])
  func prefixes(D: Int) {
    prefixes(D, Float.self, lengths: Array(1...70))
    prefixes(D, Float.self, lengths: Array(1...70), .bfloat16)
    prefixes(D, Double.self, lengths: [1, 2, 7, 14, 15, 33, 69, 70])
  }

  private func prefixes<S: TensorScalar>(
    _ D: Int, _ type: S.Type, lengths: [Int], _ precision: MatmulPrecision = .float32
  ) {
    let H = 2, T = 70, C = H * D
    let qkv: [S] = randomTensor([T * 3 * C], seed: 1).elements
    let others: [S] = randomTensor([T * 3 * C], seed: 2).elements
    forEachInstructionSet { backend in
      let whole = backend.attention(qkv, B: 1, T: T, H: H, D: D, precision: precision)
      for t in lengths {
        let what = "D \(D), t \(t), \(S.self), \(backend.instructionSet)"
        let own = Array(qkv[0..<t * 3 * C])
        let alone = backend.attention(own, B: 1, T: t, H: H, D: D, precision: precision)
        expectSameBits(alone, Array(whole[0..<t * C]), what)
        guard t % 9 == 0 else { continue }
        let among = backend.attention(
          others[0..<t * 3 * C] + own + others[0..<t * 3 * C], B: 3, T: t, H: H, D: D, precision: precision)
        expectSameBits(Array(among[t * C..<2 * t * C]), alone, "\(what), in a batch")
      }
    }
  }

  @Test(
    "a NaN in a token reaches neither the rows before it nor the other heads",
    arguments: [0, 1, 13, 14, 40, 69], [MatmulPrecision.float32, .bfloat16])
  func notANumber(place: Int, precision: MatmulPrecision) {
    for D in [3, 16] {
      let H = 2, T = 70, C = H * D
      let qkv: [Float] = randomTensor([T * 3 * C], seed: 1).elements
      var spoilt = qkv
      for part in 0..<3 { for d in 0..<D { spoilt[place * 3 * C + part * C + d] = .nan } }
      forEachInstructionSet { backend in
        let whole = backend.attention(qkv, B: 1, T: T, H: H, D: D, precision: precision)
        let actual = backend.attention(spoilt, B: 1, T: T, H: H, D: D, precision: precision)
        for token in 0..<T {
          let first = Array(actual[token * C..<token * C + D]),
            second = Array(actual[token * C + D..<(token + 1) * C])
          expectSameBits(second, Array(whole[token * C + D..<(token + 1) * C]), "head 1, token \(token)")
          if token < place {
            expectSameBits(first, Array(whole[token * C..<token * C + D]), "head 0, token \(token)")
          } else {
            #expect(first.allSatisfy { $0.isNaN }, "token \(token) sees the NaN of \(place)")
          }
        }
      }
    }
  }

  @Test("large scores stay finite: the largest is subtracted first")
  func large() {
    forEachInstructionSet { backend in
      let qkv: [Float] = randomTensor([9 * 3 * 4], seed: 1).elements.map { $0 * 1e4 }
      #expect(backend.attention(qkv, B: 1, T: 9, H: 2, D: 2).allSatisfy { $0.isFinite })
    }
  }
}
