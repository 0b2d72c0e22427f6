import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// An adapter is a product more: x·Wᵀ + s·(x·Aᵀ)·Bᵀ, written out here.
@Suite("Adapters of low rank")
struct LowRankAdapterTests {
  /// A weight of 12 × 8 whose rows belong to parts in one way or another.
  private enum Layout: CaseIterable {
    case whole, ranges, someRanges, alternating, halfAlternating, twice

    /// First row, step and rows of each part.
    var parts: [(first: Int, step: Int, rows: Int)] {
      switch self {
      case .whole: [(0, 1, 12)]
      case .ranges: [(0, 1, 6), (6, 1, 3), (9, 1, 3)]
      case .someRanges: [(6, 1, 3), (2, 1, 2)]
      case .alternating: [(0, 2, 6), (1, 2, 6)]
      case .halfAlternating: [(1, 2, 6)]
      case .twice: [(0, 1, 12), (0, 1, 12)]
      }
    }
  }

  private func adapter<S: TensorScalar>(
    _ layout: Layout, sameScale: Bool, dropout: Double = 0
  ) -> LowRankAdapter<S> {
    let parts = layout.parts.enumerated().map { index, part in
      let rank = index + 2
      return LowRankAdapter<S>.Part(
        down: Parameter(randomTensor([rank, 8], seed: UInt64(10 + index))),
        up: Parameter(randomTensor([part.rows, rank], seed: UInt64(20 + index))),
        scale: sameScale ? 2 : 0.5 + Double(index), firstRow: part.first, rowStep: part.step)
    }
    return LowRankAdapter(parts, of: [12, 8], dropout: dropout)
  }

  /// W + Σ s·B·A, number by number.
  private func changed<S: TensorScalar>(_ weight: Tensor<S>, _ adapter: LowRankAdapter<S>) -> Tensor<S> {
    var elements = weight.elements
    for part in adapter.parts {
      for row in 0..<part.rowCount {
        for column in 0..<8 {
          var sum: S = 0
          for index in 0..<part.rank {
            sum += part.up.array[row * part.rank + index] * part.down.array[index * 8 + column]
          }
          elements[(part.firstRow + row * part.rowStep) * 8 + column] += S(part.scale) * sum
        }
      }
    }
    return Tensor(shape: [12, 8], elements)
  }

  @Test("inference may leave adapters out: what the weight says by itself, and only there")
  func leftOut() {
    let weight = Parameter<Double>(randomTensor([6, 4], seed: 1)), x: Tensor<Double> = randomTensor([3, 4], seed: 2)
    let plain = Tape<Double>().step { tape in tape.input(x).linear(weight).array }
    weight.adapt(
      LowRankAdapter(
        [
          .init(
            down: Parameter(randomTensor([2, 4], seed: 3)), up: Parameter(randomTensor([6, 2], seed: 4)), scale: 0.5)
        ], of: [6, 4]))
    Tape<Double>().step { tape in
      let adapted = tape.input(x).linear(weight).array
      let left = tape.inference(applyingAdapters: false) {
        // What is inside of it cannot take them in again.
        tape.inference { tape.input(x).linear(weight).array }
      }
      expectSameBits(left, plain)
      #expect(adapted != plain)
      expectSameBits(tape.inference { tape.input(x).linear(weight).array }, adapted)
    }
  }

  @Test("makes the products of the changed weight", arguments: Layout.allCases, [true, false])
  private func products(_ layout: Layout, _ sameScale: Bool) {
    let x: Tensor<Double> = randomTensor([5, 8], seed: 1), weight: Tensor<Double> = randomTensor([12, 8], seed: 2)
    let bias: Tensor<Double> = randomTensor([12], seed: 3)
    let adapter: LowRankAdapter<Double> = adapter(layout, sameScale: sameScale)
    let adapted = Parameter(weight), plain = Parameter(changed(weight, adapter)), joined = Parameter(weight)
    adapted.adapt(adapter)
    joined.adapt(adapter.joined())
    #expect(zip(adapter.change(), zip(plain.array, weight.elements)).allSatisfy { abs($0 - ($1.0 - $1.1)) < 1e-12 })
    let tape = Tape<Double>()
    let results = [adapted, joined, plain].map { weight in
      tape.step { tape in
        let x = tape.input(x), bias = tape.input(bias)
        let recorded = x.linear(weight, bias: bias, activation: .geluTanh, adding: x.linear(weight)).array
        return recorded + tape.inference { x.gatedLinear(weight, bias: bias, gate: .silu).array }
      }
    }
    for result in results.dropLast() { expectClose(result, results.last!, Tolerance(relative: 1e-12, absolute: 1e-12)) }
    #expect(!adapted.isTrainable)
  }

