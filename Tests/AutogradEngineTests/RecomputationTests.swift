import Glibc
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// What the generic tests of operations recompute; made once, as the public face wants it.
enum RecomputedExamples {
  nonisolated(unsafe) private static let float = (plain(Float.self), added(Float.self))
  nonisolated(unsafe) private static let double = (plain(Double.self), added(Double.self))

  static func part<S: TensorScalar>(residual: Bool) -> Recomputation<S> {
    let part: AnyObject = S.self == Float.self ? (residual ? float.1 : float.0) : (residual ? double.1 : double.0)
    return unsafeDowncast(part, to: Recomputation<S>.self)
  }

  private static func plain<S: TensorScalar>(_: S.Type) -> Recomputation<S> { Recomputation { $0.tanh() * $0 } }
  private static func added<S: TensorScalar>(_: S.Type) -> Recomputation<S> { Recomputation { $0.tanh() * $0 + $0 } }
}

/// Attention and a wide layer with dropout everywhere, once plain, once as a part that is recomputed.
private struct TestBlock<S: TensorScalar> {
  let norm, attention, output, wide, narrow, bias: Parameter<S>
  let dropout: Double
  let part: Recomputation<S>

  init(seed: UInt64, channels C: Int = 8, dropout: Double, distribution: Distribution = .normal) {
    func make(_ shape: [Int], _ number: UInt64) -> Parameter<S> {
      Parameter(randomTensor(shape, distribution, seed: seed * 10 + number))
    }
    let norm = make([C], 1), attention = make([3 * C, C], 2), output = make([C, C], 3)
    let wide = make([4 * C, C], 4), narrow = make([C, 4 * C], 5), bias = make([4 * C], 6)
    func body(_ x: Variable<S>) -> Variable<S> {
      let heads = x.layerNorm(scale: norm, shift: nil).linear(attention).causalAttention(headCount: 2, dropout: dropout)
      let h = x + heads.linear(output).dropout(rate: dropout)
      return h.linear(wide, bias: bias, activation: .geluTanh).dropout(rate: dropout).linear(narrow, adding: h)
    }
    (self.norm, self.attention, self.output) = (norm, attention, output)
    (self.wide, self.narrow, self.bias, self.dropout) = (wide, narrow, bias, dropout)
    part = Recomputation(body)
    self.body = body
  }

  let body: (Variable<S>) -> Variable<S>
  var parameters: [Parameter<S>] { [norm, attention, output, wide, narrow, bias] }
}

@Suite("Recomputation") struct RecomputationTests {
  /// Loss, all gradients, and the arena's peak of two steps of a stack of blocks.
  private func run<S: TensorScalar>(
    _: S.Type, blocks count: Int, dropout: Double, recomputing: Bool, threads: Int = 1, planned: Bool = true,
    around: ((Recomputation<S>) -> Recomputation<S>)? = nil
  ) -> (values: [S], gradients: [Tensor<S>], peak: Int, planned: Int) {
    let blocks = (0..<count).map { TestBlock<S>(seed: UInt64($0) + 1, dropout: dropout) }
    let parts = blocks.map { around?($0.part) ?? $0.part }
    let table = Parameter<S>(randomTensor([5, 8], .normal, seed: 99))
    let tape = Tape<S>(backend: Backend(pool: ThreadPool(threads: threads)))
    tape.seed = 7
    let ids = (0..<24).map { Int32($0 * 7 % 5) }
    func step(_ tape: Tape<S>) -> S {
      let tokens = tape.tokens(ids.span, shape: [2, 12])
      var x = tokens.embedding(table)
      for index in blocks.indices { x = recomputing ? parts[index](x) : blocks[index].body(x) }
      // A dropout behind the blocks: its draws must not depend on how they were computed.
      let loss = x.dropout(rate: dropout).linearCrossEntropy(table, tokens)
      loss.backward()
      return loss.value
    }
    let plan = tape.plan { _ = step($0) }
    if planned { tape.reserve(plan) }
    let values = (0..<2).map { _ in tape.step { step($0) } }
    return (
      values, (blocks.flatMap(\.parameters) + [table]).map(\.gradient), tape.statistics.peak, plan.arenaBytes
    )
  }

  @Test("gives the same bits, with dropout, on threads, in an arena of many pieces", arguments: [0, 0.3])
  func sameBits(dropout: Double) {
    for threads in [1, 3] {
      let plain = run(Double.self, blocks: 3, dropout: dropout, recomputing: false, threads: threads)
      for planned in [true, false] {
        let again = run(
          Double.self, blocks: 3, dropout: dropout, recomputing: true, threads: threads, planned: planned)
        #expect(plain.values.map(\.bitPattern) == again.values.map(\.bitPattern))
        for (a, b) in zip(plain.gradients, again.gradients) {
          #expect(a.elements.map(\.bitPattern) == b.elements.map(\.bitPattern))
        }
        #expect(again.peak == again.planned)
      }
    }
    let plain = run(Float.self, blocks: 3, dropout: dropout, recomputing: false)
    let nested = run(Float.self, blocks: 3, dropout: dropout, recomputing: true) { inner in
      Recomputation { inner($0) }
    }
    #expect(plain.values == nested.values && plain.gradients == nested.gradients)
    #expect(nested.peak == nested.planned)
  }

