import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// A gated linear layer is two linear layers whose weights' rows take turns.
@Suite("Gated linear") struct GatedLinearTests {
  /// Every second row, from row `first` on.
  private func rows<S: TensorScalar>(_ weight: Tensor<S>, _ first: Int) -> Tensor<S> {
    let count = weight.shape[0], K = weight.count / count, indices = stride(from: first, to: count, by: 2)
    return Tensor(
      shape: [count / 2] + weight.shape.array.dropFirst(), indices.flatMap { weight.elements[$0 * K..<($0 + 1) * K] })
  }

  private func compare<S: TensorScalar>(
    _: S.Type, rows m: Int, width: Int, _ K: Int, _ gate: Activation, _ precision: MatmulPrecision, _ backend: Backend
  ) {
    let x: Tensor<S> = randomTensor([m, K], seed: 1), weight: Tensor<S> = randomTensor([2 * width, K], seed: 2)
    let bias: Tensor<S> = randomTensor([2 * width], seed: 3)
    let tape = Tape<S>(backend: backend)
    tape.matmulPrecision = precision
    let parameters = [weight, bias].map { Parameter<S>($0) }
    let parts = [0, 1].map { (Parameter<S>(rows(weight, $0)), Parameter<S>(rows(bias, $0))) }
    let input = Parameter<S>(x)
    let (result, recorded, expected) = tape.step { tape in
      let x = tape.variable(input)
      let result = tape.inference { x.gatedLinear(parameters[0], bias: parameters[1], gate: gate).array }
      let recorded = x.gatedLinear(parameters[0], bias: parameters[1], gate: gate)
      let expected = tape.inference {
        let gates = x.linear(parts[0].0, bias: parts[0].1, activation: gate)
        return (gates * x.linear(parts[1].0, bias: parts[1].1)).array
      }
      recorded.sum().backward()
      return (result, recorded.array, expected)
    }
    let what = "\(m)×\(width)×\(K), \(gate), \(S.self), \(precision), \(backend.instructionSet)"
    expectSameBits(recorded, expected, what)
    expectSameBits(result, expected, "\(what), not recorded")
  }

  @Test("has the bits of two products and their gates, recorded or not", arguments: Activation.allCases)
  func sameBits(gate: Activation) {
    // One row, odd widths, tiles cut off, more than one block along k.
    let shapes = [(1, 1, 1), (5, 3, 7), (15, 17, 20), (30, 41, 33), (3, 24, 1100), (40, 7, 12)]
    forEachInstructionSet { backend in
      for (m, width, K) in shapes {
        compare(Float.self, rows: m, width: width, K, gate, .float32, backend)
        compare(Float.self, rows: m, width: width, K, gate, .bfloat16, backend)
        compare(Double.self, rows: m, width: width, K, gate, .float32, backend)
      }
    }
  }

