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
    #expect(!checkGradients(of: [], backend: backend) { body($0) }.passes)
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
}
