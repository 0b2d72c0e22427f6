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
    guard let header = Cells.take(TensorV2.self, .tensor) else { throw core.outOfMemory("header") }
    header.pointee.private_kind = HeaderKind.persistentTensor
    header.pointee.storage = TENSOR_PERSISTENT
    header.pointee.private_block = Unmanaged.passRetained(block).toOpaque()
    header.setShape(shape)
    header.pointee.data = block.start.bindMemory(to: Double.self, capacity: shape.count)
    return header
  }

  func freePersistent(_ tensor: TensorPointer) {
    if let block = tensor.pointee.private_block { Unmanaged<PersistentBlock>.fromOpaque(block).release() }
    _ = Cells.giveBack(tensor, .tensor) { _ in
      tensor.pointee = TensorV2()
      tensor.pointee.private_kind = HeaderKind.freedTensor
    }
  }

  // MARK: Who owns a tensor, and which variable is which

  /// The number that tells a persistent variable from another one at the same address.
  static func serial(of variable: VariablePointer) -> UInt64 { variable.pointee.private_step }

  /// The variable that a persistent tensor belongs to. One that has another tensor in its place since owns it no more.
  func owner(of tensor: TensorPointer) -> VariablePointer? {
    guard tensor.pointee.private_owned != 0,
      let owner = VariablePointer(bitPattern: UInt(tensor.pointee.private_step)), Cells.isLive(owner, .variable),
      owner.pointee.data == tensor || owner.pointee.grad == tensor
    else { return nil }
    return owner
  }

  /// Makes a persistent tensor belong to a variable, unless it belongs to another one.
  private func own(_ tensor: TensorPointer?, _ variable: VariablePointer) {
    guard let tensor, tensor.pointee.private_kind == HeaderKind.persistentTensor, owner(of: tensor) == nil
    else { return }
    tensor.pointee.private_owned = 1
    tensor.pointee.private_step = UInt64(UInt(bitPattern: variable))
  }

  /// Frees a variable's tensor: the one that is there now, if it is not another variable's.
  private func release(_ tensor: TensorPointer?, of variable: VariablePointer) {
    guard let tensor, tensor.pointee.private_kind == HeaderKind.persistentTensor else { return }
    if let owner = owner(of: tensor), owner != variable { return }
    freePersistent(tensor)
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
    guard owner(of: tensor) == nil else {
      throw Misuse("", "another variable has taken this tensor over", hint: "make a tensor for each variable")
    }
    let gradient = requiresGradient ? try persistentTensor(try shape(of: tensor)) : nil
    guard let header = Cells.take(VariableV2.self, .variable) else {
      if let gradient { freePersistent(gradient) }
      throw core.outOfMemory("header")
    }
    header.pointee.private_kind = HeaderKind.persistentVariable
    header.pointee.private_step = Cells.nextSerial()
    header.pointee.data = tensor
    header.pointee.grad = gradient
    header.pointee.requires_grad = requiresGradient
    header.pointee.is_parameter = isParameter
    let parameter: ParameterCore
    do throws(Misuse) {
      parameter = try self.parameter(header, try shape(of: tensor))
    } catch {
      // The tensor stays the caller's.
      header.pointee.data = nil
      freePersistent(header)
      throw error
    }
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
    release(variable.pointee.data, of: variable)
    release(variable.pointee.grad, of: variable)
    _ = Cells.giveBack(variable, .variable) { _ in
      variable.pointee = VariableV2()
      variable.pointee.private_kind = HeaderKind.freedVariable
    }
  }

  /// The core's parameter of a persistent variable, as its members say now: memory, gradient, `requires_grad`.
  func parameter(_ variable: VariablePointer, _ shape: Shape) throws(Misuse) -> ParameterCore {
    let tensor = variable.pointee.data!
    if variable.pointee.requires_grad, variable.pointee.grad == nil {
      variable.pointee.grad = try persistentTensor(shape)
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
    own(tensor, variable)
    own(variable.pointee.grad, variable)
    try lookAfter(parameter)
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

  /// From now on this context clears a parameter's gradient after each backward that does not reach it. One context
  /// does so at a time: the one that made the parameter, put it into an optimiser or wrote its gradient last.
  func lookAfter(_ parameter: ParameterCore) throws(Misuse) {
    guard parameter.keeper != number else { return }
    guard written.reserve(spare: 1) else { throw core.outOfMemory("gradients") }
    list(parameter)
  }

  /// INVARIANT: `written` has room.
  private func list(_ parameter: ParameterCore) {
    (parameter.keeper, parameter.place) = (number, written.count)
    written.append(Unmanaged.passRetained(parameter))
  }

  /// After a backward: clears the gradients of earlier iterations that it did not reach, and looks after those which it
  /// wrote.
  func settleGradients() throws(Misuse) {
    guard written.reserve(spare: core.nodes.count) else { throw core.outOfMemory("backward") }
    var index = 0
    while index < written.count {
      let parameter = written[index].takeUnretainedValue()
      guard parameter.keeper == number else {
        unlist(index)
        continue
      }
      if parameter.isTrainable, parameter.generation != core.generation, let start = parameter.allocatedGradientStart {
        start.initializeMemory(as: UInt8.self, repeating: 0, count: parameter.shape.count * 8)
      }
      index += 1
    }
    listWritten(from: 0)
  }

  /// Lists the parameters among the variables from `first` on whose gradient this iteration wrote.
  /// INVARIANT: `written` has room for as many as there are variables.
  func listWritten(from first: Slot) {
    for slot in first..<core.nodes.count {
      guard let parameter = core.nodes[slot].parameter?.takeUnretainedValue(), parameter.keeper != number,
        parameter.generation == core.generation
      else { continue }
      list(parameter)
    }
  }

  /// Takes a parameter off the list.
  private func forget(_ parameter: Unmanaged<ParameterCore>) {
    let known = parameter.takeUnretainedValue()
    guard known.keeper == number else { return }
    known.keeper = 0
    unlist(known.place)
  }

  /// Takes out an entry; the last one takes its place.
  private func unlist(_ index: Int) {
    let entry = written[index]
    written.removeBySwapping(at: index)
    if index < written.count {
      let moved = written[index].takeUnretainedValue()
      if moved.keeper == number { moved.place = index }
    }
    entry.release()
  }

  /// Looks after nothing any more.
  func forgetAll() {
    for index in 0..<written.count {
      let parameter = written[index].takeUnretainedValue()
      if parameter.keeper == number { parameter.keeper = 0 }
      written[index].release()
    }
    written.removeLast(downTo: 0)
  }
}
