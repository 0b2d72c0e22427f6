import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

/// What the registry cannot say: ties, NaN, infinities, and lists of variables.
@Suite("Special values, split and concatenate")
struct SpecialValueTests {
  let tape = Tape<Double>()

  private func vector(_ numbers: Double...) -> Tensor<Double> { Tensor(shape: [numbers.count], numbers) }

  @Test("a row of masked logits becomes zeros in softmax, −∞ in its logarithms, and gets no NaN")
  func masked() {
    let infinity = Double.infinity
    let x = Parameter(Tensor([[-infinity, -infinity, -infinity], [0, -infinity, 0]]))
    tape.step { tape in
      let y = tape.variable(x).softmax()
      #expect(y.array == [0, 0, 0, 0.5, 0, 0.5])
      (y * tape.input([1, 2, 3])).sum().backward()
    }
    #expect(x.gradient == [[0, 0, 0], [-0.5, 0, 0.5]])
    tape.step { tape in
      let y = tape.variable(x).logSumExp()
      #expect(y.array[0] == -infinity && abs(y.array[1] - 0.6931471805599453) < 1e-15)
      y.sum().backward()
    }
    #expect(x.gradient == [[0, 0, 0], [0.5, 0, 0.5]])
    tape.step { tape in
      #expect(Array(tape.variable(x).logSoftmax().array.prefix(3)) == [-infinity, -infinity, -infinity])
      #expect(tape.input(vector(1000, infinity)).logSumExp().value == infinity)
      #expect(tape.input([1000, 1000]).logSumExp().value == 1000.6931471805599)
    }
  }

  @Test("the first of equal elements is taken, and the first NaN before all", arguments: [1, 3, 40])
  func ties(count: Int) {
    forEachInstructionSet { backend in
      let tape = Tape<Float>(backend: backend)
      var numbers = [Float](repeating: 1, count: 2 * count + 3)
      numbers[count + 1] = 7
      numbers[count + 2] = 7
      func gradient(_ body: (Variable<Float>) -> Variable<Float>) -> [Float] {
        let x = Parameter(Tensor(shape: [numbers.count, 1], numbers))
        tape.step { tape in body(tape.variable(x)).sum().backward() }
        return x.gradient.elements
      }
      func only(_ index: Int) -> [Float] { numbers.indices.map { $0 == index ? 1 : 0 } }
      #expect(gradient { $0.max() } == only(count + 1))
      #expect(gradient { $0.min() } == only(0))
      #expect(
        gradient { Variable.concatenate([$0, $0], axis: 1).max(over: [0]).slice([0..<1]) } == only(count + 1))
      numbers[count] = .nan
      numbers[count + 2] = .nan
      #expect(gradient { $0.max() } == only(count))
      #expect(gradient { $0.min() } == only(count))
      #expect(
        gradient { Variable.concatenate([$0, $0], axis: 1).min(over: [0]).slice([1..<2]) } == only(count))
    }
  }

  @Test("split and concatenate are each other's way back")
  func splitting() {
    let x = Parameter<Double>(randomTensor([3, 7, 2], seed: 1))
    tape.step { tape in
      let parts = tape.variable(x).split([2, 0, 4, 1], axis: -2)
      #expect(parts.map(\.shape) == [[3, 2, 2], [3, 0, 2], [3, 4, 2], [3, 1, 2]])
      let joined = Variable.concatenate(parts, axis: 1)
      #expect(joined.tensor == x.tensor)
      (joined * joined).sum().backward()
    }
    #expect(x.gradient.elements == x.array.map { 2 * $0 })
  }

  @Test("losses of pairs are exact where the naive formula fails, and take one variable twice")
  func pairs() {
    let x = Parameter<Double>([40, -40, 800, -800])
    let loss = tape.step { tape in
      let loss = tape.variable(x).binaryCrossEntropy(tape.input([1, 0, 1, 0]))
      loss.backward()
      return loss.value
    }
    // log(1 + e⁻⁴⁰) = e⁻⁴⁰ to within its square
    #expect(abs(loss - 0.5 * 4.248354255291589e-18) < 1e-32)
    tape.step { tape in
      let v = tape.variable(x)
      v.squaredError(v).backward()
    }
    #expect(x.gradient == [0, 0, 0, 0])
  }
}
