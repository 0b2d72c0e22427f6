import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Linear cross-entropy")
struct LinearCrossEntropyTests {
  static let targets: [Int32] = (0..<300).map { $0 % 7 == 3 ? -1 : Int32($0 * 5 % 11) }

  /// Loss and gradients, fused or not, with a seed that reaches the loss.
  private func run(fused: Bool, seed: Double, factor: Double = 1) -> (
    loss: Double, dx: Tensor<Double>, dW: Tensor<Double>
  ) {
    let tape = Tape<Double>(backend: Backend(pool: singleThread))
    let x: Parameter<Double> = Parameter(randomTensor([300, 5], seed: 1))
    let w: Parameter<Double> = Parameter(randomTensor([11, 5], seed: 2))
    let loss = tape.step { tape in
      let v = tape.variable(x), targets = tape.tokens(Self.targets)
      let loss =
        fused
        ? v.linearCrossEntropy(w, targets, ignoring: -1) : v.linear(w).crossEntropy(targets, ignoring: -1)
      (loss * factor).backward(seed: seed)
      return loss.value
    }
    return (loss, x.gradient, w.gradient)
  }

  @Test("equals linear and crossEntropy for any seed", arguments: [1, 0.25, -3, 0])
  func seeds(seed: Double) {
    let fused = run(fused: true, seed: seed), plain = run(fused: false, seed: seed)
    let tolerance = Tolerance(relative: 1e-13, absolute: 1e-15)
    expectClose([fused.loss], [plain.loss], tolerance)
    expectClose(fused.dx, plain.dx, tolerance)
    expectClose(fused.dW, plain.dW, tolerance)
    let scaled = run(fused: true, seed: 1, factor: seed)
    expectSameBits(scaled.dW.elements, fused.dW.elements)
  }

  @Test("plan equals measured peak for every seed", arguments: [1, 0.25])
  func plan(seed: Float) {
    let x: Parameter<Float> = Parameter(randomTensor([300, 5], seed: 1))
    let w: Parameter<Float> = Parameter(randomTensor([11, 5], seed: 2))
    let tape = Tape<Float>(backend: Backend(pool: singleThread))
    func step(_ tape: Tape<Float>) {
      (tape.variable(x) * 2).linearCrossEntropy(w, tape.tokens(Self.targets), ignoring: -1)
        .backward(seed: seed)
    }
    let plan = tape.plan { step($0) }
    tape.step { step($0) }
    #expect(tape.statistics.peak == plan.arenaBytes)
  }

  @Test("an empty batch has loss NaN and leaves the weight a zero gradient; so do ignored targets alone")
  func empty() {
    let w: Parameter<Double> = Parameter(randomTensor([11, 5], seed: 2))
    let tape = Tape<Double>(backend: Backend(pool: singleThread))
    for rows in [0, 3] {
      let x: Parameter<Double> = Parameter(randomTensor([rows, 5], seed: 1))
      unsafe w.gradientValues.update(repeating: 99)
      let loss = tape.step { tape in
        let loss = tape.variable(x).linearCrossEntropy(
          w, tape.tokens([Int32](repeating: -1, count: rows)), ignoring: -1)
        loss.backward()
        return loss.value
      }
      #expect(loss.isNaN)
      #expect(w.gradient == Tensor(repeating: 0, shape: [11, 5]))
      #expect(x.gradient == Tensor(repeating: 0, shape: [rows, 5]))
    }
  }

  @Test("keeps nothing behind inside inference")
  func inference() {
    let w: Parameter<Double> = Parameter(randomTensor([11, 5], seed: 2))
    let tape = Tape<Double>(backend: Backend(pool: singleThread))
    tape.step { tape in
      tape.inference {
        let x = tape.input(randomTensor([300, 5], seed: 1)), targets = tape.tokens(Self.targets)
        let before = tape.statistics.used
        let loss = x.linearCrossEntropy(w, targets, ignoring: -1)
        #expect(tape.statistics.used == before + 64)
        #expect(loss.value.isFinite)
      }
    }
  }

  @Test("a recorded loss without a backward is told at the end of the step, also when steps accumulate")
  func openLoss() throws {
    let w: Parameter<Double> = Parameter(randomTensor([11, 5], seed: 2))
    let core = Tape<Double>(backend: Backend(pool: singleThread)), engine = core.core
    func loss() throws -> Slot {
      let x = try engine.temporary(Shape([3, 5]), "test", requiresGradient: false)
      let ids: [Int32] = [1, 2, 3]
      let targets = try engine.slot(engine.tokens(ids.span, Shape([3])).handle, "test")
      return try engine.linearCrossEntropy(x, weight: try engine.use(w.core), targets, ignoring: nil)
    }
    func expectSentence() {
      let error = #expect(throws: Misuse.self) { try engine.endStep() }
      #expect(error?.description.contains("a loss was recorded that no backward reached") == true)
    }
    try engine.beginStep()
    let first = try loss()
    _ = try loss()
    try engine.backward(from: first, seed: 1)
    expectSentence()
    // Without any backward nothing is completed, and nobody can read what is there.
    try engine.beginStep()
    _ = try loss()
    try engine.endStep()
    #expect(w.gradient == Tensor(repeating: 0, shape: [11, 5]))
    // Unless a later step goes on with the same gradients.
    try engine.beginStep(accumulating: true)
    try engine.backward(from: try loss(), seed: 1)
    expectSentence()
    // A fresh start forgets.
    try engine.beginStep()
    try engine.backward(from: try loss(), seed: 1)
    try engine.endStep()
  }
}
