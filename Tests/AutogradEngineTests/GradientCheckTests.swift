import AutogradBase
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Gradient checker")
struct GradientCheckTests {
  let backend = Backend(pool: singleThread)
  let x: Parameter<Double> = Parameter(randomTensor([3, 5], seed: 1))
  let w: Parameter<Double> = Parameter(randomTensor([4, 5], seed: 2))

  private func body(_ tape: Tape<Double>) -> Variable<Double> {
    tape.variable(x).linear(w, activation: .geluErf).softmax()
  }

  /// The check with gradients that `change` has had its hands on.
  private func check(
    sampleCount: Int? = nil, directionCount: Int = 0, _ change: (inout [[Double]]) -> Void
  ) -> GradientReport {
    let tape = Tape<Double>(backend: backend)
    let cotangent: Tensor<Double> = randomTensor([3, 4], seed: 7)
    tape.step { tape in (body(tape) * tape.input(cotangent)).sum().backward() }
    var gradients = [x.gradient.elements, w.gradient.elements]
    change(&gradients)
    var random = RandomStream(seed: 1, purpose: .evaluation)
    return GradientCheck(parameters: [x, w], step: 1e-3, magnitude: 1).compare(
      with: gradients, tolerance: 1e-6, sampleCount: sampleCount, directionCount: directionCount, &random
    ) {
      zip(tape.step { body($0).array }, cotangent.elements).reduce(0) { $0 + $1.0 * $1.1 }
    }
  }

  @Test("passes what is right, with room to spare")
  func right() {
    let report = checkGradients(of: [x, w], backend: backend) { body($0) }
    #expect(report.passes, "\(report)")
    #expect(report.comparisonCount == 15 + 20 + 2)
    #expect((report.worst?.relativeError ?? 1) < 1e-7)
    #expect(check { _ in }.passes)
  }

  @Test("refuses a derivative that is wrong by 0.1 %", arguments: [1.001, 0.999, 1.00001, -1, 0, 2])
  func wrong(factor: Double) {
    let all = check { gradients in gradients = gradients.map { $0.map { $0 * factor } } }
    #expect(!all.passes)
    let one = check { $0[1][13] *= factor }
    #expect(!one.passes)
    #expect(one.worst?.subject == .element(parameter: 1, index: 13))
    #expect(one.description.contains("parameter 1, element 13"))
    let direction = check(sampleCount: 0, directionCount: 2) { $0[1] = $0[1].map { $0 * factor } }
    #expect(!direction.passes, "\(direction)")
  }

  @Test("refuses NaN and infinity wherever they stand", arguments: [Double.nan, .infinity, -.infinity])
  func notANumber(value: Double) {
    let report = check { $0[0][4] = value }
    #expect(!report.passes)
    #expect(report.worst?.subject == .element(parameter: 0, index: 4))
    #expect(!check(sampleCount: 0, directionCount: 1) { $0[0][4] = value }.passes)
    let values = checkGradients(of: [x], backend: backend) { tape in tape.variable(x).log() }
    #expect(!values.passes, "the logarithm of a negative number is NaN")
  }

  @Test("a comparison with NaN stays the worst whatever follows")
  func worst() {
    var report = GradientReport(tolerance: 1)
    #expect(!report.passes)
    func add(_ error: Double, _ number: Int) {
      report.add(.init(subject: .direction(number), analytic: 0, numeric: 0, relativeError: error))
    }
    add(0.5, 0)
    #expect(report.passes)
    add(.nan, 1)
    add(0.75, 2)
    #expect(report.worst?.subject == .direction(1))
    #expect(!report.passes)
  }

  @Test("is not blind to what an all-ones cotangent hides")
  func cotangent() {
    let report = checkGradients(of: [x], backend: backend) { tape in tape.variable(x).softmax() }
    #expect(abs(report.worst?.analytic ?? 0) > 1e-3)
  }

  @Test("finds nothing to compare where there are no elements, and does not call that a pass")
  func nothing() {
    #expect(!checkGradients(of: [Parameter<Double>](), backend: backend) { body($0) }.passes)
    let empty = Parameter<Double>(zeros: [0, 3])
    let report = checkGradients(of: [empty], backend: backend) { tape in tape.variable(empty).sum() }
    #expect(!report.passes && report.comparisonCount == 0)
    x.isTrainable = false
    #expect(checkGradients(of: [x, w], backend: backend) { body($0) }.comparisonCount == 20 + 2)
  }

  @Test("restores values, checks dropout with one mask, and samples")
  func surroundings() {
    let before = (x.array, w.array)
    let report = checkGradients(of: [x, w], sampleCount: 3, backend: backend) { tape in
      body(tape).dropout(rate: 0.5)
    }
    #expect(report.passes, "\(report)")
    #expect(report.comparisonCount == 3 + 3 + 2)
    #expect((x.array, w.array) == before)
  }

