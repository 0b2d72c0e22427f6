// A network that learns exclusive or: layers, a loss, an optimiser, and the loop that every training is.
import Autograd

let inputs: Tensor<Float> = [[0, 0], [0, 1], [1, 0], [1, 1]]
let targets: Tensor<Float> = [[0], [1], [1], [0]]

let network = Sequential<Float>([
  Linear(inputs: 2, outputs: 8), Activate(.tanh), Linear(inputs: 8, outputs: 1),
])
network.initialize(seed: 1)

let tape = Tape<Float>()
let optimizer = Adam([ParameterGroup(network.parameters)])
for step in 1...300 {
  let loss = tape.step { tape in
    let loss = network(tape.input(inputs)).binaryCrossEntropy(tape.input(targets))
    loss.backward()
    return loss.value
  }
  optimizer.step(learningRate: 0.05)
  if step % 100 == 0 { print("step", step, "loss", loss) }
}

// Inference records nothing, so it needs less memory.
let answers = tape.step { tape in tape.inference { network(tape.input(inputs)).sigmoid().array } }
print("0⊕0, 0⊕1, 1⊕0, 1⊕1:", answers)

guard zip(answers, targets.elements).allSatisfy({ abs($0 - $1) < 0.05 }) else {
  fatalError("it has not learnt xor")
}
