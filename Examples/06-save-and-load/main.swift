// Weights and the optimiser's state in one safetensors file: training goes on as if it had never stopped.
import Autograd
import Foundation

func makeNetwork(seed: UInt64) -> Sequential<Float> {
  let network = Sequential<Float>([
    Linear(inputs: 2, outputs: 6), Activate(.geluTanh), Linear(inputs: 6, outputs: 1),
  ])
  network.initialize(seed: seed)
  return network
}

func train(_ network: Sequential<Float>, _ optimizer: Adam<Float>, steps: Int) -> Float {
  let tape = Tape<Float>()
  var last: Float = 0
  for _ in 0..<steps {
    last = tape.step { tape in
      let loss = network(tape.input([[0, 1], [1, 0], [1, 1]])).squaredError(tape.input([[1], [2], [3]]))
      loss.backward()
      return loss.value
    }
    optimizer.step(learningRate: 0.01)
  }
  return last
}

let path = FileManager.default.temporaryDirectory.appendingPathComponent("autograd-\(UUID()).safetensors")
  .path
defer { try? FileManager.default.removeItem(atPath: path) }

let network = makeNetwork(seed: 1), optimizer = Adam([ParameterGroup(network.parameters)])
print("loss after 50 steps", train(network, optimizer, steps: 50))
try ModuleFile(path).save(network, optimizer)

let loaded = makeNetwork(seed: 2), restored = Adam([ParameterGroup(loaded.parameters)])
try ModuleFile(path).load(loaded, restored)
let uninterrupted = train(network, optimizer, steps: 50), resumed = train(loaded, restored, steps: 50)
print("after 100: uninterrupted", uninterrupted, "resumed", resumed)
guard uninterrupted == resumed else { fatalError("the resumed training went another way") }

// What does not fit is refused as a whole, with everything that is wrong in one sentence.
do {
  try ModuleFile(path).load(Linear<Float>(inputs: 2, outputs: 5))
  fatalError("a file of another network was loaded")
} catch {
  print(error)
}
