// A layer of one's own: a struct that holds parameters or other layers, names them, and computes.
import Autograd

/// A gated feed-forward layer, as Llama has it: output(silu(gate(x)) · value(x)).
struct GatedFeedForward<Scalar: TensorScalar>: Layer {
  let gate, value, output: Linear<Scalar>

  init(channels: Int, width: Int) {
    gate = Linear(inputs: channels, outputs: width, bias: false)
    value = Linear(inputs: channels, outputs: width, bias: false)
    output = Linear(inputs: width, outputs: channels, bias: false)
  }

  // Gives every parameter its path: optimisers and files go by it.
  func listParts(_ parts: inout ModuleParts<Scalar>) {
    parts.add("gate", gate)
    parts.add("value", value)
    parts.add("output", output)
  }

  func callAsFunction(_ x: Variable<Scalar>) -> Variable<Scalar> {
    output(gate(x, activation: .silu) * value(x))
  }
}

// A layer is right when its gradients are.
let small = GatedFeedForward<Double>(channels: 3, width: 4)
small.initialize(seed: 1)
let report = checkGradients(of: small.parameters.map(\.parameter)) { tape in
  small(tape.input([[1, -2, 0.5], [0.1, 0.2, 0.3]]))
}
print(report)
guard report.passes else { fatalError("the layer's gradients are wrong") }

// It learns to multiply two numbers, which a linear layer cannot.
let layer = GatedFeedForward<Float>(channels: 2, width: 16)
layer.initialize(seed: 2)
print(layer.parameters.map(\.path), layer.parameterCount)
let ticks = stride(from: Float(-0.9), through: 0.9, by: 0.2)
let points = ticks.flatMap { x in ticks.map { y in [x, y] } }
let inputs = Tensor(points), targets = Tensor(points.map { [$0[0] * $0[1], 0] })
let tape = Tape<Float>(), optimizer = Adam([ParameterGroup(layer.parameters)])
let schedule = LearningRateSchedule(peak: 0.02, minimum: 0, warmupSteps: 10, decaySteps: 500)
var loss: Float = 1
for step in 0..<500 {
  loss = tape.step { tape in
    let loss = layer(tape.input(inputs)).squaredError(tape.input(targets))
    loss.backward()
    return loss.value
  }
  optimizer.step(learningRate: schedule.rate(at: step))
}
print("mean squared error", loss)
guard loss < 1e-4 else { fatalError("it has not learnt to multiply") }
