import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

/// Rules written against the public API alone, as a user's are.
@Suite("Rules of optimisers") struct UpdateRuleTests {
  /// Lion (Chen and others, 2023): the sign of a mean that looks one step ahead of what it keeps.
  struct Lion: UpdateRule {
    var beta1: Float = 0.9
    var beta2: Float = 0.99
    var mayBeDeferred = true

    var stateNames: [String] { ["momentum"] }

    func update(_ piece: inout UpdatePiece<Float>, _ step: UpdateStep) {
      let rate = Float(step.learningRate), decay = Float(step.weightDecay), scale = Float(step.gradientScale)
      for i in piece.indices {
        let g = piece.gradient(i) * scale, ahead = beta1 * piece[state: 0, i] + (1 - beta1) * g
        let sign: Float = ahead > 0 ? 1 : ahead < 0 ? -1 : 0
        piece[i] -= rate * (sign + decay * piece[i])
        piece[state: 0, i] = beta2 * piece[state: 0, i] + (1 - beta2) * g
      }
    }
  }

  /// Adam, after which every weight is half as large: a rule made of a rule.
  struct Halved: UpdateRule {
    let adam = AdamRule<Float>()

    var stateNames: [String] { adam.stateNames }

    func update(_ piece: inout UpdatePiece<Float>, _ step: UpdateStep) {
      adam.update(&piece, step)
      for i in piece.indices { piece[i] *= 0.5 }
    }
  }

  /// A rule whose states are as many as there may be, and count steps by different strides.
  struct Counting: UpdateRule {
    let stateNames = ["a", "b", "c", "d"]

    func update(_ piece: inout UpdatePiece<Double>, _ step: UpdateStep) {
      for i in piece.indices {
        for s in 0..<4 { piece[state: s, i] += Double(s + 1) }
        piece[i] = piece[state: 3, i] + Double(step.number)
      }
    }
  }

  /// A table, read by rows and by a product, and two weights between; few rows, so that products apply updates.
  private final class Network: Module {
    typealias Scalar = Float
    let table = Parameter<Float>(shape: [150, 71], initially: .normal(deviation: 0.1))
    let up = Parameter<Float>(shape: [2100, 71], initially: .normal(deviation: 0.1))
    let down = Parameter<Float>(shape: [71, 2100], initially: .normal(deviation: 0.1))

    func loss(_ tokens: Tokens, _ targets: Tokens) -> Variable<Float> {
      let x = tokens.embedding(table)
      return x.linear(up, activation: .geluTanh).linear(down, adding: x).linearCrossEntropy(table, targets)
    }
  }

  private struct Run {
    let network = Network()
    let optimizer: RuleOptimizer<Float>
    private let tape: Tape<Float>

    init(_ rule: any UpdateRule<Float>, threads: Int = 2) {
      let backend = Backend(pool: ThreadPool(threads: threads))
      tape = Tape(backend: backend)
      network.initialize(seed: 3)
      optimizer = RuleOptimizer(rule, network, weightDecay: 0.1, backend: backend)
    }

    func train(steps: Int, _ looks: () -> Void = {}) -> [Float] {
      (0..<steps).map { step in
        let tokens = (0..<6).map { Int32(($0 * 31 + step * 17) % 150) }
        let loss = tape.step { tape in
          let loss = network.loss(tape.tokens(tokens), tape.tokens(tokens.map { ($0 * 7 + 3) % 150 }))
          loss.backward()
          return loss.value
        }
        optimizer.step(learningRate: 1e-3, gradientScale: 0.5)
        looks()
        return loss
      }
    }

    var waiting: Int { network.parameters.count { $0.parameter.core.awaitsUpdate } }

    var everything: [[UInt32]] {
      (network.parameters.map(\.parameter.array) + optimizer.state.tensors.map(\.tensor.elements))
        .map { $0.map(\.bitPattern) }
    }
  }

