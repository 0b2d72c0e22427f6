import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// What a token sees decides its bits, and nothing else does: not where it lies, nor what lies around it.
@Suite("What attention sees")
struct AttentionMaskTests {
  static let forms = [
    AttentionChoices(2, 2, D: 16), AttentionChoices(4, 2, D: 3), AttentionChoices(3, 1, D: 20, window: 5),
    AttentionChoices(2, 1, D: 33, window: 18, rotates: 0.5, .interleaved),
    AttentionChoices(4, 2, D: 8, window: 1, norm: .scaled, rotates: 1),
    AttentionChoices(2, 1, D: 64, norm: .plain, rotates: 1, .half, .backward),
  ]

  private func run<S: TensorScalar>(
    _ choices: AttentionChoices, _ qkv: [S], _ cotangent: [S], B: Int, positions: [Int32]? = nil, _ backend: Backend,
    _ precision: MatmulPrecision
  ) -> (y: [S], gradient: [S]) {
    let T = qkv.count / choices.columns / B, tape = Tape<S>(backend: backend), D = choices.D
    tape.matmulPrecision = precision
    let x = Parameter<S>(Tensor(shape: [B, T, choices.columns], qkv))
    let weights = (1...2).map { Parameter<S>(randomTensor([D], .uniform(0.5, 1.5), seed: UInt64(7 + $0))) }
    let y = tape.step { tape in
      var operands = Operands<S>()
      operands.append(tape.variable(x))
      for weight in weights { operands.append(tape.variable(weight)) }
      let y = choices.apply(operands, positions.map { tape.tokens($0, shape: [B, T]) })
      (y * tape.input(Tensor(shape: [B, T, choices.H * D], cotangent))).sum().backward()
      return y.array
    }
    return (y, x.gradient.elements)
  }

  /// Runs `body` with random numbers for every element type and precision on every instruction set.
  private func forEachKernel(
    _ choices: AttentionChoices, _ B: Int, _ T: Int, _ body: (any Comparison) -> Void
  ) {
    forEachInstructionSet { backend in
      for precision in MatmulPrecision.allCases { body(Run<Float>(self, choices, B, T, backend, precision)) }
      body(Run<Double>(self, choices, B, T, backend, .float32))
    }
  }

  private protocol Comparison {
    func documents(_ lengths: [Int])
    func prefix(_ t: Int)
    func notANumber(at place: Int, _ lengths: [Int])
    func copiedKeys()
  }

  /// The numbers of one run, and what they are compared with.
  private struct Run<S: TensorScalar>: Comparison {
    let suite: AttentionMaskTests
    let choices: AttentionChoices
    let B, T: Int
    let backend: Backend
    let precision: MatmulPrecision
    let qkv, cotangent: [S]

    init(
      _ suite: AttentionMaskTests, _ choices: AttentionChoices, _ B: Int, _ T: Int, _ backend: Backend,
      _ precision: MatmulPrecision
    ) {
      (self.suite, self.choices, self.B, self.T) = (suite, choices, B, T)
      (self.backend, self.precision) = (backend, precision)
      qkv = randomTensor([B * T * choices.columns], seed: 1).elements
      cotangent = randomTensor([B * T * choices.H * choices.D], seed: 2).elements
    }

    var what: String { "\(choices), \(S.self), \(precision), \(backend.instructionSet)" }

    func run(
      _ qkv: [S]? = nil, rows: Range<Int>? = nil, of choices: AttentionChoices? = nil, B: Int? = nil,
      positions: [Int32]? = nil
    ) -> (y: [S], gradient: [S]) {
      let choices = choices ?? self.choices, rows = rows ?? 0..<self.B * T, all = qkv ?? self.qkv
      func part(_ x: [S], _ width: Int) -> [S] { Array(x[rows.lowerBound * width..<rows.upperBound * width]) }
      return suite.run(
        choices, part(all, choices.columns), part(cotangent, choices.H * choices.D), B: B ?? self.B,
        positions: positions, backend, precision)
    }

    func documents(_ lengths: [Int]) {
      let positions = AttentionChoices.positions(B, T, lengths), C = choices.H * choices.D
      let packed = run(positions: positions)
      var start = 0
      while start < B * T {
        var past = start + 1
        while past < B * T, positions[past] != 0 { past += 1 }
        let alone = run(rows: start..<past, B: 1)
        expectSameBits(Array(packed.y[start * C..<past * C]), alone.y, "\(what), tokens \(start)..<\(past)")
        expectSameBits(
          Array(packed.gradient[start * choices.columns..<past * choices.columns]), alone.gradient,
          "gradients, \(what), tokens \(start)..<\(past)")
        start = past
      }
    }

    func prefix(_ t: Int) {
      let alone = run(rows: 0..<t, B: 1)
      expectSameBits(alone.y, Array(run().y[0..<alone.y.count]), "\(what), \(t) tokens")
    }

    func notANumber(at place: Int, _ lengths: [Int]) {
      let positions = AttentionChoices.positions(B, T, lengths), C = choices.H * choices.D
      var spoilt = qkv
      for column in 0..<choices.columns { spoilt[place * choices.columns + column] = .nan }
      let clean = run(positions: positions).y, actual = run(spoilt, positions: positions).y
      var end = place + 1
      while end % T != 0, positions[end] != 0, end < place + (choices.window ?? T) { end += 1 }
      for token in 0..<B * T {
        let row = Array(actual[token * C..<(token + 1) * C])
        if token >= place, token < end {
          #expect(row.allSatisfy { $0.isNaN }, "\(what): token \(token) sees \(place)")
        } else {
          expectSameBits(row, Array(clean[token * C..<(token + 1) * C]), "\(what): \(token) does not see \(place)")
        }
      }
    }

    func copiedKeys() {
      let (H, KV, D) = (choices.H, choices.KV, choices.D), each = AttentionChoices(H, H, D: D, window: choices.window)
      var copied: [S] = []
      for row in 0..<B * T {
        for head in 0..<H + 2 * H {
          let from = head < H ? head : H + (head < 2 * H ? 0 : KV) + head % H / (H / KV)
          copied += qkv[row * choices.columns + from * D..<row * choices.columns + (from + 1) * D]
        }
      }
      expectSameBits(run().y, run(copied, of: each).y, "\(what), keys copied for each head")
    }
  }

  @Test("documents side by side have the bits of each alone, values and gradients", arguments: forms)
  func documents(choices: AttentionChoices) {
    forEachKernel(choices, 2, 61) { $0.documents([1, 19, 15, 2, 40, 33]) }
  }

  @Test("the first t rows are those of the first t tokens alone", arguments: forms, [1, 2, 15, 28, 37])
  func prefixes(choices: AttentionChoices, t: Int) {
    forEachKernel(choices, 1, 37) { $0.prefix(t) }
  }

  @Test("a NaN reaches the tokens that see it, and no other", arguments: forms, [0, 13, 14, 31, 44])
  func notANumber(choices: AttentionChoices, place: Int) {
    forEachKernel(choices, 2, 43) { $0.notANumber(at: place, [29, 43, 7]) }
  }

  @Test("heads that share keys have the bits of heads with copies of them", arguments: [1, 2, 3, 6])
  func sharedKeys(KV: Int) {
    for window in [nil, 5] {
      forEachKernel(AttentionChoices(6, KV, D: 10, window: window), 2, 35) { $0.copiedKeys() }
    }
  }
}
