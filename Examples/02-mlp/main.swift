// A network with one hidden layer on made-up data: which points lie inside a circle? The loop is what every training is.
// README: begin
import Autograd
struct MLP: Layer {  // its stored properties are its parts
  let hidden = Linear<Float>(inputs: 2, outputs: 32), output = Linear<Float>(inputs: 32, outputs: 1)
  func callAsFunction(_ x: Variable<Float>) -> Variable<Float> { output(hidden(x, activation: .tanh)) }
}
let points = (0..<400).map { i -> [Float] in [Float(i % 20) / 10 - 0.95, Float(i / 20) / 10 - 0.95] }
let isInside = points.map { p -> [Float] in [p[0] * p[0] + p[1] * p[1] < 0.5 ? 1 : 0] }
let model = MLP(), tape = Tape<Float>(), optimizer = Adam(model)
model.initialize(seed: 1)
for step in 1...500 {
  let loss = tape.step { tape in
    let loss = model(tape.input(Tensor(points))).binaryCrossEntropy(tape.input(Tensor(isInside)))
    loss.backward()
    return loss.value  // values leave a step, variables cannot
  }
  optimizer.step(learningRate: 0.02, clippingNorm: 1)
  if step % 100 == 0 { print("step", step, "loss", loss) }
}
// README: end

// Inference records nothing, so it needs less memory.
let answers = tape.step { tape in tape.inference { model(tape.input(Tensor(points))).array } }
let right = zip(answers, isInside).filter { ($0 > 0) == ($1[0] == 1) }.count
print("\(right) of \(points.count) points are told right")
guard right > 390 else { fatalError("it has not learnt the circle") }
