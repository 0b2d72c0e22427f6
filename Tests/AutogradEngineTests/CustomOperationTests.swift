import Foundation
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// √(1 + a² + b² + …) of any number of inputs of one shape.
struct Hypotenuse<Scalar: TensorScalar>: CustomOperation {
  let name: StaticString = "hypotenuse"

  func outputShape(_ inputs: [Shape]) throws(Misuse) -> Shape {
    guard let first = inputs.first, inputs.allSatisfy({ $0 == first }) else {
      throw Misuse(name, "expected inputs of one shape, got \(inputs)")
    }
    return first
  }

  func forward(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    inputs.reduce(Tensor(repeating: 1, shape: inputs[0].shape.array)) { sum, x in
      sum.combined(with: x) { $0 + $1 * $1 }
    }
    .map { $0.squareRoot() }
  }

  func backward(
    _ inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>?] {
    let slope = gradient.combined(with: output) { $0 / $1 }
    return inputs.map { $0.combined(with: slope) { $0 * $1 } }
  }
}

/// Sums along the last axis.
struct RowSums<Scalar: TensorScalar>: CustomOperation {
  let name: StaticString = "rowSums"

  func outputShape(_ inputs: [Shape]) -> Shape { inputs[0].droppingLast() }

  func forward(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    let x = inputs[0], columns = x.shape.last
    return Tensor(
      shape: x.shape.droppingLast().array,
      (0..<x.shape.rows).map { row in x.elements[row * columns..<(row + 1) * columns].reduce(0, +) })
  }

  func backward(
    _ inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>?] {
    let shape = inputs[0].shape
    return [Tensor(shape: shape.array, (0..<shape.count).map { gradient.elements[$0 / shape.last] })]
  }
}

extension OperationRecord {
  static var userDefined: OperationRecord {
    let shapes: [[Int]] = [[], [7], [3, 5], [0], [2, 0, 3]]
    return OperationRecord(
      cases: shapes.flatMap { shape in
        [1, 2, 4].map { OperationCase(.userDefined, .hypotenuse, shapes: Array(repeating: shape, count: $0)) }
      } + [[3, 5], [7], [0, 3], [2, 3, 4]].map { OperationCase(.userDefined, .rowSums, $0) },
      largeCases: [OperationCase(.userDefined, .hypotenuse, [200, 30], [200, 30])],
      misuses: [
        MisuseCase([3], [4], says: "hypotenuse: expected inputs of one shape, got [[3], [4]]") {
          c, x throws(Misuse) in
          try c.userDefined(Hypotenuse<Double>(), x)
        }
      ])
  }
}

@Suite("Custom operations")
struct CustomOperationTests {
  /// The example of the documentation.
  struct Softplus: CustomOperation {
    let name: StaticString = "softplus"

    func forward(_ inputs: [Tensor<Double>]) -> Tensor<Double> {
      inputs[0].map { log1p(exp($0)) }
    }

    func backward(
      _ inputs: [Tensor<Double>], output: Tensor<Double>, gradient: Tensor<Double>
    ) -> [Tensor<Double>?] {
      [inputs[0].combined(with: gradient) { $1 / (1 + exp(-$0)) }]
    }
  }

  /// Says and does what it is told.
  struct Told: CustomOperation {
    let name: StaticString = "told"
    var shape: [Int]?
    var gradients: [Tensor<Double>?] = []

    func forward(_ inputs: [Tensor<Double>]) -> Tensor<Double> {
      shape.map { Tensor(repeating: 0, shape: $0) } ?? inputs[0]
    }

    func backward(
      _ inputs: [Tensor<Double>], output: Tensor<Double>, gradient: Tensor<Double>
    ) -> [Tensor<Double>?] { gradients }
  }

  @Test("the example's gradient is right, and a wrong one is found out")
  func example() {
    let x = Parameter<Double>(randomTensor([3, 4], seed: 1))
    let right = checkGradients(of: [x]) { tape in tape.variable(x).custom(Softplus()) }
    #expect(right.passes, "\(right)")
    let wrong = checkGradients(of: [x]) { tape in
      tape.variable(x).custom(Told(gradients: [Tensor(repeating: 1, shape: [3, 4])]))
    }
    #expect(!wrong.passes)
  }

  @Test("in a plan only the shape is asked for, and inference keeps nothing")
  func planning() {
    struct Watched: CustomOperation {
      final class Count { var forward = 0, backward = 0 }
      let name: StaticString = "watched"
      let count = Count()
      func forward(_ inputs: [Tensor<Double>]) -> Tensor<Double> {
        count.forward += 1
        return inputs[0]
      }
      func backward(
        _ inputs: [Tensor<Double>], output: Tensor<Double>, gradient: Tensor<Double>
      ) -> [Tensor<Double>?] {
        count.backward += 1
        return [gradient]
      }
    }
    let operation = Watched(), x = Parameter<Double>([1, 2]), tape = Tape<Double>()
    let plan = tape.plan { tape in tape.variable(x).custom(operation).sum().backward() }
    #expect(operation.count.forward == 0 && operation.count.backward == 0)
    tape.step { tape in tape.variable(x).custom(operation).sum().backward() }
    #expect(operation.count.forward == 1 && operation.count.backward == 1)
    #expect(tape.statistics.peak == plan.arenaBytes && x.gradient == [1, 1])
    tape.step { tape in tape.inference { _ = tape.variable(x).custom(operation) } }
    #expect(operation.count.forward == 2 && operation.count.backward == 1)
  }

  @Test("an input without a gradient gets zeros, several uses add up")
  func absent() {
    let x = Parameter<Double>([1, 2]), y = Parameter<Double>([3, 4])
    Tape<Double>().step { tape in
      let told = Told(gradients: [nil, [5, 6]]), a = tape.variable(x), b = tape.variable(y)
      (a.custom(told, b) + b.custom(told, b)).sum().backward()
    }
    #expect(x.gradient == [0, 0] && y.gradient == [10, 12])
  }

  @Test(
    "what does not keep to its word is refused",
    arguments: [
      (Told(shape: [3]), "told: forward gave shape [3], outputShape said [2]"),
      (Told(gradients: []), "told: backward gave 0 gradients for 1 inputs"),
      (
        Told(gradients: [[1, 2, 3]]), "told: backward gave a gradient of shape [3] for input 0, which is [2]"
      ),
    ])
  func refused(operation: Told, sentence: String) throws {
    let core = TapeCore(type: .float64, backend: Backend(pool: singleThread), byteLimit: nil)
    try core.beginStep()
    let x = try core.temporary(Shape([2]), "test", requiresGradient: true)
    let error = #expect(throws: Misuse.self) {
      let y = try core.userDefined(operation, [x])
      try core.backward(from: try core.sum(y, over: 1, keeping: false, mean: false, "sum"), seed: 1)
    }
    #expect(error?.description == sentence)
    try core.endStep()
  }
}
