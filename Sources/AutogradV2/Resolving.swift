import AutogradEngine
import CAutogradV2

// From C's handles to the core's slots. Members of the structs are live: what the program changed since the last
// call is taken over here, once per operation.

extension Context {
  // MARK: Checking

  /// Throws unless `tensor` is a tensor of this library that may be used now.
  func check(_ tensor: UnsafePointer<TensorV2>?, _ what: StaticString = "the tensor") throws(Misuse) -> TensorPointer {
    guard let tensor else { throw missing("\(what)") }
    switch tensor.pointee.private_kind {
    case HeaderKind.persistentTensor: break
    case HeaderKind.temporaryTensor:
      try checkAge(tensor.pointee.private_context, tensor.pointee.private_step, "tensor")
    case HeaderKind.endedTensor: throw Context.endedWithPart("tensor")
    case HeaderKind.freedTensor: throw Misuse("", "\(what) was freed before")
    default: throw Misuse("", "\(what) is not a tensor of this library", hint: "make it with tensor_create_…")
    }
    return TensorPointer(mutating: tensor)
  }

  /// Throws unless `variable` is a variable of this library that may be used now.
  func check(
    _ variable: VariablePointer?, _ what: @autoclosure () -> String
  ) throws(Misuse) -> VariablePointer {
    guard let variable else { throw missing(what()) }
    switch variable.pointee.private_kind {
    case HeaderKind.persistentVariable: break
    case HeaderKind.temporaryVariable:
      try checkAge(variable.pointee.private_context, variable.pointee.private_step, "variable")
    case HeaderKind.endedVariable: throw Context.endedWithPart("variable")
    case HeaderKind.freedVariable: throw Misuse("", "\(what()) was freed before")
    default: throw Misuse("", "\(what()) is not a variable of this library", hint: "make it with var_create_…")
    }
    return variable
  }

  /// Whether a handle is one of a temporary, of this iteration or an earlier one.
  static func isTemporary(_ tensor: TensorPointer) -> Bool {
    tensor.pointee.private_kind == HeaderKind.temporaryTensor || tensor.pointee.private_kind == HeaderKind.endedTensor
  }

  static func isTemporary(_ variable: VariablePointer) -> Bool {
    variable.pointee.private_kind == HeaderKind.temporaryVariable
      || variable.pointee.private_kind == HeaderKind.endedVariable
  }

  private static func endedWithPart(_ word: StaticString) -> Misuse {
    Misuse(
      "", "the \(word) was made in a part that is recomputed, and ended with it",
      hint: "let the part return it, or copy its numbers before")
  }

  private func checkAge(_ context: UInt32, _ step: UInt64, _ word: StaticString) throws(Misuse) {
    guard context == number else {
      throw Contexts.isOpen(context)
        ? Misuse("", "the \(word) belongs to another context", hint: "copy its numbers, or make it persistent")
        : Misuse("", "the \(word) belongs to a context that was closed", hint: "make it anew after autograd_v2_init")
    }
    guard step == core.step || step + 1 != tornStep else {
      throw Misuse(
        "", "the \(word)'s iteration ended when an exception or a longjmp left a function that the library was calling",
        hint: "compute it again")
    }
    guard step == core.step else {
      throw Misuse(
        "", "\(word) of step \(step) used in step \(core.step)",
        hint: "temporaries end at autograd_reset_iteration(); copy the numbers out, or make it persistent")
    }
  }

  // MARK: Shapes

  /// The most elements of a tensor, and the most steps of an axis: C's structs count both in an `int`.
  static var largestTensor: Int { Int(Int32.max) }

  /// Runs `body`, whose results C never sees: they may be larger than an `int` counts.
  func withoutSizeLimit<Result>(_ body: () throws(Misuse) -> Result) throws(Misuse) -> Result {
    core.resultLimit = .max
    defer { core.resultLimit = Context.largestTensor }
    return try body()
  }

  /// A shape as C has it.
  func shape(_ lengths: UnsafePointer<Int32>?, _ rank: Int32) throws(Misuse) -> Shape {
    guard rank >= 0, rank <= Shape.maximumRank else {
      throw Misuse("", "a tensor of \(rank) axes", hint: "0 to \(Shape.maximumRank) axes are possible")
    }
    guard rank == 0 || lengths != nil else { throw Misuse("", "the shape is NULL") }
    var shape = Shape()
    for axis in 0..<Int(rank) { shape.append(Int(lengths![axis])) }
    shape = try shape.validated("shape")
    try shape.checkSize(atMost: Context.largestTensor, "shape")
    return shape
  }

  /// The shape that a tensor's members say now.
  func shape(of tensor: TensorPointer) throws(Misuse) -> Shape {
    guard tensor.pointee.data != nil else { throw Misuse("", "the tensor's data is NULL") }
    let shape = try shape(tensor.pointee.shape, tensor.pointee.rank)
    guard shape.count == Int(tensor.pointee.size) else {
      throw Misuse(
        "", "shape \(shape) does not have the tensor's \(tensor.pointee.size) elements",
        hint: "members were changed by hand: set shape, rank and size together")
    }
    return shape
  }

  // MARK: Slots

