import CAutogradTestSupport
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Tape")
struct TapeTests {
  @Test("plans leave steps, gradients, random numbers and open losses as they were")
  func planChangesNothing() {
    let x = Parameter<Float>([1, 2, 3])
    func losses(planning: Bool) -> [[Float]] {
      let tape = Tape<Float>(backend: Backend(pool: singleThread))
      return (0..<4).map { _ in
        if planning {
          _ = tape.plan { tape in
            let y = tape.variable(x).dropout(rate: 0.5)
            #expect(y.array.allSatisfy { $0.isNaN })
            let loss = y.sum()
            loss.backward()
            #expect(loss.value.isNaN)
          }
        }
        return tape.step { tape in
          let y = tape.variable(x).dropout(rate: 0.5)
          (y * y).sum().backward()
          return y.array
        } + x.gradient.elements
      }
    }
    #expect(losses(planning: true) == losses(planning: false))
  }

  @Test("a result may have more elements than 32 bits count: only memory limits it")
  func largeResults() {
    let tape = Tape<Double>(backend: Backend(pool: singleThread)), side = 65536
    let column = Parameter<Double>(Tensor(repeating: 1, shape: [side, 1]))
    let plan = tape.plan { tape in
      let product = tape.variable(column).matmul(tape.variable(column).transpose())
      #expect(product.shape == [side, side])
    }
    #expect(plan.arenaBytes >= side * side * 8)
  }

  @Test(
    "dropout differs from step to step and place to place, repeats with seed and step, and rests in inference"
  )
  func dropout() {
    let tape = Tape<Float>(backend: Backend(pool: singleThread))
    let ones = Tensor<Float>(repeating: 1, shape: [1000])
    func masks() -> [[Float]] {
      tape.step { tape in
        let x = tape.input(ones)
        return [x.dropout(rate: 0.25).array, x.dropout(rate: 0.25).array]
      }
    }
    let first = masks(), second = masks()
    #expect(Set(first + second).count == 4)
    for mask in first + second {
      let kept = mask.count { $0 != 0 }
      #expect(abs(kept - 750) < 60)
      #expect(mask.allSatisfy { $0 == 0 || $0 == 1 / 0.75 })
    }
    tape.randomStep = 1
    #expect(masks() == first)
    tape.seed = 1
    #expect(masks() != first)
    tape.step { tape in
      let x = tape.input(ones)
      #expect(tape.inference { x.dropout(rate: 0.25).array } == ones.elements)
    }
  }

  @Test("an inference scope frees everything but its result, whatever it returns")
  func scopes() {
    let tape = Tape<Float>(backend: Backend(pool: singleThread))
    tape.step { tape in
      tape.inference {
        let x = tape.input([1, 2, 3, 4])
        let before = tape.statistics.used
        let y = tape.scope { ((x + x).exp().log() * tape.input([1, 1, 1, 1])).reshape([2, 2]) }
        #expect(tape.statistics.used == before + 64)
        for (value, expected) in zip(y.array, [2, 4, 6, 8] as [Float]) {
          #expect(abs(value - expected) < 1e-5)
        }
        // A variable from outside, and a parameter that nobody else holds.
        #expect(tape.scope { x }.array == [1, 2, 3, 4])
        #expect(
          tape.scope { tape.variable(Parameter(Tensor<Float>(repeating: 7, shape: [100_000]))) }.array[99_999]
            == 7)
        #expect(tape.scope { tape.scope { x + 1 } + 1 }.array == [3, 4, 5, 6])
        // The result is moved to the mark, over the place that it was computed from.
        let large = tape.scope {
          tape.input(Tensor(repeating: 1, shape: [10])) + tape.input(Tensor(repeating: 2, shape: [3, 10]))
        }
        #expect(large.array == [Float](repeating: 3, count: 30))
      }
    }
  }

  @Test("results leave a step by value, errors too, and the step ends either way")
  func leaving() throws {
    struct Failure: Error, Equatable {}
    let tape = Tape<Float>(backend: Backend(pool: singleThread))
    #expect(throws: Failure.self) {
      try tape.step { tape throws(Failure) in
        _ = tape.input([1])
        throw Failure()
      }
    }
    #expect(tape.statistics.used == 0 && tape.statistics.resets == 1)
    #expect(tape.step { $0.input([[1, 2], [3, 4]]).transpose().tensor } == [[1, 3], [2, 4]])
    #expect(tape.stepNumber == 2)
  }

  @Test("a parameter that only the step holds lives until the step's end")
  func parameterLifetime() {
    weak var released: Parameter<Float>?
    let tape = Tape<Float>(backend: Backend(pool: singleThread))
    tape.step { tape in
      func use() -> Variable<Float> {
        let parameter = Parameter<Float>([5, 6])
        released = parameter
        return tape.variable(parameter)
      }
      let x = use()
      #expect(released == nil)
      #expect(x.array == [5, 6])
      x.sum().backward()
    }
  }

  @Test(
    "10 000 training steps allocate nothing and leave the arena as it is",
    .enabled(if: ctest_counts_allocations() != 0))
  func flatMemory() async {
    // A process of its own: the counter of all threads must count nobody else.
    await #expect(processExitsWith: .success) {
      let w1: Parameter<Float> = Parameter(randomTensor([16, 8], seed: 1))
      let w2: Parameter<Float> = Parameter(randomTensor([4, 16], seed: 2))
      let tape = Tape<Float>(backend: Backend(pool: ThreadPool(threads: 2)))
      let x: Tensor<Float> = randomTensor([300, 8], seed: 3)
      let targets = (0..<300).map { Int32($0 % 4) }
      func step() -> Float {
        tape.step { tape in
          let h = tape.input(x).linear(w1, activation: .geluTanh).dropout(rate: 0.1).layerNorm()
          let loss = h.linearCrossEntropy(w2, tape.tokens(targets))
          loss.backward()
          return loss.value
        }
      }
      for _ in 0..<3 { _ = step() }
      let before = tape.statistics, allocations = ctest_all_allocations()
      for _ in 0..<10_000 { _ = step() }
      let made = ctest_all_allocations() - allocations, after = tape.statistics
      guard made == 0 else { fatalError("\(made) allocations") }
      guard after.chunks == 1, after.reserved == before.reserved, after.peak == before.peak else {
        fatalError("\(before) became \(after)")
      }
    }
  }

  @Test("65 000 tapes, one after another, and many at once")
  func manyTapes() {
    let backend = Backend(pool: singleThread)
    for _ in 0..<70_000 { _ = Tape<Float>(backend: backend) }
    let tapes = (0..<300).map { _ in Tape<Float>(backend: backend) }
    for (index, tape) in tapes.enumerated() {
      #expect(tape.step { $0.input(Tensor(Float(index))).value } == Float(index))
    }
  }
}
