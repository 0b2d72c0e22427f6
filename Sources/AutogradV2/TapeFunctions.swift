import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

typealias TapePointer = UnsafeMutablePointer<TapeV2>

extension Context {
  /// The tape that a program means; NULL is `g_tape` as it was before the thread's first call.
  func check(_ tape: TapePointer?) throws(Misuse) -> TapePointer {
    guard let tape else {
      if core.step == 1, core.records.count == 0 { return self.tape }
      throw absent("the tape")
    }
    guard lists.contains(tape) else {
      if Cells.state(tape) == .freed {
        throw Misuse("", "the tape does not belong to the context any more: it was destroyed before, or went with it")
      }
      throw Misuse("", "the tape does not belong to the calling thread's context", hint: "use g_tape, or tape_create()")
    }
    return tape
  }

  /// Brings what the tape's operations work on up to date with the members of C's structs.
  func takeOverChanges(on tape: TapePointer, from first: Int = 0) throws(Misuse) {
    for index in first..<Int(tape.pointee.count) {
      let operation = tape.pointee.ops[index]
      if isOurs(operation.output) { try takeOverChanges(of: operation.output) }
      for position in 0..<Int(operation.num_inputs) {
        if let input = operation.inputs[position], isOurs(input) { try takeOverChanges(of: input) }
      }
    }
  }

  private func isOurs(_ variable: VariablePointer) -> Bool {
    variable.pointee.private_kind == HeaderKind.temporaryVariable && variable.pointee.private_step == core.step
  }

  fileprivate static let afterwards = "call it when that has returned"

  func backward(_ tape: TapePointer) throws(Misuse) {
    try requireIdle(Context.afterwards)
    try takeOverChanges(on: tape)
    if checksInputs { try checkFingerprints(tape) }
    isWalking = true
    defer { isWalking = false }
    do throws(Misuse) {
      try explain(try core.backwardFromSeeds(tag: tape.pointee.private_tag))
      try settleGradients()
    } catch {
      hasFailedBackward = true
      throw error
    }
  }

  private func explain(_ walk: SeededWalk) throws(Misuse) {
    switch walk {
    case .walked: return
    case .noSeed:
      throw Misuse(
        "", "no variable has a gradient to start from", hint: "set loss->grad->data[0] = 1.0 before tape_backward")
    case .alreadyWalked:
      throw Misuse(
        "", "these operations were walked by an earlier backward, which consumed them",
        hint: "compute them again, or seed all losses and walk once")
    case .nothingRecorded:
      throw Misuse(
        "", "no operation is on the tape",
        hint: "compute the loss in this iteration, from variables with requires_grad, with recording on")
    }
  }

  // MARK: Custom operations

  /// Calls the program's backward of a record.
  func runCustomBackward(_ record: Record) throws(Misuse) {
    // INVARIANT: a custom record keeps its tape in saved[0] and the place of its operation in integers[2].
    guard let tape = record.saved[0]?.assumingMemoryBound(to: TapeV2.self) else { return }
    let operation = tape.pointee.ops[record.integers[2]]
    try core.forEachInput(of: record) { slot throws(Misuse) in
      try core.materializeGradient(of: slot, "backward")
    }
    var callout = AutogradV2Callout()
    (callout.backward, callout.user, callout.gradient) =
      (operation.backward, operation.ctx, operation.output.pointee.grad)
    try callOut(&callout)
  }

