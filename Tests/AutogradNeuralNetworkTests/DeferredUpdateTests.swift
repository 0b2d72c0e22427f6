import AutogradEngine
import AutogradBase
import CAutogradTestSupport
import AutogradKernels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

/// The update of a large weight is deferred until a product reads it. That must not be seen.
@Suite("Deferred updates") struct DeferredUpdateTests {
  /// A table that is read by rows and, as a classifier, by a product, and two weights between; few rows, so that
  /// products apply the weights' updates. `inner` is longer than what a product packs at a time.
  private final class Network: Module {
    let table: Parameter<Float>
    let up: Parameter<Float>
    let down: Parameter<Float>
    let bias: Parameter<Float>

    init(vocabulary: Int, width: Int, inner: Int) {
      var stream = RandomStream(seed: 7, purpose: .initialization)
      func random(_ shape: [Int]) -> Parameter<Float> {
        let count = shape.reduce(1, *)
        return Parameter(Tensor(shape: shape, (0..<count).map { _ in Float(stream.normal()) * 0.1 }))
      }
      table = random([vocabulary, width])
      up = random([inner, width])
      down = random([width, inner])
      bias = random([inner])
    }

    func listParts(_ parts: inout ModuleParts<Float>) {
      parts.add("table", table)
      parts.add("up", up)
      parts.add("down", down)
      parts.add("bias", bias)
    }

    func loss(_ tokens: Tokens, _ targets: Tokens) -> Variable<Float> {
      let x = tokens.embedding(table)
      return x.linear(up, bias: bias, activation: .geluTanh).linear(down, adding: x).linearCrossEntropy(table, targets)
    }
  }

  private struct Run {
    let network: Network
    let tape: Tape<Float>
    let optimizer: Adam<Float>
    private let rows: Int

    init(threads: Int = 2, precision: MatmulPrecision = .float32, rows: Int = 6, coupled: Bool = false) {
      let backend = Backend(pool: ThreadPool(threads: threads))
      network = Network(vocabulary: 150, width: 71, inner: 2100)
      tape = Tape(backend: backend)
      tape.matmulPrecision = precision
      let group = ParameterGroup(network.parameters, weightDecay: 0.1, learningRateFactor: 0.5)
      optimizer = Adam([group], decoupledDecay: !coupled, backend: backend)
      self.rows = rows
    }

    func train(_ step: Int, accumulating: Bool = false) -> Float {
      let tokens = (0..<rows).map { Int32(($0 * 31 + step * 17) % 150) }, targets = tokens.map { ($0 * 7 + 3) % 150 }
      return tape.step(accumulating: accumulating) { tape in
        let loss = network.loss(tape.tokens(tokens), tape.tokens(targets))
        loss.backward()
        return loss.value
      }
    }

    /// - Parameter looks: Called after each step, when the updates of some weights are deferred.
    func train(steps: Int, _ looks: () -> Void = {}) -> [Float] {
      (0..<steps).map { step in
        let loss = train(step)
        optimizer.step(learningRate: 1e-2, gradientScale: 0.5)
        looks()
        return loss
      }
    }

    var everything: [[UInt32]] {
      network.parameters.flatMap { [$0.parameter.array, $0.parameter.gradient.elements] }.map { $0.map(\.bitPattern) }
        + optimizer.state.tensors.map { $0.tensor.elements.map(\.bitPattern) }
    }

    /// The weights whose last update is deferred.
    var waiting: [String] { network.parameters.filter(\.parameter.core.awaitsUpdate).map(\.path) }
  }

  @Test(
    "weights, gradients and moments have the bits of steps taken at once",
    arguments: [MatmulPrecision.float32, .bfloat16], [1, 2, 3])
  func sameBits(precision: MatmulPrecision, threads: Int) {
    for coupled in [false, true] {
      let late = Run(threads: threads, precision: precision, coupled: coupled)
      let prompt = Run(threads: threads, precision: precision, coupled: coupled)
      let lateLosses = late.train(steps: 4)
      #expect(late.waiting == ["table", "up", "down"])
      let promptLosses = prompt.train(steps: 4) { for named in prompt.network.parameters { _ = named.parameter.array } }
      #expect(prompt.waiting == [])
      #expect(lateLosses == promptLosses)
      #expect(late.everything == prompt.everything)
      #expect(late.waiting == [])
    }
  }

  @Test("whoever has asked for the memory itself finds each step in it at once")
  func held() {
    let run = Run(), values = unsafe run.network.up.values, gradient = unsafe run.network.down.gradientValues
    _ = run.train(steps: 2)
    #expect(run.waiting == ["table"])
    let before = unsafe values[5]
    _ = run.train(2)
    run.optimizer.step(learningRate: 1e-2)
    #expect(unsafe values[5] != before)
    #expect(unsafe gradient[0] == run.network.down.gradient.elements[0])
  }

