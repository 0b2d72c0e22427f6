import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// Weights, soft cap and z-loss: what the registry's cases do not say.
@Suite("Terms of the loss") struct LossTermTests {
  private static let rows = 300, targets: [Int32] = (0..<300).map { $0 % 7 == 3 ? -1 : Int32($0 * 5 % 11) }
  private static let weights = Tensor<Double>(shape: [300], (0..<300).map { Double($0 * 13 % 5) / 2 })

  private struct Outcome {
    let loss: Double
    let dx, dW: Tensor<Double>
  }

  /// Loss and gradients by a body that gets x, W, targets and weights.
  private func run(
    seed: Double = 1, _ targets: [Int32] = targets, _ weights: Tensor<Double> = weights,
    _ body: (Variable<Double>, Parameter<Double>, Tokens, Variable<Double>) -> Variable<Double>
  ) -> Outcome {
    let x = Parameter<Double>(randomTensor([targets.count, 5], seed: 1))
    let w = Parameter<Double>(randomTensor([11, 5], seed: 2))
    let loss = Tape<Double>(backend: Backend(pool: singleThread)).step { tape in
      let loss = body(tape.variable(x), w, tape.tokens(targets), tape.input(weights))
      loss.backward(seed: seed)
      return loss.value
    }
    return Outcome(loss: loss, dx: x.gradient, dW: w.gradient)
  }

  private func expectSame(_ a: Outcome, _ b: Outcome, _ what: String) {
    expectSameBits([a.loss], [b.loss], what)
    expectSameBits(a.dx.elements, b.dx.elements, what)
    expectSameBits(a.dW.elements, b.dW.elements, what)
  }

  private func expectNear(_ a: Outcome, _ b: Outcome, _ what: String) {
    let tolerance = Tolerance(relative: 1e-12, absolute: 1e-14)
    expectClose([a.loss], [b.loss], tolerance, what)
    expectClose(a.dx, b.dx, tolerance, what)
    expectClose(a.dW, b.dW, tolerance, what)
  }

  /// The same without fusion: every number has an operation of its own.
  private func parts(
    _ x: Variable<Double>, _ w: Parameter<Double>, _ targets: Tokens, _ weights: Variable<Double>, cap: Double,
    zLoss: Double
  ) -> Variable<Double> {
    let logits = (x.linear(w) / cap).tanh() * cap, normaliser = logits.logSumExp()
    return logits.crossEntropy(targets, ignoring: -1, weights: weights)
      + (normaliser * normaliser * weights).sum() * zLoss / weights.sum()
  }

  @Test("all terms are what their operations say, for any seed and without an expected one", arguments: [1, 0.25, -3])
  func parts(seed: Double) {
    // The parts weigh ignored targets, too: here their weights are 0.
    let weights = Tensor<Double>(
      shape: [Self.rows], (0..<Self.rows).map { Self.targets[$0] < 0 ? 0 : Self.weights.elements[$0] })
    let expected = run(seed: seed, Self.targets, weights) { parts($0, $1, $2, $3, cap: 2, zLoss: 0.03) }
    let fused = run(seed: seed) {
      $0.linearCrossEntropy($1, $2, ignoring: -1, weights: $3, softCap: 2, zLoss: 0.03)
    }
    let whole = run(seed: seed) { x, w, targets, weights in
      x.apply("linearCrossEntropy") { core, x throws(Misuse) in
        try core.linearCrossEntropy(
          x, weight: try core.use(w.core), try core.slot(targets.handle, "test"), ignoring: -1,
          weights: try core.slot(weights.handle, "test"), softCap: 2, zLoss: 0.03, expectedSeed: nil)
      }
    }
    expectNear(fused, expected, "fused")
    expectNear(whole, expected, "without an expected seed")
    let told = run(seed: seed) {
      $0.linearCrossEntropy($1, $2, ignoring: -1, weights: $3, softCap: 2, zLoss: 0.03, expectedSeed: seed)
    }
    expectNear(told, expected, "with the seed it was told")
  }

  @Test("equal weights change no bits; a weight of 0 masks as an ignored target does")
  func equalWeights() {
    let ones = Tensor<Double>(repeating: 1, shape: [Self.rows])
    let masks = Tensor<Double>(shape: [Self.rows], Self.targets.map { $0 < 0 ? 0 : 1 })
    let shown = Self.targets.map { max($0, 0) }
    let plain = run { x, w, targets, _ in x.linearCrossEntropy(w, targets, ignoring: -1) }
    expectSame(run(Self.targets, ones) { $0.linearCrossEntropy($1, $2, ignoring: -1, weights: $3) }, plain, "ones")
    expectSame(run(shown, masks) { $0.linearCrossEntropy($1, $2, weights: $3) }, plain, "masks")
    let logits = run { x, w, targets, _ in x.linear(w).crossEntropy(targets, ignoring: -1) }
    expectSame(run(Self.targets, ones) { $0.linear($1).crossEntropy($2, ignoring: -1, weights: $3) }, logits, "ones")
    expectSame(run(shown, masks) { $0.linear($1).crossEntropy($2, weights: $3) }, logits, "masks")
  }

