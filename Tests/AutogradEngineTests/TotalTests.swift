import AutogradBase
import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

@Suite("Totals are right to their last digit")
struct TotalTests {
  /// `value` everywhere; a sum of n of them is n · value, which one multiplication rounds correctly.
  private func sums<S: TensorScalar>(_ shape: [Int], _ value: S, _ axes: [Int], mean: Bool, _ backend: Backend) -> [S] {
    Tape<S>(backend: backend).step { tape in
      let x = tape.input(Tensor(repeating: value, shape: shape))
      return (mean ? x.mean(over: axes) : x.sum(over: axes)).array
    }
  }

  @Test("sums and means of many equal numbers, whatever axes vanish")
  func equal() {
    forEachInstructionSet { backend in
      for (shape, axes) in [
        ([10_000_000], []), ([1_000_003, 3], [0]), ([1_000_003, 3], []), ([37, 2, 5000], [0, 2]), ([3, 100_000], [1]),
        ([50_000, 70], [0]), ([7, 11, 13, 17], [1, 3]),
      ] as [([Int], [Int])] {
        let summed = axes.isEmpty ? Array(shape.indices) : axes
        let terms = Double(summed.reduce(1) { $0 * shape[$1] })
        for total in sums(shape, 0.1 as Double, axes, mean: false, backend) { #expect(total == terms * 0.1) }
        for mean in sums(shape, 0.1 as Double, axes, mean: true, backend) { #expect(abs(mean - 0.1) <= 0.1.ulp) }
        let single = Double(Float(0.1))
        for total in sums(shape, 0.1 as Float, axes, mean: false, backend) { #expect(total == Float(terms * single)) }
        for mean in sums(shape, 0.1 as Float, axes, mean: true, backend) { #expect(mean == 0.1) }
      }
    }
  }

  @Test("what cancels leaves what is left")
  func cancelling() {
    let numbers: [Double] = (0..<4000).flatMap { [1e16, 1, -1e16, Double($0 % 3)] as [Double] }
    let whole: Double = 4000 + 3999
    forEachInstructionSet { backend in
      let tape = Tape<Double>(backend: backend)
      tape.step { tape in
        let x = tape.input(Tensor(shape: [numbers.count], numbers))
        #expect(x.sum().value == whole)
        #expect(x.mean().value == whole / Double(numbers.count))
        let columns = Variable.stack([x, x, x], axis: 1).sum(over: [0])
        #expect(columns.array == [whole, whole, whole])
      }
    }
    var sum = CompensatedSum()
    for number in numbers { sum.add(number) }
    #expect(sum.total == whole)
  }

  @Test("infinity and NaN come through as in a plain sum")
  func special() {
    let infinity = Double.infinity
    forEachInstructionSet { backend in
      Tape<Double>(backend: backend).step { tape in
        func total(_ numbers: [Double]) -> (Double, Double) {
          let x = tape.input(Tensor(shape: [numbers.count], numbers))
          return (x.sum().value, Variable.stack([x, x], axis: 1).sum(over: [0]).array[1])
        }
        #expect(total([1, infinity, 2]) == (infinity, infinity) && total([-infinity, 1]) == (-infinity, -infinity))
        let mixed = total([infinity, 1, -infinity]), missing = total([1, .nan, 2])
        #expect(mixed.0.isNaN && mixed.1.isNaN && missing.0.isNaN && missing.1.isNaN)
        #expect(total([]).0 == 0)
      }
    }
    var sum = CompensatedSum()
    sum.add(infinity)
    sum.add(1)
    #expect(sum.total == infinity)
  }

  @Test("losses over many elements, rows and classes")
  func losses() {
    forEachInstructionSet { backend in
      let count = 1_000_000
      Tape<Double>(backend: backend).step { tape in
        let x = tape.input(Tensor(repeating: 0.1, shape: [count])), zero = tape.input(Tensor(repeating: 0, shape: [count]))
        #expect(abs(x.squaredError(zero).value - 0.1 * 0.1) <= (0.1 * 0.1).ulp)
      }
      Tape<Float>(backend: backend).step { tape in
        let x = tape.input(Tensor(repeating: 0.1, shape: [count])), zero = tape.input(Tensor(repeating: 0, shape: [count]))
        let tenth: Float = 0.1
        #expect(x.squaredError(zero).value == tenth * tenth)
        let classes = 50_257, flat = tape.input(Tensor(repeating: 0, shape: [3, classes])), targets = tape.tokens([0, 9, 77])
        let expected = Float(10.824905049570518)  // log 50257
        #expect(flat.crossEntropy(targets).value == expected && flat.logSumExp().array == [expected, expected, expected])
        #expect(flat.softmax().array[5] == 1 / Float(classes))
        let rows = tape.input(Tensor(repeating: 0, shape: [100_001, 3]))
        let many = tape.tokens([Int32](repeating: 1, count: 100_001))
        #expect(rows.crossEntropy(many).value == 1.0986123)
        // Mean and variance of a long row of two values.
        let long = tape.input(Tensor(shape: [1, 100_000], (0..<100_000).map { $0 % 2 == 0 ? 0.1 : 0.3 }))
        let normed = long.layerNorm(epsilon: 0).array
        #expect(abs(normed[0] + 1) < 1e-6 && abs(normed[1] - 1) < 1e-6)
      }
    }
  }
}