  @Test("its factors' gradients are those of the numbers", arguments: Layout.allCases, [true, false])
  private func gradients(_ layout: Layout, _ sameScale: Bool) {
    let adapter: LowRankAdapter<Double> = adapter(layout, sameScale: sameScale)
    let weight = Parameter<Double>(randomTensor([12, 8], seed: 2)), x = Parameter<Double>(randomTensor([5, 8], seed: 1))
    weight.adapt(adapter)
    let factors = adapter.parts.flatMap { [$0.down, $0.up] }
    let report = checkGradients(of: factors + [x]) { tape in
      let x = tape.variable(x)
      return x.linear(weight, activation: .tanh).sum() + x.gatedLinear(weight, gate: .silu).sum()
    }
    #expect(report.passes, "\(layout): \(report)")
  }

  @Test("one whose B is zero changes no bit, stored weights and recomputation included")
  func zero() {
    let x: Tensor<Float> = randomTensor([9, 256], seed: 1)
    for format in WeightFormat.all {
      let sample = StoredWeightSample(format, outputs: 70, inputs: 256, seed: 5, set: .preferred)
      let (plain, adapted) = (sample.parameter, sample.parameter)
      let part = LowRankAdapter<Float>.Part(
        down: Parameter(randomTensor([4, 256], seed: 6)), up: Parameter(zeros: [70, 4]), scale: 2)
      part.up.set([Float](repeating: 0, count: 280))
      adapted.adapt(LowRankAdapter([part], of: [70, 256]))
      let tape = Tape<Float>()
      for mode in [ProductMode.exact, .bfloat16, .integer] {
        tape.productMode = mode
        let results = [plain, adapted].map { weight in
          tape.step { tape in
            tape.inference {
              let x = tape.input(x)
              return x.linear(weight, activation: .silu).array + x.gatedLinear(weight, gate: .silu).array
            }
          }
        }
        expectSameBits(results[0], results[1], "\(format), \(mode)")
      }
    }
  }

  @Test("a part that is recomputed gives the gradients that it has without")
  func recomputed() {
    let x: Tensor<Float> = randomTensor([9, 64], seed: 1)
    let weight = StoredWeightSample(.q4_0, outputs: 64, inputs: 64, seed: 5, set: .preferred).parameter
    let part = LowRankAdapter<Float>.Part(
      down: Parameter(randomTensor([4, 64], seed: 6)), up: Parameter(randomTensor([64, 4], seed: 7)), scale: 2)
    weight.adapt(LowRankAdapter([part], of: [64, 64], dropout: 0.25))
    let input = Parameter(x), tape = Tape<Float>()
    func body(_ x: Variable<Float>) -> Variable<Float> { x.linear(weight, activation: .silu).linear(weight, adding: x) }
    let recomputation = Recomputation<Float> { body($0) }
    let results = [true, false].map { recomputes in
      tape.randomStep = 3
      tape.step { tape in
        let x = tape.variable(input)
        (recomputes ? recomputation(x) : body(x)).sum().backward()
      }
      return input.gradient.elements + part.down.gradient.elements + part.up.gradient.elements
    }
    expectSameBits(results[0], results[1], "recomputed")
    #expect(results[0].contains { $0 != 0 })
  }

  @Test("inside inference nothing of its input falls, whatever step random numbers are drawn for")
  func inferenceDropsNothing() {
    let x: Tensor<Float> = randomTensor([9, 8], seed: 1), weight: Tensor<Float> = randomTensor([12, 8], seed: 2)
    let tape = Tape<Float>()
    func product(dropout: Double, step: UInt64, recording: Bool = false) -> [Float] {
      let adapted = Parameter(weight)
      adapted.adapt(adapter(.whole, sameScale: true, dropout: dropout))
      tape.randomStep = step
      return tape.step { tape in
        let x = tape.input(x)
        return recording ? x.linear(adapted).array : tape.inference { x.linear(adapted).array }
      }
    }
    let expected = product(dropout: 0, step: 1)
    for step in 1...2 as ClosedRange<UInt64> { expectSameBits(product(dropout: 0.5, step: step), expected) }
    #expect(product(dropout: 0.5, step: 1, recording: true) != expected)
  }
}