  @Test("weights of nothing give a loss of 0 and gradients of zeros; what they mask may be infinite")
  func masked() {
    let zeros = Tensor<Double>(repeating: 0, shape: [3])
    for outcome in [
      run([1, 2, 3], zeros) { $0.linearCrossEntropy($1, $2, weights: $3, softCap: 30, zLoss: 1) },
      run([1, 2, 3], zeros) { $0.linear($1).crossEntropy($2, weights: $3) },
      run([-1, 2, 3], Tensor(shape: [3], [1, 0, 0])) { $0.linearCrossEntropy($1, $2, ignoring: -1, weights: $3) },
    ] {
      #expect(outcome.loss == 0)
      #expect(outcome.dx.elements.allSatisfy { $0 == 0 } && outcome.dW.elements.allSatisfy { $0 == 0 })
    }
    let x = Parameter<Double>(Tensor(shape: [2, 2], [1, 2, .infinity, .nan]))
    let loss = Tape<Double>().step { tape in
      let loss = tape.variable(x).crossEntropy(tape.tokens([0, 1]), weights: tape.input([3, 0]))
      loss.backward()
      return loss.value
    }
    #expect(abs(loss - 1.3132616875182228) < 1e-15)
    #expect(Array(x.gradient.elements.suffix(2)) == [0, 0])
  }

  @Test("in float32 and bfloat16 the terms stay close to float64's")
  func narrow() {
    func run<S: TensorScalar>(_: S.Type, _ precision: MatmulPrecision) -> (Double, [Double]) {
      let x = Parameter<S>(randomTensor([40, 16], seed: 1)), w = Parameter<S>(randomTensor([50, 16], seed: 2))
      let tape = Tape<S>()
      tape.matmulPrecision = precision
      let loss = tape.step { tape in
        let loss = tape.variable(x).linearCrossEntropy(
          w, tape.tokens((0..<40).map { Int32($0) }), weights: tape.input((0..<40).map { S($0 % 3) }, shape: [40]),
          softCap: 4, zLoss: 0.01)
        loss.backward()
        return Double(loss.value)
      }
      return (loss, (x.gradient.elements + w.gradient.elements).map { Double($0) })
    }
    let exact = run(Double.self, .float32)
    for (precision, bound) in [(MatmulPrecision.float32, 1e-5), (.bfloat16, 3e-2)] {
      let (loss, gradients) = run(Float.self, precision), largest = exact.1.reduce(0) { max($0, abs($1)) }
      #expect(abs(loss - exact.0) < bound * exact.0)
      #expect(zip(gradients, exact.1).allSatisfy { abs($0 - $1) < bound * largest }, "\(precision)")
    }
  }

  @Test("the losses of single targets have the loss as their mean, and leave nothing behind")
  func losses() {
    let x = Parameter<Double>(randomTensor([300, 5], seed: 1)), w = Parameter<Double>(randomTensor([11, 5], seed: 2))
    let tape = Tape<Double>()
    func step(_ tape: Tape<Double>) -> [(losses: [Double], loss: Double)] {
      let targets = tape.tokens(Self.targets), x = tape.variable(x)
      func both() -> (losses: [Double], loss: Double) {
        (
          x.linearCrossEntropyLosses(w, targets, ignoring: -1, softCap: 2).array,
          tape.inference { x.linearCrossEntropy(w, targets, ignoring: -1, softCap: 2).value }
        )
      }
      let recorded = both(), before = tape.statistics.used
      let inferred = tape.inference { both() }
      #expect(tape.statistics.used == before + 300 * 8 + 32 + 64)
      return [recorded, inferred]
    }
    let plan = tape.plan { _ = step($0) }
    let results = tape.step { step($0) }
    #expect(tape.statistics.peak == plan.arenaBytes)
    for (losses, loss) in results {
      expectSameBits(losses, results[0].losses)
      #expect(zip(losses, Self.targets).allSatisfy { ($0 == 0) == ($1 == -1) })
      #expect(abs(losses.reduce(0, +) / Double(Self.targets.filter { $0 >= 0 }.count) - loss) < 1e-13)
    }
  }