  @Test("a reshaped variable shares a parameter's memory, and shows an update that is applied while it lives")
  func reshaped() {
    let run = Run()
    _ = run.train(steps: 2)
    run.tape.step { tape in
      let flat = tape.variable(run.network.up).reshape([-1])
      let before = flat.array
      run.optimizer.step(learningRate: 1e-2)
      #expect(flat.array != before)
      #expect(flat.array == run.network.up.array)
    }
  }

  @Test("an optimiser that ends has its updates applied, and lets go of its moments")
  func ended() {
    let network = {
      let run = Run()
      _ = run.train(steps: 2)
      return run.network
    }()
    #expect(!network.parameters.contains { $0.parameter.core.awaitsUpdate })
  }

  @Test("a moment that was asked for before a step shows that step")
  func moments() throws {
    let run = Run()
    _ = run.train(steps: 2)
    let moment = try #require(run.optimizer.moments.first { $0.key == "up/moment1" })
    let before = moment.withValues { $0[0] }
    _ = run.train(2)
    run.optimizer.step(learningRate: 1e-2)
    #expect(run.waiting.contains("up"))
    let after = moment.withValues { $0[0] }
    #expect(after != before)
    #expect(!run.waiting.contains("up"))
  }

  @Test("values that are set, and a state that is restored, are not stepped over")
  func overwritten() throws {
    let run = Run(), state = { run.optimizer.state }
    _ = run.train(steps: 2)
    let kept = state(), weights = run.network.up.tensor
    _ = run.train(2)
    run.optimizer.step(learningRate: 1e-2)
    run.network.up.set(weights.elements)
    try run.optimizer.restore(kept)
    #expect(run.network.up.tensor == weights)
    #expect(state() == kept)
  }

  @Test("a second step before anything was read, a step that reads other weights, batches that are accumulated")
  func otherOrders() {
    func trained(_ looks: (Run) -> Void) -> [[UInt32]] {
      let run = Run()
      _ = run.train(steps: 2) { looks(run) }
      run.optimizer.step(learningRate: 1e-2)
      looks(run)
      run.tape.step { tape in
        tape.input(Tensor(shape: [1, 71], [Float](repeating: 1, count: 71))).linear(run.network.up).sum().backward()
      }
      run.optimizer.step(learningRate: 1e-2)
      looks(run)
      _ = run.train(2)
      _ = run.train(3, accumulating: true)
      run.optimizer.step(learningRate: 1e-2)
      return run.everything
    }
    let prompt = trained { run in for named in run.network.parameters { _ = named.parameter.array } }
    let late = trained { _ in }
    #expect(late == prompt)
  }

  @Test("a deferred update keeps neither model nor optimiser alive")
  func released() {
    weak var network: Network?
    weak var optimizer: Adam<Float>?
    weak var parameter: Parameter<Float>?
    do {
      let run = Run()
      _ = run.train(steps: 2)
      #expect(run.waiting.count == 3)
      (network, optimizer, parameter) = (run.network, run.optimizer, run.network.up)
    }
    #expect(network == nil && optimizer == nil && parameter == nil)
    let left = {
      let run = Run()
      _ = run.train(steps: 2)
      return run.network
    }()
    #expect(!left.up.array.contains { !$0.isFinite })
  }

  @Test("many rows: products read the weights more than once, and no update is deferred")
  func manyRows() {
    let run = Run(rows: 3000)
    _ = run.train(steps: 2)
    #expect(run.waiting == [])
  }

  @Test("deferred updates allocate no more than others", .enabled(if: ctest_counts_allocations() != 0))
  func allocations() {
    let counts = [6, 3000].map { rows in
      let run = Run(rows: rows)
      _ = run.train(steps: 3)
      // What the runtime allocates once, whenever it comes to it, is no part of a step: the least of several counts.
      return (0..<5).map { _ in
        let before = ctest_thread_allocations()
        for _ in 0..<3 { run.optimizer.step(learningRate: 1e-2) }
        return ctest_thread_allocations() - before
      }.min() ?? 0
    }
    #expect(counts[0] <= counts[1])
  }

  @Test("threads that read a model at once: one applies the update, the others wait for it")
  func readers() async {
    let expected = { () -> [Float] in
      let run = Run()
      _ = run.train(steps: 3)
      return run.network.up.array
    }()
    for _ in 0..<20 {
      let run = Run()
      _ = run.train(steps: 3)
      // INVARIANT: nobody trains while the tasks read.
      nonisolated(unsafe) let up = run.network.up
      let found = await withTaskGroup(of: [Float].self) { group in
        for _ in 0..<4 { group.addTask { unsafe up.array } }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(found == [[Float]](repeating: expected, count: 4))
    }
  }
}