  func addCustom(
    _ tape: TapePointer, _ inputs: UnsafeMutablePointer<V?>?, _ count: Int, _ output: V?, _ backward: BackwardFunc?,
    _ pointer: UnsafeMutableRawPointer?
  ) throws(Misuse) {
    guard count >= 0, count == 0 || inputs != nil else { throw Misuse("", "\(count) inputs in a list that is NULL") }
    guard backward != nil else { throw Misuse("", "the backward function is NULL") }
    guard parts.running == 0 || tape == self.tape else {
      throw Misuse("", "a part that is recomputed records on another tape", hint: "record on g_tape inside of it")
    }
    try reserve(operations: max(1, count), "tape")
    let slot = try self.slot(output, "the output")
    guard output?.pointee.private_kind == HeaderKind.temporaryVariable else {
      throw Misuse("", "the output is persistent", hint: "make it with var_create_temp")
    }
    guard core.nodes[slot].record < 0 else {
      throw Misuse("", "another operation made the output already", hint: "make a variable for each operation")
    }
    let list = try allocateList(Slot.self, count)
    for index in 0..<count { list[index] = try self.slot(inputs?[index], "input \(index)") }
    guard recordsNow, core.nodes[slot].requiresGradient else { return }
    let place = Int(tape.pointee.count)
    try enter(output!, on: tape, capacity: count, backward: backward, context: pointer) { list in
      for index in 0..<count { list.add(inputs?[index]) }
    }
    try recording(on: tape) { () throws(Misuse) in
      core.record(
        .custom, -1, output: slot, saved: [UnsafeMutableRawPointer(tape), nil, nil],
        integers: [core.listInputs(list, count), count, place, 0])
    }
  }

  /// Runs `body` with its records going to `tape`.
  private func recording(on tape: TapePointer, _ body: () throws(Misuse) -> Void) throws(Misuse) {
    let before = core.recordTag
    core.recordTag = tape.pointee.private_tag
    defer { core.recordTag = before }
    try body()
  }
}

@c @implementation func autograd_v2_impl_tape_backward(_ tape: TapePointer!) -> Int32 {
  call("tape_backward", -1) { context throws(Misuse) in
    try context.backward(try context.check(tape))
    return 0
  }
}

@c @implementation func autograd_v2_impl_autograd_backward(_ loss: V!) -> Int32 {
  call("autograd_backward", -1) { context throws(Misuse) in
    let loss = try context.check(loss, "the loss")
    guard try context.check(loss.pointee.data, "the loss's tensor").pointee.size == 1 else {
      throw Misuse(
        "", "the loss has \(loss.pointee.data?.pointee.size ?? 0) elements, not one", hint: "take ag_sum of it")
    }
    guard loss.pointee.requires_grad, let gradient = loss.pointee.grad else {
      throw Misuse("", "the loss depends on no variable that requires a gradient", hint: "check requires_grad")
    }
    try context.requireIdle(Context.afterwards)
    try context.check(gradient, "the gradient").pointee.data[0] = 1
    try context.backward(context.tape)
    return 0
  }
}

@c @implementation func autograd_v2_impl_tape_add_op(
  _ tape: TapePointer!, _ inputs: UnsafeMutablePointer<V?>!, _ num_inputs: Int32, _ output: V!,
  _ backward: BackwardFunc!, _ ctx: UnsafeMutableRawPointer!
) -> Int32 {
  call("tape_add_op", -1) { context throws(Misuse) in
    try context.addCustom(try context.check(tape), inputs, Int(num_inputs), output, backward, ctx)
    return 0
  }
}

@c @implementation func autograd_v2_impl_tape_create() -> TapePointer! {
  call("tape_create", nil) { context throws(Misuse) in
    guard let tape = Cells.take(TapeV2.self, .tape) else { throw context.core.outOfMemory("tape_create") }
    tape.pointee.private_kind = HeaderKind.tape
    tape.pointee.private_context = context.number
    guard context.lists.add(tape) else {
      _ = Cells.giveBack(tape, .tape)
      throw context.core.outOfMemory("tape_create")
    }
    return tape
  }
}

@c @implementation func autograd_v2_impl_tape_reset(_ tape: TapePointer!) {
  call("tape_reset", ()) { context throws(Misuse) in
    let tape = try context.check(tape)
    try context.requireIdle()
    context.core.dropRecords(tag: tape.pointee.private_tag)
    tape.pointee.count = 0
  }
}

@c @implementation func autograd_v2_impl_tape_destroy(_ tape: TapePointer!) {
  guard tape != nil else { return }
  call("tape_destroy", ()) { context throws(Misuse) in
    let tape = try context.check(tape)
    guard tape != context.tape else {
      throw Misuse("", "g_tape belongs to its context", hint: "autograd_v2_cleanup() ends both")
    }
    try context.requireIdle()
    context.core.dropRecords(tag: tape.pointee.private_tag)
    context.lists.remove(tape)
  }
}