  @Test("losses of single targets hand on what each counts, of either sign: the gradients of log-softmax")
  func lossGradients() {
    let x = Parameter<Double>(randomTensor([300, 5], seed: 1)), w = Parameter<Double>(randomTensor([11, 5], seed: 2))
    let counts: [Double] = (0..<300).map { Double($0 % 7) - 3 }
    func gradients(_ body: (Tape<Double>, Variable<Double>) -> Variable<Double>) -> [Double] {
      Tape<Double>().step { tape in body(tape, tape.variable(x)).backward() }
      return x.gradient.elements + w.gradient.elements
    }
    let own = gradients { tape, x in
      (x.linearCrossEntropyLosses(w, tape.tokens(Self.targets), ignoring: -1) * tape.input(counts, shape: [300])).sum()
    }
    let plain = gradients { tape, x in
      var chosen = [Double](repeating: 0, count: 300 * 11)
      for (row, target) in Self.targets.enumerated() where target >= 0 { chosen[row * 11 + Int(target)] = -counts[row] }
      return (x.linear(w).logSoftmax() * tape.input(chosen, shape: [300, 11])).sum()
    }
    #expect(zip(own, plain).allSatisfy { abs($0 - $1) < 1e-12 })
    let twice = gradients { tape, x in
      let losses = x.linearCrossEntropyLosses(w, tape.tokens(Self.targets), ignoring: -1)
      return (losses * tape.input(counts, shape: [300])).sum() + losses.sum() - losses.sum()
    }
    #expect(zip(own, twice).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  @Test("the loss of a target does not depend on the others")
  func oneTarget() {
    let x: Tensor<Float> = randomTensor([300, 5], seed: 1), w = Parameter<Float>(randomTensor([1100, 5], seed: 2))
    func losses(_ rows: Range<Int>) -> [Float] {
      Tape<Float>().step { tape in
        let part = Tensor(shape: [rows.count, 5], Array(x.elements[rows.lowerBound * 5..<rows.upperBound * 5]))
        let targets = tape.tokens(rows.map { Int32($0 * 3) })
        return tape.inference { tape.input(part).linearCrossEntropyLosses(w, targets, softCap: 3).array }
      }
    }
    let all = losses(0..<300)
    for rows in [0..<1, 100..<101, 250..<300, 0..<299] { expectSameBits(losses(rows), Array(all[rows])) }
  }

  @Test("weights that change before backward reads them again stop it with a sentence")
  func changedWeights() {
    let weights = Parameter<Double>([1, 3]), w = Parameter<Double>([[1, 2], [3, 4]])
    weights.isTrainable = false
    func sentence(_ body: (Tape<Double>, Tokens) -> Variable<Double>) -> String {
      Tape<Double>().step { tape in
        let loss = body(tape, tape.tokens([0, 1]))
        weights.set([2, 2])
        do throws(Misuse) {
          try tape.core.backward(from: try tape.core.slot(loss.handle, "test"), seed: 1)
          return ""
        } catch {
          return error.description
        }
      }
    }
    #expect(sentence { $1.embedding(w).crossEntropy($1, weights: weights) }.contains("changed after crossEntropy had"))
    #expect(
      sentence { $0.input([[1, 2], [3, 4]]).linearCrossEntropy(w, $1, weights: weights) * 2 }
        .contains("changed after linearCrossEntropy had"))
    #expect(sentence { $0.input([[1, 2], [3, 4]]).linearCrossEntropy(w, $1, weights: weights) } == "")
  }

  @Test("refuse what is no weight, no cap and no factor")
  func misuse() {
    func sentence(
      _ weights: [Double]? = nil, cap: Double? = nil, zLoss: Double = 0, fused: Bool = true
    ) -> String {
      Tape<Double>().step { tape in
        let x = tape.input([[1, 2], [3, 4]]), w = tape.input([[1, 2], [3, 4]]), core = tape.core
        let weights = weights.map { tape.input($0, shape: [2]) }, tokens = tape.tokens([0, 1])
        do throws(Misuse) {
          let targets = try core.slot(tokens.handle, "test"), x = try core.slot(x.handle, "test")
          let place = try weights.map { weights throws(Misuse) in try core.slot(weights.handle, "test") } ?? -1
          if fused {
            _ = try core.linearCrossEntropy(
              x, weight: try core.slot(w.handle, "test"), targets, ignoring: nil, weights: place, softCap: cap,
              zLoss: zLoss)
          } else {
            _ = try core.crossEntropy(x, targets, ignoring: nil, weights: place)
          }
          return ""
        } catch {
          return error.description
        }
      }
    }
    for (fused, name) in [(true, "linearCrossEntropy"), (false, "crossEntropy")] {
      #expect(sentence([1, 2], fused: fused) == "")
      #expect(
        sentence([1, -2], fused: fused)
          == "\(name): weight -2.0 at position 1; weights are finite and not negative; 0 masks a target")
      for number in [Double.nan, .infinity] {
        #expect(sentence([number, 1], fused: fused).contains("weight \(number) at position 0"))
      }
      #expect(sentence([1e308, 1e308], fused: fused).contains("the weights add up to inf; make them smaller"))
    }
    for cap in [0, -1, .nan, Double.infinity] {
      #expect(
        sentence(cap: cap)
          == "linearCrossEntropy: a soft cap of \(cap); give a finite number above 0, or leave it out")
    }
    for zLoss in [-0.5, .nan, Double.infinity] {
      #expect(sentence(zLoss: zLoss).contains("linearCrossEntropy: a z-loss of \(zLoss); give a finite factor"))
    }
  }
}