  @Test("keeps each block's input alone: the peak of six layers falls below a third")
  func memory() {
    let plain = run(Float.self, blocks: 6, dropout: 0.1, recomputing: false)
    let again = run(Float.self, blocks: 6, dropout: 0.1, recomputing: true)
    #expect(again.peak * 3 < plain.peak, "\(again.peak) against \(plain.peak)")
    let deeper = run(Float.self, blocks: 12, dropout: 0.1, recomputing: true)
    // A block more costs its input: 2 · 12 · 8 floats.
    #expect(deeper.peak - again.peak == 6 * 2 * 12 * 8 * 4)
  }

  @Test("a chain without a residual does not grow the arena by a gradient per part")
  func chain() {
    let part = Recomputation<Double> { $0.tanh().exp().tanh() }, x = Parameter<Double>(zeros: [64])
    func peak(_ count: Int) -> Int {
      let tape = Tape<Double>(backend: Backend(pool: singleThread))
      return tape.plan { tape in
        var y = tape.variable(x) * 1
        for _ in 0..<count { y = part(y) }
        y.sum().backward()
      }.arenaBytes
    }
    #expect(peak(20) - peak(10) == 10 * 64 * 8)
  }

  @Test("agrees with differences")
  func differences() {
    let blocks = (0..<2).map { TestBlock<Double>(seed: UInt64($0) + 3, dropout: 0, distribution: .uniform(-0.4, 0.4)) }
    let x = Parameter<Double>(randomTensor([1, 3, 8], .normal, seed: 4))
    let report = checkGradients(
      of: blocks.flatMap(\.parameters) + [x], sampleCount: 8, backend: Backend(pool: singleThread)
    ) { tape in
      blocks[1].part(blocks[0].part(tape.variable(x) * 1))
    }
    #expect(report.passes, "\(report)")
  }

  @Test("an input used elsewhere, frozen parameters, a result that is kept, a part that does nothing")
  func corners() {
    let w = Parameter<Double>([[2, 1], [1, 3]]), x = Parameter<Double>([[1, -2]])
    let part = Recomputation<Double> { $0.linear(w).tanh() }, identity = Recomputation<Double> { $0 }
    let constant = Recomputation<Double> { $0 * 2 }
    func gradients(_ recomputing: Bool) -> [Tensor<Double>] {
      let tape = Tape<Double>(backend: Backend(pool: singleThread))
      return tape.step { tape in
        let v = tape.variable(x) * 1, u = recomputing ? identity(v) : v
        let y = recomputing ? part(u) : u.linear(w).tanh()
        let c = recomputing ? constant(tape.input([[3, 4]])) : tape.input([[3, 4]]) * 2
        y.retainGradient()
        (y * v + v * c + y.exp()).sum().backward()
        return [y.gradient, x.gradient, w.gradient]
      }
    }
    #expect(gradients(true) == gradients(false))
    w.isTrainable = false
    #expect(gradients(true) == gradients(false))
  }

  @Test("inside inference it is the body, and frees what it made")
  func inference() {
    let block = TestBlock<Float>(seed: 1, dropout: 0.5), tape = Tape<Float>(backend: Backend(pool: singleThread))
    let input = randomTensor([2, 12, 8], .normal, seed: 5) as Tensor<Float>
    tape.step { tape in
      tape.inference {
        let x = tape.input(input), plain = block.body(x), used = tape.statistics.used
        #expect(block.part(x).array == plain.array)
        #expect(tape.statistics.used - used == 2 * 12 * 8 * 4)
      }
    }
  }

  init() { silenceCrashReports() }

  @Test("a variable from outside that needs a gradient is refused")
  func outside() async throws {
    try expectSentence(
      "add: a part that is recomputed uses a variable of shape [2] from outside that needs a gradient; let",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        Tape<Float>().step { tape in
          let other = tape.variable(x) * 2
          _ = Recomputation { $0 + other }(tape.variable(x) * 3)
        }
      })
  }

  @Test("a loss inside the part is refused")
  func loss() async throws {
    try expectSentence(
      "linearCrossEntropy: it stands inside a part that is recomputed",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let w = Parameter<Float>([[1, 2], [3, 4]])
        Tape<Float>().step { tape in
          let tokens = tape.tokens([0])
          _ = Recomputation { $0.linearCrossEntropy(w, tokens) }(tape.input([[1, 2]]) * 2)
        }
      })
  }

  @Test("a backward inside the part is refused")
  func backward() async throws {
    try expectSentence(
      "backward: it was called inside a part that is recomputed; call it on what the part returns",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        Tape<Float>().step { tape in
          let part = Recomputation<Float> { x in
            let y = x.sum()
            y.backward()
            return y
          }
          _ = part(tape.variable(x) * 3)
        }
      })
  }

  @Test("a body that computes something else the second time is refused")
  func changing() async throws {
    try expectSentence(
      "recompute: the part gave shape [2] in forward and [] in backward; its body must compute the same every time",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        var runs = 0
        let part = Recomputation<Float> { x in
          runs += 1
          return runs == 1 ? x * 2 : x.sum()
        }
        Tape<Float>().step { tape in part(tape.variable(x) * 3).sum().backward() }
      })
  }
}
