import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

/// What makes layers of one's own short: parameters as they are, operations without a tape, shapes known at run time.
@Suite("The library's face")
struct LibraryFaceTests {
  private let tape = Tape<Double>(backend: Backend(pool: singleThread))
  private let p = Parameter<Double>([2, 4]), q = Parameter<Double>([3, 5])

  /// Runs a loss of two operands, both given as parameters, both as variables; expects the same values and gradients.
  private func compare(
    _ name: String, _ asParameter: (Variable<Double>, Parameter<Double>) -> Variable<Double>,
    _ asVariables: (Variable<Double>, Variable<Double>) -> Variable<Double>
  ) {
    func run(_ body: (Tape<Double>) -> Variable<Double>) -> [[Double]] {
      let values: [Double] = tape.step { tape in
        let y = body(tape)
        (y * y).sum().backward()
        return y.array
      }
      return [values, p.gradient.elements, q.gradient.elements]
    }
    let short = run { asParameter($0.variable(p), q) }, long = run { asVariables($0.variable(p), $0.variable(q)) }
    #expect(short == long, "\(name)")
    #expect(short[2].contains { $0 != 0 }, "\(name)")
  }

  @Test("operations take a parameter wherever they take a second variable")
  func parameters() {
    compare("+", { $0 + $1 }, { $0 + $1 })
    compare("-", { $0 - $1 }, { $0 - $1 })
    compare("*", { $0 * $1 }, { $0 * $1 })
    compare("/", { $0 / $1 }, { $0 / $1 })
    compare("power", { $0.power($1) }, { $0.power($1) })
    compare("squaredError", { $0.squaredError($1) }, { $0.squaredError($1) })
    compare("binaryCrossEntropy", { $0.binaryCrossEntropy($1) }, { $0.binaryCrossEntropy($1) })
    compare("replacing", { $0.replacing(with: $1, where: $0 .< 3) }, { $0.replacing(with: $1, where: $0 .< 3) })
    compare("variable(beside:)", { $0 * $1.variable(beside: $0).exp() }, { $0 * $1.exp() })
    let weight = Parameter<Double>([[1, 2], [3, 4]])
    compare("linear", { $0.linear(weight, adding: $1) }, { $0.linear(weight, adding: $1) })
  }

  @Test("a parameter may stand on the left")
  func left() {
    compare("+", { $1 + $0 }, { $1 + $0 })
    compare("-", { $1 - $0 }, { $1 - $0 })
    compare("*", { $1 * $0 }, { $1 * $0 })
    compare("/", { $1 / $0 }, { $1 / $0 })
  }

  private struct Gate: CustomOperation {
    let name: StaticString = "gate"

    func forward(_ inputs: [Tensor<Double>]) -> Tensor<Double> { inputs[0].combined(with: inputs[1]) { $0 * $1 * $1 } }

    func backward(
      _ inputs: [Tensor<Double>], output: Tensor<Double>, gradient: Tensor<Double>
    ) -> [Tensor<Double>?] {
      [
        inputs[1].combined(with: gradient) { $0 * $0 * $1 },
        inputs[0].combined(with: inputs[1]) { 2 * $0 * $1 }.combined(with: gradient) { $0 * $1 },
      ]
    }
  }

  /// A layer with a learnt scale and an operation of its own; it knows no tape.
  private struct Layer {
    let scale = Parameter<Double>([0.5, -1]), gate = Parameter<Double>([1.5, 2])

    func callAsFunction(_ x: Variable<Double>) -> Variable<Double> { (x * scale + 1).custom(Gate(), gate) }
  }

  @Test("a custom operation takes variables and parameters in a layer that knows no tape")
  func custom() {
    let layer = Layer()
    let report = checkGradients(of: [p, layer.scale, layer.gate]) { layer($0.variable(p)) }
    #expect(report.passes, "\(report)")
    let values = tape.step { layer($0.variable(p)).array }
    #expect(values == [4.5, -12])
  }

  @Test("shapes, orders and ranges in arrays do what literals do")
  func arrays() {
    tape.step { tape in
      let shape = [2, 3, 4], order = [2, 0, 1], ranges: [Range<Int>?] = [nil, 1..<3], numbers = (0..<24).map(Double.init)
      let x = tape.input(numbers, shape: shape)
      #expect(x.shape == shape && x.array == numbers)
      #expect(x.reshape(order.map { [3, 2, 4][$0] }).shape == [4, 3, 2] && x.reshape([6, -1]).shape == [6, 4])
      #expect(x.permute(order).tensor == x.permute([2, 0, 1]).tensor)
      #expect(x.slice(ranges).tensor == x.slice([nil, 1..<3]).tensor && x.slice(ranges).shape == [2, 2, 4])
      let ids: [Int32] = [1, 0, 1, 1], table = tape.input([[1, 2], [3, 4]])
      let looked = tape.tokens(ids, shape: [ids.count / 2, 2]).embedding(table)
      #expect(looked.tensor == tape.tokens(ids.span, shape: [2, 2]).embedding(table).tensor)
    }
  }
}
