// A layer with a learnt scale and a loss of one's own: stored properties are a layer's parts, operators make the rest.
import Autograd

/// A linear map whose inputs are scaled first, each by a number that is learnt.
struct Scaled<Scalar: TensorScalar>: Layer {
  let scale = Parameter<Scalar>(shape: [3], initially: .ones)
  let linear = Linear<Scalar>(inputs: 3, outputs: 1, bias: false)

  func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> { linear(x * scale) }
}

/// √(1 + (x − t)²) − 1 on average: a square near zero, a straight line far out, where outliers pull less.
func pseudoHuber<Scalar>(_ x: Variable<Scalar>, _ t: Variable<Scalar>) -> Variable<Scalar> {
  let difference = x - t
  return (difference * difference + 1).sqrt().mean() - 1
}

// Layer and loss are right when their gradients are. Checks run in Double, whose precision differences need.
let small = Scaled<Double>()
small.initialize(seed: 1)
let report = checkGradients(of: small) { tape in
  pseudoHuber(small(tape.input([[1, -2, 0.5], [0.1, 0.2, 0.3]])), tape.input([[0.5], [-1]]))
}
print(report)
guard report.passes else { fatalError("the gradients are wrong") }

let layer = Scaled<Float>(), tape = Tape<Float>(), optimizer = Adam(layer)
layer.initialize(seed: 2)
var loss: Float = 1
for _ in 0..<400 {
  loss = tape.step { tape in
    let y = layer(tape.input([[1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    let loss = pseudoHuber(y, tape.input([[3], [-2], [0.5]]))
    loss.backward()
    return loss.value
  }
  optimizer.step(learningRate: 0.05, clippingNorm: 1)
}
print("loss", loss, layer.parameters.map(\.path), layer.scale.array)
guard loss < 1e-4 else { fatalError("it has not learnt") }