  @Test("a rule in Swift, deferred or not, does what its formula says element by element")
  func formula() {
    let w = Parameter<Float>(Tensor(shape: [40_000], (0..<40_000).map { Float($0 % 7) - 3 })), tape = Tape<Float>()
    let optimizer = RuleOptimizer(Lion(), [w])
    var expected = w.array, momentum = [Float](repeating: 0, count: 40_000)
    for _ in 0..<3 {
      tape.step { tape in
        let v = tape.variable(w)
        (v * v).sum().backward()
      }
      optimizer.step(learningRate: 0.01, gradientScale: 0.5)
      for i in expected.indices {
        let g = 2 * expected[i] * 0.5, ahead = Float(0.9) * momentum[i] + (1 - Float(0.9)) * g
        expected[i] -= Float(0.01) * ((ahead > 0 ? 1 : ahead < 0 ? -1 : 0) + 0 * expected[i])
        momentum[i] = Float(0.99) * momentum[i] + (1 - Float(0.99)) * g
      }
    }
    #expect(w.array == expected)
    #expect(optimizer.state.tensors.map(\.key) == ["parameter 0/momentum"])
    #expect(optimizer.state.tensors[0].tensor.elements == momentum)
  }

  @Test(
    "an update that is deferred has the bits of one applied at once: a user's rule, one made of a library's, SGD",
    arguments: [1, 2, 3])
  func deferredBits(threads: Int) {
    let rules: [any UpdateRule<Float>] = [Lion(), Halved(), DescentRule<Float>(), MomentumRule<Float>(momentum: 0.9)]
    for rule in rules {
      let late = Run(rule, threads: threads), prompt = Run(rule, threads: threads)
      let lateLosses = late.train(steps: 3)
      #expect(late.waiting == 3, "\(rule)")
      let promptLosses = prompt.train(steps: 3) { for named in prompt.network.parameters { _ = named.parameter.array } }
      #expect(lateLosses == promptLosses, "\(rule)")
      #expect(late.everything == prompt.everything, "\(rule)")
    }
  }

  @Test("a rule that may not be deferred is not")
  func refused() {
    let late = Run(Lion()), refusing = Run(Lion(mayBeDeferred: false))
    let losses = late.train(steps: 3)
    let refusingLosses = refusing.train(steps: 3) { #expect(refusing.waiting == 0) }
    #expect(refusingLosses == losses)
    #expect(refusing.everything == late.everything)
  }

  @Test("four states, each its own, over pieces that end anywhere")
  func states() {
    let w = Parameter<Double>(zeros: [16_384 * 2 + 5])
    let optimizer = RuleOptimizer(Counting(), [w])
    for _ in 0..<2 { optimizer.step(learningRate: 1) }
    #expect(w.array == [Double](repeating: 10, count: w.count))
    #expect(optimizer.state.tensors.map { $0.tensor.elements.first } == [2, 4, 6, 8])
    #expect(optimizer.state.tensors.allSatisfy { Set($0.tensor.elements).count == 1 })
  }

  @Test("a rule of the library called from a rule equals the optimiser of that rule")
  func nested() {
    func trained(_ make: (Parameter<Float>) -> RuleOptimizer<Float>, _ factor: Float) -> [Float] {
      let w = Parameter<Float>([1, -2, 3, 0.5, 7]), tape = Tape<Float>(), optimizer = make(w)
      tape.step { tape in (tape.variable(w) * tape.variable(w)).sum().backward() }
      optimizer.step(learningRate: 0.1)
      return w.array.map { $0 * factor }
    }
    #expect(trained({ RuleOptimizer(Halved(), [$0]) }, 1) == trained({ Adam([$0]) }, 0.5))
  }

  @Test("a composite gives each group its rule: the same as two optimisers")
  func composite() throws {
    func parameters() -> (Parameter<Float>, Parameter<Float>) { (Parameter([[1, -2], [3, 0.5]]), Parameter([7, -1])) }
    func loss(_ tape: Tape<Float>, _ a: Parameter<Float>, _ b: Parameter<Float>) {
      let y = tape.variable(a) * tape.variable(b)
      (y * y).sum().backward()
    }
    func named(_ path: String, _ parameter: Parameter<Float>) -> [NamedParameter<Float>] {
      [NamedParameter(path: path, parameter: parameter)]
    }
    let (a, b) = parameters(), (c, d) = parameters(), tape = Tape<Float>(), other = Tape<Float>()
    let both = RuleOptimizer<Float>([
      .init(Lion(), [ParameterGroup(named("a", a), weightDecay: 0.1, learningRateFactor: 0.5)]),
      .init(AdamRule<Float>(), [ParameterGroup(named("b", b))]),
    ])
    let lion = RuleOptimizer<Float>([
      .init(Lion(), [ParameterGroup(named("a", c), weightDecay: 0.1, learningRateFactor: 0.5)])
    ])
    let adam = Adam<Float>(named("b", d))
    for _ in 0..<4 {
      tape.step { loss($0, a, b) }
      other.step { loss($0, c, d) }
      let norm = both.gradientNorm(), parts = [lion.gradientNorm(), adam.gradientNorm()]
      #expect(abs(norm * norm - parts[0] * parts[0] - parts[1] * parts[1]) < 1e-9 * norm * norm)
      both.step(learningRate: 0.1)
      lion.step(learningRate: 0.1)
      adam.step(learningRate: 0.1)
    }
    #expect(a.array == c.array)
    #expect(b.array == d.array)
    #expect(both.state.tensors.map(\.key) == ["a/momentum", "b/moment1", "b/moment2"])
    #expect(both.state.tensors.map(\.tensor) == (lion.state.tensors + adam.state.tensors).map(\.tensor))
    #expect(both.memory.stateBytes == lion.memory.stateBytes + adam.memory.stateBytes)

    // What it remembers goes on as it was.
    let again = RuleOptimizer<Float>([
      .init(Lion(), [ParameterGroup(named("a", a), weightDecay: 0.1, learningRateFactor: 0.5)]),
      .init(AdamRule<Float>(), [ParameterGroup(named("b", b))]),
    ])
    try again.restore(both.state)
    #expect(again.state == both.state && again.stepCount == 4)
    #expect(throws: OptimizerStateError.self) { try lion.restore(both.state) }
  }

  @Test("steps raise the version of every parameter, deferred or not")
  func versions() {
    let run = Run(Lion()), before = run.network.parameters.map(\.parameter.core.version)
    _ = run.train(steps: 3)
    let after = run.network.parameters.map(\.parameter.core.version)
    #expect(zip(after, before).allSatisfy { $0 > $1 })
    // Applying what was deferred is no other change.
    for named in run.network.parameters { _ = named.parameter.array }
    #expect(run.network.parameters.map(\.parameter.core.version) == after)
  }
}

/// What cannot be: each stops with its sentence.
@Suite("Misuse of optimisers stops with a sentence") struct OptimizerMisuseTests {
  init() { silenceCrashReports() }

