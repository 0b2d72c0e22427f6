// An operation that the library does not have: its value, its gradient, and the check that the two belong
// together.
import Autograd
import Foundation

/// log(1 + eˣ), element by element: a smooth max(x, 0). Its derivative is 1/(1 + e⁻ˣ).
struct Softplus<Scalar: TensorScalar>: CustomOperation {
  let name: StaticString = "softplus"

  func forward(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    inputs[0].map { Scalar(log1p(exp(-abs(Double($0))))) + max($0, 0) }
  }

  func backward(
    _ inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>?] {
    [inputs[0].combined(with: gradient) { x, dy in dy / Scalar(1 + exp(-Double(x))) }]
  }
}

// Checks run in Double: differences of values need its precision.
let x = Parameter<Double>([[-30, -2, -0.5], [0, 1, 30]])
let report = checkGradients(of: [x]) { tape in tape.variable(x).custom(Softplus()) }
print(report)
guard report.passes else { fatalError("the gradient is wrong") }

// It takes its place among the others, here in Float.
let weight = Parameter<Float>([[1, -1]])
let value = Tape<Float>().step { tape in
  let loss = tape.input([[2, 1], [0, 3]]).linear(weight).custom(Softplus()).sum()
  loss.backward()
  return loss.value
}
print("loss", value, "gradient", weight.gradient)
guard abs(value - 1.3618489) < 1e-5 else { fatalError("the value is wrong") }