  /// Slopes of `body` at `parameters`, each times `factor`, against differences.
  private func checkScaled(
    _ parameters: [Parameter<Double>], _ factor: Double, _ body: (Tape<Double>) -> Variable<Double>
  ) -> GradientReport {
    let tape = Tape<Double>(backend: backend)
    let count = tape.step { body($0).tensor.count }
    let cotangent: Tensor<Double> = randomTensor([count], seed: 9)
    func loss(_ tape: Tape<Double>) -> Variable<Double> {
      (body(tape).reshape([count]) * tape.input(cotangent)).sum()
    }
    tape.step { loss($0).backward() }
    let gradients = parameters.map { $0.gradient.elements.map { $0 * factor } }
    var random = RandomStream(seed: 1, purpose: .evaluation)
    return GradientCheck(parameters: parameters, step: 1e-3, magnitude: 1).compare(
      with: gradients, tolerance: 1e-6, sampleCount: nil, directionCount: 2, &random
    ) { tape.step { loss($0).value } }
  }

  @Test("small weights behind a norm pass, and are refused where they are wrong by 0.1 %", arguments: [0.02, 0.002])
  func smallWeights(deviation: Double) {
    let small = Parameter(randomTensor([6, 5], seed: 3, of: Double.self).map { $0 * deviation })
    let bias = Parameter<Double>(zeros: [6]), input: Tensor<Double> = randomTensor([3, 5], seed: 4)
    func body(_ tape: Tape<Double>) -> Variable<Double> {
      tape.input(input).linear(small, bias: bias).layerNorm(epsilon: 1e-12).gelu()
    }
    let report = checkGradients(of: [small, bias], backend: backend) { body($0) }
    #expect(report.passes && report.kinkCount == 0, "\(report)")
    #expect(checkScaled([small, bias], 1) { body($0) }.passes)
    #expect(!checkScaled([small, bias], 1.001) { body($0) }.passes)
    #expect(!checkScaled([small, bias], 0.999) { body($0) }.passes)
  }

  @Test("kinks nearby are stepped back from; at a kink every slope between both sides passes, and no other")
  func kinks() {
    let points = Parameter<Double>([0, 1e-5, -1e-5, 2e-4, -0.3, 0.7])
    // The gradient of |x| at 0 is the mean of both sides, which is what differences find: nothing has to be allowed for.
    let functions: [(kinks: Int, (Tape<Double>) -> Variable<Double>)] = [
      (2, { $0.variable(points).relu() }), (0, { $0.variable(points).abs() }),
      (2, { $0.variable(points).clip(from: 0, to: 2) }),
    ]
    for (kinks, function) in functions {
      let report = checkGradients(of: [points], directionCount: 1, backend: backend) { function($0) }
      #expect(report.passes && report.kinkCount == kinks, "\(report)")
      #expect(!checkScaled([points], 1.001) { function($0) }.passes)
      #expect(!checkScaled([points], .nan) { function($0) }.passes)
    }
    // At 0 itself: slopes from 0 to the cotangent's element are right, others are not.
    let zero = Parameter<Double>([0])
    func slope(_ factor: Double) -> GradientReport {
      var random = RandomStream(seed: 1, purpose: .evaluation)
      let tape = Tape<Double>(backend: backend)
      return GradientCheck(parameters: [zero], step: 1e-3, magnitude: 1).compare(
        with: [[factor]], tolerance: 1e-6, sampleCount: nil, directionCount: 0, &random
      ) { tape.step { ($0.variable(zero).relu() * 2).sum().value } }
    }
    for factor in [0, 0.4, 2] { #expect(slope(factor).passes && slope(factor).kinkCount == 1) }
    for factor in [-0.01, 2.01, .infinity] { #expect(!slope(factor).passes) }
  }

  @Test("a network of small ReLU layers passes")
  func reluNetwork() {
    let first = Parameter(randomTensor([32, 5], seed: 5, of: Double.self).map { $0 * 0.02 })
    let second = Parameter(randomTensor([4, 32], seed: 6, of: Double.self).map { $0 * 0.02 })
    let input: Tensor<Double> = randomTensor([6, 5], seed: 8)
    func body(_ tape: Tape<Double>) -> Variable<Double> {
      tape.input(input).linear(first, activation: .relu).linear(second).layerNorm(epsilon: 1e-10)
    }
    let report = checkGradients(of: [first, second], backend: backend) { body($0) }
    #expect(report.passes, "\(report)")
    #expect(!checkScaled([first, second], 1.001) { body($0) }.passes)
  }
}