  @Test("a parameter in two groups")
  func twice() async throws {
    try expectSentence(
      "the parameter w was given twice; give each to one group, once",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let w = Parameter<Float>([1])
        let group = ParameterGroup([NamedParameter(path: "w", parameter: w)])
        _ = RuleOptimizer<Float>([.init(AdamRule<Float>(), [group]), .init(DescentRule<Float>(), [group])])
      })
  }

  @Test("two parameters of one name")
  func sameName() async throws {
    try expectSentence(
      "two parameters are called w",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Adam<Float>((0..<2).map { _ in NamedParameter(path: "w", parameter: Parameter<Float>([1])) })
      })
  }

  @Test("numbers that no optimiser can use", arguments: 0..<7)
  func numbers(_ index: Int) async throws {
    let sentences = [
      "the learning rate must be a finite number of at least 0, got nan",
      "the learning rate must be a finite number of at least 0, got -1.0",
      "beta1 must be at least 0 and below 1, got 1.0", "beta2 must be at least 0 and below 1, got nan",
      "epsilon must be a finite number of at least 0, got -1.0",
      "a group's weight decay must be a finite number of at least 0, got nan",
      "the momentum must be a finite number of at least 0, got inf",
    ]
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [index] in
      let w = [Parameter<Float>([1])]
      switch index {
      case 0: Adam(w).step(learningRate: .nan)
      case 1: SGD(w).step(learningRate: -1)
      case 2: _ = Adam(w, beta1: 1)
      case 3:
        let adam = Adam(w)
        adam.beta2 = .nan
      case 4: _ = Adam(w, epsilon: -1)
      case 5: _ = Adam(w, weightDecay: .nan)
      default: _ = SGD(w, momentum: .infinity)
      }
    }
    try expectSentence(sentences[index], result)
  }
}