  @Test("takes chunks of rows where nothing is kept: the same bits, and little memory")
  func chunks() {
    let (m, width, K) = (600, 4096, 3)
    for threads in [1, 3] {
      compare(Float.self, rows: m, width: width, K, .silu, .float32, Backend(pool: ThreadPool(threads: threads)))
    }
    let weight = Parameter<Float>(randomTensor([2 * width, K], seed: 1)), tape = Tape<Float>()
    weight.isTrainable = false
    func peak(recording: Bool) -> Int {
      func step(_ tape: Tape<Float>) {
        let x = tape.input(randomTensor([m, K], seed: 2))
        if recording { _ = x.gatedLinear(weight, gate: .silu) } else {
          tape.inference {
            let before = tape.statistics.used
            _ = x.gatedLinear(weight, gate: .silu)
            #expect(tape.statistics.used == before + m * width * 4)
          }
        }
      }
      let plan = tape.plan { step($0) }
      tape.step { step($0) }
      #expect(tape.statistics.peak == plan.arenaBytes)
      return plan.arenaBytes
    }
    for recording in [true, false] { #expect(peak(recording: recording) < (m * width + 256 * 2 * width) * 4 + 8192) }
  }

  @Test("a row does not depend on the rows around it, on any number of threads")
  func oneRow() {
    let x: Tensor<Float> = randomTensor([90, 33], seed: 1)
    let weight = Parameter<Float>(randomTensor([2 * 41, 33], seed: 2))
    func run(_ rows: Range<Int>, _ threads: Int, _ precision: MatmulPrecision) -> [Float] {
      let tape = Tape<Float>(backend: Backend(pool: ThreadPool(threads: threads)))
      tape.matmulPrecision = precision
      return tape.step { tape in
        let part = Tensor(shape: [rows.count, 33], Array(x.elements[rows.lowerBound * 33..<rows.upperBound * 33]))
        return tape.input(part).rmsNorm().gatedLinear(weight, gate: .silu).array
      }
    }
    for precision in [MatmulPrecision.float32, .bfloat16] {
      let all = run(0..<90, 1, precision)
      for rows in [0..<1, 13..<14, 70..<90, 3..<88] {
        for threads in [1, 2, 3, 8] {
          let expected = Array(all[rows.lowerBound * 41..<rows.upperBound * 41])
          expectSameBits(run(rows, threads, precision), expected, "\(rows) on \(threads) threads, \(precision)")
        }
      }
    }
  }

  @Test("forgotten results, and norms, keep the gradients' bits in less memory", arguments: Activation.allCases)
  func forgetting(gate: Activation) {
    let scale = Parameter<Float>(randomTensor([8], seed: 1)), input = Parameter<Float>(randomTensor([40, 8], seed: 2))
    let wide = Parameter<Float>(randomTensor([64, 8], seed: 3))
    let narrow = Parameter<Float>(randomTensor([8, 32], seed: 4))
    func layer(_ x: Variable<Float>, forgets: Bool) -> Variable<Float> {
      let normed = x.rmsNorm(scale: scale), hidden = normed.gatedLinear(wide, gate: gate)
      let y = hidden.linear(narrow, adding: x) + normed
      if forgets {
        hidden.forget()
        normed.forget()
      }
      return y
    }
    func run(forgets: Bool, recomputes: Bool = false) -> (gradients: [[Float]], peak: Int) {
      let tape = Tape<Float>(backend: Backend(pool: singleThread))
      let part = Recomputation<Float> { layer($0, forgets: forgets) }
      func step() {
        var x = tape.variable(input)
        for _ in 0..<4 { x = recomputes ? part(x) : layer(x, forgets: forgets) }
        (x * x).mean().backward()
      }
      let plan = tape.plan { _ in step() }
      tape.step { _ in step() }
      #expect(tape.statistics.peak == plan.arenaBytes)
      return ([scale, input, wide, narrow].map(\.gradient.elements), plan.arenaBytes)
    }
    let kept = run(forgets: false), forgotten = run(forgets: true), again = run(forgets: true, recomputes: true)
    for index in 0..<4 {
      expectSameBits(forgotten.gradients[index], kept.gradients[index], "\(index)")
      expectSameBits(again.gradients[index], kept.gradients[index], "recomputed, \(index)")
    }
    #expect(forgotten.peak < kept.peak)
  }

  @Test("a scale that changed before a forgotten norm is computed again stops with a sentence")
  func changedScale() {
    let scale = Parameter<Double>([1, 1])
    let sentence = Tape<Double>().step { tape in
      let y = tape.input([[1, 3]]).rmsNorm(scale: scale), loss = (y * y).sum()
      y.forget()
      scale.set([2, 2])
      do throws(Misuse) {
        try tape.core.backward(from: try tape.core.slot(loss.handle, "test"), seed: 1)
        return ""
      } catch {
        return error.description
      }
    }
    #expect(sentence.contains("changed after rmsNorm had read its values"))
  }
}
