import AutogradEngine
import CAutogradV2

// Persistent tensors and variables: headers that are recognised when freed, memory that its users share.
//
// A tensor's header retains its `PersistentBlock`; a variable's header retains a `ParameterCore`, which retains value
// and gradient. The tape retains the parameters it uses, so freeing them before the reset is safe.

extension Context {
  /// A persistent tensor of zeros.
  func persistentTensor(_ shape: Shape) throws(Misuse) -> TensorPointer {
    guard let block = PersistentBlock(tryingByteCount: shape.count * 8) else {
      throw Misuse("", "no memory for a tensor \(shape) of \(shape.count * 8) bytes", hint: "make the model smaller")
    }
    guard let header = PersistentHeaders.take(TensorV2.self) else { throw core.outOfMemory("header") }
    header.pointee.private_kind = HeaderKind.persistentTensor
    header.pointee.storage = TENSOR_PERSISTENT
    header.pointee.private_block = Unmanaged.passRetained(block).toOpaque()
    header.setShape(shape)
    header.pointee.data = block.start.bindMemory(to: Double.self, capacity: shape.count)
    return header
  }

  func freePersistent(_ tensor: TensorPointer) {
    if let block = tensor.pointee.private_block { Unmanaged<PersistentBlock>.fromOpaque(block).release() }
    tensor.pointee.private_block = nil
    tensor.pointee.data = nil
    tensor.pointee.private_kind = HeaderKind.freedTensor
    PersistentHeaders.giveBack(UnsafeMutableRawPointer(tensor))
  }

  /// A persistent variable over `tensor`, which it takes over.
  func persistentVariable(
    _ tensor: TensorPointer, requiresGradient: Bool, isParameter: Bool
  ) throws(Misuse) -> VariablePointer {
    guard tensor.pointee.private_kind == HeaderKind.persistentTensor else {
      throw Misuse(
        "", "a persistent variable needs a persistent tensor, got a temporary one",
        hint: "make it with tensor_create_persistent, or copy into one")
    }
    guard tensor.pointee.private_owned == 0 else {
      throw Misuse("", "another variable has taken this tensor over", hint: "make a tensor for each variable")
    }
    let gradient = requiresGradient ? try persistentTensor(try shape(of: tensor)) : nil
    guard let header = PersistentHeaders.take(VariableV2.self) else {
      if let gradient { freePersistent(gradient) }
      throw core.outOfMemory("header")
    }
    header.pointee.private_kind = HeaderKind.persistentVariable
    header.pointee.data = tensor
    header.pointee.grad = gradient
    header.pointee.requires_grad = requiresGradient
    header.pointee.is_parameter = isParameter
    tensor.pointee.private_owned = 1
    gradient?.pointee.private_owned = 1
    let parameter = try parameter(header, try shape(of: tensor))
    // New gradients are zeros of this iteration: what the program writes into them now counts.
    parameter.claim(generation: core.generation, clock: core.clock)
    return header
  }

  func freePersistent(_ variable: VariablePointer) {
    if let parameter = variable.pointee.private_parameter {
      let parameter = Unmanaged<ParameterCore>.fromOpaque(parameter)
      forget(parameter)
      parameter.release()
    }
    if let tensor = variable.pointee.data, tensor.pointee.private_kind == HeaderKind.persistentTensor {
      freePersistent(tensor)
    }
    if let gradient = variable.pointee.grad, gradient.pointee.private_kind == HeaderKind.persistentTensor {
      freePersistent(gradient)
    }
    variable.pointee.data = nil
    variable.pointee.grad = nil
    variable.pointee.private_parameter = nil
    variable.pointee.private_kind = HeaderKind.freedVariable
    PersistentHeaders.giveBack(UnsafeMutableRawPointer(variable))
  }

