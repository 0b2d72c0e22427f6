import AutogradEngine
import AutogradBase
import AutogradFormats
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@Suite("Module files") struct ModuleFileTests {
  private func network<S: TensorScalar>(_ outputs: Int = 2, seed: UInt64, _ type: S.Type = S.self)
    -> Sequential<S>
  {
    let network = Sequential<S>([
      Linear(inputs: 3, outputs: 4), Activate(.tanh), Linear(inputs: 4, outputs: outputs, bias: outputs == 2),
    ])
    network.initialize(seed: seed)
    return network
  }

  private func train<S: TensorScalar>(_ network: Sequential<S>, _ optimizer: any Optimizer<S>, steps: Int) {
    let tape = Tape<S>(), x: Tensor<S> = randomTensor([5, 3], seed: 1),
      y: Tensor<S> = randomTensor([5, 2], seed: 2)
    for _ in 0..<steps {
      tape.step { tape in network(tape.input(x)).squaredError(tape.input(y)).backward() }
      optimizer.step(learningRate: 0.01)
    }
  }

  private func roundTrip<S: TensorScalar>(
    _ type: S.Type, _ make: ([ParameterGroup<S>]) -> any Optimizer<S>
  ) throws {
    try temporaryDirectory { folder in
      let file = ModuleFile("\(folder)/mlp.safetensors")
      let first = network(seed: 1, S.self), optimizer = make([ParameterGroup(first.parameters)])
      train(first, optimizer, steps: 3)
      try file.save(first, optimizer)
      let second = network(seed: 2, S.self), restored = make([ParameterGroup(second.parameters)])
      try file.load(second, restored)
      #expect(second.parameters.map(\.parameter.array) == first.parameters.map(\.parameter.array))
      #expect(restored.state == optimizer.state && restored.stepCount == 3)
      // Both go on alike.
      train(first, optimizer, steps: 3)
      train(second, restored, steps: 3)
      #expect(second.parameters.map(\.parameter.array) == first.parameters.map(\.parameter.array))
      // The weights alone can be had without the optimiser.
      try file.load(first)
      #expect(first.parameters.map(\.parameter.array) != second.parameters.map(\.parameter.array))
    }
  }

  @Test("come back bit for bit, with the optimiser's state, in Float and in Double")
  func exact() throws {
    try roundTrip(Float.self) { Adam($0) }
    try roundTrip(Double.self) { Adam($0, decoupledDecay: false) }
    try roundTrip(Float.self) { SGD($0, momentum: 0.9, nesterov: true) }
    try roundTrip(Double.self) { SGD($0) }
  }

  @Test("Float widens into Double exactly; Double into Float would round and is refused")
  func types() throws {
    try temporaryDirectory { folder in
      let narrow = network(seed: 1, Float.self), wide = network(seed: 2, Double.self)
      try ModuleFile("\(folder)/narrow").save(narrow)
      try ModuleFile("\(folder)/narrow").load(wide)
      #expect(
        wide.parameters.map { $0.parameter.array.map { Float($0) } }
          == narrow.parameters.map(\.parameter.array))
      try ModuleFile("\(folder)/wide").save(wide)
      let error = #expect(throws: ModuleFileError.self) { try ModuleFile("\(folder)/wide").load(narrow) }
      #expect(error?.description.contains("0.weight is F64 and would be rounded; 0.bias is F64") == true)
    }
  }

  @Test("one error lists everything that does not fit, and nothing was changed")
  func mismatches() throws {
    try temporaryDirectory { folder in
      let path = "\(folder)/other.safetensors"
      var writer = SafetensorsWriter()
      try writer.add("0.weight", shape: [3, 4], floats: [Float](repeating: 1, count: 12))
      try writer.add("0.bias", shape: [4], int64s: [1, 2, 3, 4])
      try writer.add("2.weight", shape: [2, 4], floats: [1, 2, 3, .nan, 5, 6, 7, 8])
      try writer.add("3.weight", shape: [1], floats: [1])
      try POSIXFileSystem().writeAtomically(try writer.serialized(), to: path)
      let module = network(seed: 1, Float.self), before = module.parameters.map(\.parameter.array)
      let optimizer = SGD([ParameterGroup(module.parameters)], momentum: 0.5), state = optimizer.state
      let error = #expect(throws: ModuleFileError.self) { try ModuleFile(path).load(module, optimizer) }
      #expect(
        error?.description == "\(path) does not fit: 0.weight has shape [3, 4], expected [4, 3]; "
          + "0.bias is I64, expected real numbers; 2.weight holds nan at index 3; 2.bias is missing; "
          + "optimizer/0.weight/momentum is missing; optimizer/0.bias/momentum is missing; "
          + "optimizer/2.weight/momentum is missing; optimizer/2.bias/momentum is missing; "
          + "the metadata has no optimizer_step_count; \"3.weight\" is unexpected")
      #expect(module.parameters.map(\.parameter.array) == before && optimizer.state == state)
    }
  }

  @Test("NaN loads where it is allowed")
  func nonfinite() throws {
    try temporaryDirectory { folder in
      let file = ModuleFile("\(folder)/nan"), layer = LayerNorm<Double>(channels: 2)
      layer.weight.set([.nan, -.infinity])
      try file.save(layer)
      layer.weight.set([1, 1])
      #expect(throws: ModuleFileError.self) { try file.load(layer) }
      try file.load(layer, allowsNonfinite: true)
      #expect(layer.weight.array[0].isNaN && layer.weight.array[1] == -.infinity)
    }
  }

  @Test("a file that is not there, or is none of ours, says so")
  func unreadable() throws {
    try temporaryDirectory { folder in
      let layer = LayerNorm<Double>(channels: 2)
      let missing = #expect(throws: ModuleFileError.self) { try ModuleFile("\(folder)/none").load(layer) }
      #expect(missing?.description.contains("\(folder)/none") == true)
      try POSIXFileSystem().writeAtomically([1, 2, 3], to: "\(folder)/bad")
      let bad = #expect(throws: ModuleFileError.self) { try ModuleFile("\(folder)/bad").load(layer) }
      #expect(bad?.description.contains("\(folder)/bad: safetensors: the file has 3 bytes") == true)
    }
  }
}
