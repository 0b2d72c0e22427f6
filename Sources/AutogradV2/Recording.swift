import AutogradEngine
import CAutogradV2

// How an operation called from C ends: a header for its result, an entry on the tape as C sees it.

/// The inputs of an operation, in the arena.
struct InputList {
  let start: UnsafeMutablePointer<VariablePointer?>
  let capacity: Int
  private(set) var count = 0

  init(start: UnsafeMutablePointer<VariablePointer?>, capacity: Int) {
    self.start = start
    self.capacity = capacity
  }

  /// A model that grew while it ran keeps its first variables.
  mutating func add(_ variable: VariablePointer?) {
    guard count < capacity else { return }
    start[count] = variable
    count += 1
  }
}

extension Context {
  /// The result of an operation on up to three variables; NULL ones are left out.
  func finish(
    _ name: StaticString, _ slot: Slot, _ a: VariablePointer?, _ b: VariablePointer? = nil, _ c: VariablePointer? = nil
  ) throws(Misuse) -> VariablePointer {
    try finish(name, slot, capacity: 3) { list in
      if a != nil { list.add(a) }
      if b != nil { list.add(b) }
      if c != nil { list.add(c) }
    }
  }

  /// The result of an operation on at most `capacity` variables, which `fill` names.
  func finish(
    _ name: StaticString, _ slot: Slot, capacity: Int, _ fill: (inout InputList) -> Void
  ) throws(Misuse) -> VariablePointer {
    try checkMemory(name)
    if findsAnomalies { try checkNumbers(slot) }
    let result = try variable(of: slot)
    if core.nodes[slot].requiresGradient {
      try enter(result, on: tape, capacity: capacity, backward: nil, context: nil, fill)
    }
    return result
  }

  /// Enters an operation on a tape, as C sees it.
  func enter(
    _ output: VariablePointer, on tape: UnsafeMutablePointer<TapeV2>, capacity: Int, backward: BackwardFunc?,
    context: UnsafeMutableRawPointer?, _ fill: (inout InputList) -> Void
  ) throws(Misuse) {
    var inputs = InputList(start: try allocateList(VariablePointer?.self, capacity), capacity: capacity)
    fill(&inputs)
    let operation = TapeOp(
      inputs: inputs.start, num_inputs: Int32(inputs.count), output: output, backward: backward, ctx: context)
    guard TapeLists.append(operation, to: tape) else { throw core.outOfMemory("tape") }
    if checksInputs { keepFingerprints(of: operation, on: tape) }
  }

  /// Runs an operation: room first, so that nothing fails half-way, then the operation, then its header.
  func record(
    _ name: StaticString, operations: Int = 1, _ body: () throws(Misuse) -> VariablePointer
  ) throws(Misuse) -> VariablePointer {
    guard !isWalking || parts.running > 0 || !core.isRecording else {
      throw Misuse("", "an operation is recorded inside a backward", hint: "use tensor_… functions in a callback")
    }
    try reserve(operations: operations)
    let nodes = core.nodes.count, records = core.records.count
    do throws(Misuse) {
      return isRecording ? try body() : try core.inference(body)
    } catch {
      // What it has entered so far nobody knows of.
      core.truncate(nodes: min(nodes, core.nodes.count), records: min(records, core.records.count))
      throw error
    }
  }
}

/// Runs an operation of one variable.
func operation(
  _ name: StaticString, _ a: VariablePointer?, _ body: (TapeCore, Slot) throws(Misuse) -> Slot
) -> VariablePointer? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name) { () throws(Misuse) in
      let x = try context.slot(a, argument: 1)
      return try context.finish(name, try body(context.core, x), a)
    }
  }
}

/// Runs an operation of two variables.
func operation(
  _ name: StaticString, _ a: VariablePointer?, _ b: VariablePointer?,
  _ body: (TapeCore, Slot, Slot) throws(Misuse) -> Slot
) -> VariablePointer? {
  call(name, nil) { context throws(Misuse) in
    try context.record(name) { () throws(Misuse) in
      let x = try context.slot(a, argument: 1), y = try context.slot(b, argument: 2)
      return try context.finish(name, try body(context.core, x, y), a, b)
    }
  }
}