  /// The slot of a variable.
  func slot(_ variable: VariablePointer?, _ what: @autoclosure () -> String) throws(Misuse) -> Slot {
    let variable = try check(variable, what())
    if variable.pointee.private_kind == HeaderKind.persistentVariable {
      let shape = try self.shape(of: try check(variable.pointee.data, "the variable's tensor"))
      return try core.use(try parameter(variable, shape))
    }
    let slot = Slot(variable.pointee.private_slot)
    if core.isOutsideOfPart(slot), variable.pointee.requires_grad {
      throw Misuse(
        "", "a part that is recomputed uses a variable of shape \(core.nodes[slot].shape) from outside that needs a "
          + "gradient",
        hint: "use the x that the part is given, or let the part end before it")
    }
    try takeOverChanges(of: variable)
    return slot
  }

  func slot(_ variable: VariablePointer?, argument: Int) throws(Misuse) -> Slot {
    try slot(variable, "argument \(argument)")
  }

  /// The slot of a tensor without gradient.
  func slot(_ tensor: UnsafePointer<TensorV2>?, _ what: StaticString) throws(Misuse) -> Slot {
    let tensor = try check(tensor, what)
    return core.append(
      try shape(of: tensor), data: UnsafeMutableRawPointer(tensor.pointee.data), requiresGradient: false)
  }

  /// Brings a temporary's node up to date with the members of its structs.
  func takeOverChanges(of variable: VariablePointer) throws(Misuse) {
    let slot = Slot(variable.pointee.private_slot)
    let tensor = try check(variable.pointee.data, "the variable's tensor")
    let isElsewhere = core.nodes[slot].data != UnsafeMutableRawPointer(tensor.pointee.data)
    if isElsewhere || !hasShape(tensor, core.nodes[slot].shape) {
      core.nodes[slot].shape = try shape(of: tensor)
      core.nodes[slot].data = UnsafeMutableRawPointer(tensor.pointee.data)
    }
    guard variable.pointee.requires_grad else {
      core.nodes[slot].requiresGradient = false
      return
    }
    try giveGradient(to: variable, slot)
  }

  private func hasShape(_ tensor: TensorPointer, _ shape: Shape) -> Bool {
    guard Int(tensor.pointee.rank) == shape.rank, Int(tensor.pointee.size) == shape.count else { return false }
    for axis in 0..<shape.rank where Int(tensor.pointee.shape[axis]) != shape[axis] { return false }
    return true
  }

  /// Makes a temporary's gradient exist, and the core use it.
  func giveGradient(to variable: VariablePointer, _ slot: Slot) throws(Misuse) {
    let shape = core.nodes[slot].shape
    if variable.pointee.grad == nil {
      let gradient = try temporaryTensor(shape)
      gradient.pointee.data.update(repeating: 0, count: shape.count)
      variable.pointee.grad = gradient
    }
    let gradient = try check(variable.pointee.grad, "the gradient")
    guard Int(gradient.pointee.size) == shape.count, let data = gradient.pointee.data else {
      throw Misuse("", "the gradient has \(gradient.pointee.size) elements, its variable has shape \(shape)")
    }
    core.nodes[slot].requiresGradient = true
    core.nodes[slot].gradient = UnsafeMutableRawPointer(data)
    core.nodes[slot].retainsGradient = true
  }

  // MARK: Headers

  func temporaryTensorHeader(_ shape: Shape, _ data: UnsafeMutableRawPointer) throws(Misuse) -> TensorPointer {
    try shape.checkSize(atMost: Context.largestTensor, "tensor")
    guard let header = headers.take(TensorV2.self) else { throw core.outOfMemory("header") }
    header.pointee.private_kind = HeaderKind.temporaryTensor
    header.pointee.private_step = core.step
    header.pointee.private_context = number
    header.pointee.storage = TENSOR_TEMPORARY
    header.setShape(shape)
    header.pointee.data = data.bindMemory(to: Double.self, capacity: shape.count)
    if parts.open > 0, !parts.note(header) { throw core.outOfMemory("header") }
    return header
  }

  /// A temporary tensor of undefined content.
  func temporaryTensor(_ shape: Shape) throws(Misuse) -> TensorPointer {
    try countBytesBesideArena()
    return try temporaryTensorHeader(shape, try core.allocate(shape.count * 8, shape, "tensor"))
  }

  /// The header of a new temporary variable; its gradient exists where it needs one.
  func variable(of slot: Slot, _ tensor: TensorPointer? = nil) throws(Misuse) -> VariablePointer {
    guard let header = headers.take(VariableV2.self) else { throw core.outOfMemory("header") }
    header.pointee.private_kind = HeaderKind.temporaryVariable
    header.pointee.private_step = core.step
    header.pointee.private_context = number
    header.pointee.private_slot = Int32(slot)
    header.pointee.requires_grad = core.nodes[slot].requiresGradient
    if let tensor {
      header.pointee.data = tensor
    } else {
      header.pointee.data = try temporaryTensorHeader(core.nodes[slot].shape, core.nodes[slot].data)
    }
    if parts.open > 0, !parts.note(header) { throw core.outOfMemory("header") }
    if header.pointee.requires_grad { try giveGradient(to: header, slot) }
    return header
  }
}

extension TensorPointer {
  /// Writes shape, rank and size. The lengths lie in the header itself.
  func setShape(_ shape: Shape) {
    // INVARIANT: private_lengths has room for the largest rank.
    let lengths = UnsafeMutableRawPointer(self).advanced(by: MemoryLayout<TensorV2>.offset(of: \.private_lengths)!)
      .bindMemory(to: Int32.self, capacity: Shape.maximumRank)
    for axis in 0..<shape.rank { lengths[axis] = Int32(shape[axis]) }
    pointee.shape = lengths
    pointee.rank = Int32(shape.rank)
    pointee.size = Int32(shape.count)
  }
}
