import AutogradEngine
import CAutogradV2
import AutogradFormats

// Checkpoints: a model's file with the optimiser's moments, and the numbers that a resumed run needs.

extension Context {
  fileprivate func addAdam(_ adam: AdamPointer, _ model: ModelPointer, to writer: inout SafetensorsWriter)
    throws(Misuse)
  {
    try checkSettings(adam)
    let moments = try moments(adam), parameters = try named(model)
    guard Int(adam.pointee.n_params) == parameters.count, moments.pairs.count == parameters.count,
      zip(0..., parameters).allSatisfy({ adam.pointee.params[$0] == $1.variable })
    else {
      throw Misuse(
        "",
        "the optimiser's parameters are not the model's \(parameters.count), in the order of transformer_get_params",
        hint: "add them in that order")
    }
    for (index, named) in parameters.enumerated() {
      let pair = moments.pairs[index], shape = try shape(of: try check(named.variable.pointee.data, "a tensor"))
      for (word, block) in [("first", pair.first), ("second", pair.second)] {
        let data = block.takeUnretainedValue().start.assumingMemoryBound(to: Double.self)
        try add("adam.\(word).\(named.name)", data, shape, to: &writer)
      }
    }
  }

  /// Numbers by name, as a checkpoint has them.
  fileprivate func numbers(_ adam: AdamPointer?, _ iteration: Int32, _ loss: Double) -> [(String, String)] {
    // Saved before the reset or after it: the resumed run begins with the iteration that comes next.
    let nextStep = core.nodes.count > 0 ? draws.step + 1 : draws.step
    var numbers = [
      ("iteration", "\(iteration)"), ("loss", "\(loss)"), ("seed", "\(seed)"), ("draws.step", "\(nextStep)"),
      ("draws.initialization", "\(draws.initialization)"), ("draws.batch", "\(draws.batch)"),
      ("draws.sampling", "\(draws.sampling)"),
    ]
    if let adam {
      numbers += [
        ("adam.learning_rate", "\(adam.pointee.learning_rate)"), ("adam.beta1", "\(adam.pointee.beta1)"),
        ("adam.beta2", "\(adam.pointee.beta2)"), ("adam.epsilon", "\(adam.pointee.epsilon)"),
        ("adam.step_count", "\(adam.pointee.step_count)"),
      ]
    }
    return numbers
  }

  fileprivate func number<Number: LosslessStringConvertible>(
    _ name: String, _ file: SafetensorsFile, _ type: Number.Type = Number.self
  ) throws(Misuse) -> Number {
    guard let text = file.header.metadata(name), let number = Number(text) else {
      throw Misuse("", "the file has no \(name)", hint: "give one that checkpoint_save wrote")
    }
    return number
  }

  fileprivate func loadModel(_ file: SafetensorsFile) throws(Misuse) -> ModelPointer {
    var sizes: [Int] = []
    for name in Context.sizeNames {
      let size: Int32 = try number(name, file)
      sizes.append(Int(size))
    }
    // What the file says is not believed before its tensors confirm it.
    guard let table = file.entry("token_embed"), table.shape == [sizes[0], sizes[1]], sizes[3] <= file.names.count
    else {
      throw Misuse("", "the sizes in the file do not fit its tensors")
    }
    let model = try makeTransformer(
      vocabulary: sizes[0], channels: sizes[1], heads: sizes[2], layers: sizes[3], width: sizes[4],
      contextLength: sizes[5])
    do throws(Misuse) {
      try removeBiases(model, file)
      try load(model, from: file)
      return model
    } catch {
      freeTransformer(model)
      throw error
    }
  }

  fileprivate func loadAdam(_ file: SafetensorsFile, _ model: ModelPointer) throws(Misuse) -> AdamPointer {
    let adam = try makeAdam(try number("adam.learning_rate", file))
    do throws(Misuse) {
      adam.pointee.beta1 = try number("adam.beta1", file)
      adam.pointee.beta2 = try number("adam.beta2", file)
      adam.pointee.epsilon = try number("adam.epsilon", file)
      adam.pointee.step_count = try number("adam.step_count", file)
      try checkSettings(adam)
      for (index, named) in try named(model).enumerated() {
        try addParameter(named.variable, to: adam)
        let pair = try moments(adam).pairs[index]
        for (word, block) in [("first", pair.first), ("second", pair.second)] {
          let numbers = try finite("adam.\(word).\(named.name)", file)
          guard numbers.count == pair.count else { throw Misuse("", "adam.\(word).\(named.name) has another size") }
          let data = block.takeUnretainedValue().start.assumingMemoryBound(to: Double.self)
          for (place, number) in numbers.enumerated() { data[place] = number }
        }
      }
      return adam
    } catch {
      freeAdam(adam)
      throw error
    }
  }
}

@c @implementation func autograd_v2_impl_checkpoint_save(
  _ model: ModelPointer!, _ adam: AdamPointer!, _ iteration: Int32, _ loss: Double, _ path: Bytes!
) -> Int32 {
  call("checkpoint_save", -1) { context throws(Misuse) in
    guard let model else { throw absent("the model") }
    var writer = try context.writer(model)
    if let adam { try context.addAdam(adam, model, to: &writer) }
    let bytes = try context.saving { () throws(SafetensorsError) in
      for (name, number) in context.numbers(adam, iteration, loss) { try writer.setMetadata(name, number) }
      return try writer.serialized()
    }
    try context.write(bytes, to: path)
    return 0
  }
}

@c @implementation func autograd_v2_impl_checkpoint_load(
  _ model: UnsafeMutablePointer<ModelPointer?>!, _ adam: UnsafeMutablePointer<AdamPointer?>!,
  _ iteration: UnsafeMutablePointer<Int32>!, _ loss: UnsafeMutablePointer<Double>!, _ path: Bytes!
) -> Int32 {
  model?.pointee = nil
  adam?.pointee = nil
  return call("checkpoint_load", -1) { context throws(Misuse) in
    guard model != nil || adam == nil else { throw absent("the place for the model, which its optimiser needs") }
    let file = try context.open(path)
    let count: Int32 = try context.number("iteration", file), last: Double = try context.number("loss", file)
    let seed: UInt64 = try context.number("seed", file)
    let draws = RandomDraws(
      step: try context.number("draws.step", file),
      initialization: try context.number("draws.initialization", file),
      batch: try context.number("draws.batch", file), sampling: try context.number("draws.sampling", file))
    let found = try context.loadModel(file)
    do throws(Misuse) {
      if let adam { adam.pointee = try context.loadAdam(file, found) }
    } catch {
      context.freeTransformer(found)
      throw error
    }
    if let model { model.pointee = found } else { context.freeTransformer(found) }
    iteration?.pointee = count
    loss?.pointee = last
    (context.seed, context.core.seed, context.draws) = (seed, seed, draws)
    context.core.restartRandom(step: draws.step)
    return 0
  }
}