  /// The core's parameter of a persistent variable, as its members say now: memory, gradient, `requires_grad`.
  func parameter(_ variable: VariablePointer, _ shape: Shape) throws(Misuse) -> ParameterCore {
    let tensor = variable.pointee.data!
    if variable.pointee.requires_grad, variable.pointee.grad == nil {
      variable.pointee.grad = try persistentTensor(shape)
      variable.pointee.grad.pointee.private_owned = 1
    }
    if let known = variable.pointee.private_parameter {
      let parameter = Unmanaged<ParameterCore>.fromOpaque(known).takeUnretainedValue()
      parameter.isTrainable = variable.pointee.requires_grad
      if isCurrent(parameter, variable, shape) { return parameter }
      forget(Unmanaged.passUnretained(parameter))
    }
    guard let value = block(of: tensor) else { throw Misuse("", "the parameter's memory is not this library's") }
    let gradient = try variable.pointee.grad.map { tensor throws(Misuse) in try check(tensor, "the gradient") }
    if let gradient, Int(gradient.pointee.size) != shape.count {
      throw Misuse("", "the gradient has \(gradient.pointee.size) elements, its variable has shape \(shape)")
    }
    if let gradient, block(of: gradient) == nil {
      throw Misuse("", "the gradient of a persistent variable is not persistent", hint: "use tensor_create_persistent")
    }
    let parameter = ParameterCore(
      shape: shape, type: .float64, value: value, gradient: gradient.flatMap { block(of: $0) })
    parameter.isTrainable = variable.pointee.requires_grad
    if let known = variable.pointee.private_parameter { Unmanaged<ParameterCore>.fromOpaque(known).release() }
    variable.pointee.private_parameter = Unmanaged.passRetained(parameter).toOpaque()
    return parameter
  }

  private func isCurrent(_ parameter: ParameterCore, _ variable: VariablePointer, _ shape: Shape) -> Bool {
    guard parameter.shape == shape, parameter.value.start == UnsafeMutableRawPointer(variable.pointee.data.pointee.data)
    else { return false }
    guard let gradient = variable.pointee.grad else { return true }
    return parameter.allocatedGradientStart == UnsafeMutableRawPointer(gradient.pointee.data)
  }

  /// The block behind a persistent tensor, where its data still points there.
  private func block(of tensor: TensorPointer) -> PersistentBlock? {
    guard tensor.pointee.private_kind == HeaderKind.persistentTensor, let opaque = tensor.pointee.private_block
    else { return nil }
    let block = Unmanaged<PersistentBlock>.fromOpaque(opaque).takeUnretainedValue()
    return block.start == UnsafeMutableRawPointer(tensor.pointee.data) ? block : nil
  }

  // MARK: Gradients of last steps

  /// After a backward: lists the gradients it wrote, and clears those of earlier iterations that it did not reach.
  func settleGradients() throws(Misuse) {
    guard written.reserve(spare: core.nodes.count) else { throw core.outOfMemory("backward") }
    var index = 0
    while index < written.count {
      let parameter = written[index].takeUnretainedValue()
      if parameter.generation == core.generation {
        index += 1
        continue
      }
      if let start = parameter.allocatedGradientStart {
        start.initializeMemory(as: UInt8.self, repeating: 0, count: parameter.shape.count * 8)
      }
      forget(written[index])
    }
    listWritten(from: 0)
  }

  /// Lists the parameters among the variables from `first` on whose gradient this iteration wrote.
  /// INVARIANT: `written` has room for as many as there are variables.
  func listWritten(from first: Slot) {
    for slot in first..<core.nodes.count {
      guard let parameter = core.nodes[slot].parameter?.takeUnretainedValue(), !parameter.isListed,
        parameter.generation == core.generation
      else { continue }
      parameter.isListed = true
      written.append(Unmanaged.passRetained(parameter))
    }
  }

  /// Takes a parameter off the list of written gradients.
  private func forget(_ parameter: Unmanaged<ParameterCore>) {
    guard parameter.takeUnretainedValue().isListed else { return }
    for index in 0..<written.count where written[index].toOpaque() == parameter.toOpaque() {
      parameter.takeUnretainedValue().isListed = false
      written[index].release()
      written.removeBySwapping(at: index)
      return
    }
  }
}
