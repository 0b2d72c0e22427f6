import AutogradEngine
import CAutogradV2

// Parts that a program has recomputed: the core's `Recomputation` with a function of C in its middle.
//
// Forward runs the function once and ends all it made but the result: variables, operations on the tape, memory.
// Backward runs it again. Headers of what ended stay where they are and say so; nothing of theirs can enter the library
// again.

typealias PartFunction = @convention(c) (V?, UnsafeMutableRawPointer?) -> V?

/// What the parts that run now have made.
struct RunningParts: ~Copyable {
  /// Functions of the program that are being called, one in the other.
  var running = 0
  /// Parts whose variables exist: those that run, and those whose backward does.
  fileprivate(set) var open = 0
  private var tensors = GrowingTable<TensorPointer>(capacity: 0)
  private var variables = GrowingTable<VariablePointer>(capacity: 0)
  /// The persistent variables that the part used which ended last.
  fileprivate var used = GrowingTable<VariablePointer>(capacity: 0)

  /// Notes a header, which ends with the part; false where the system has no memory.
  mutating func note(_ tensor: TensorPointer) -> Bool {
    guard tensors.reserve(spare: 1) else { return false }
    tensors.append(tensor)
    return true
  }

  mutating func note(_ variable: VariablePointer) -> Bool {
    guard variables.reserve(spare: 1) else { return false }
    variables.append(variable)
    return true
  }

  /// What recording, seed and draws are outside of the part that backward is about to call.
  fileprivate(set) var settings: OuterSettings?

  /// After an exception or a longjmp: these are left.
  mutating func leave(running: Int, open: Int) { (self.running, self.open, settings) = (running, open, nil) }

  /// The same, and nothing is left of them. Their headers are stale with the iteration.
  mutating func abandon() {
    leave(running: 0, open: 0)
    tensors.removeLast(downTo: 0)
    variables.removeLast(downTo: 0)
    used.removeLast(downTo: 0)
  }

  var bytes: Int { (tensors.count + variables.count) * 8 }

  fileprivate mutating func begin() -> (tensors: Int, variables: Int) {
    open += 1
    return (tensors.count, variables.count)
  }

  /// Ends every header noted since `start`.
  fileprivate mutating func end(since start: (tensors: Int, variables: Int)) {
    for index in start.tensors..<tensors.count { tensors[index].pointee.private_kind = HeaderKind.endedTensor }
    for index in start.variables..<variables.count {
      variables[index].pointee.private_kind = HeaderKind.endedVariable
    }
    tensors.removeLast(downTo: start.tensors)
    variables.removeLast(downTo: start.variables)
    open -= 1
  }
}

/// One call of ag_recompute.
private final class ProgramPart: RecomputedPart {
  private unowned let context: Context
  private let body: PartFunction
  private let user: UnsafeMutableRawPointer?
  /// What random numbers other than dropout's, which the core sees to, came from in forward.
  private let seed: UInt64, draws: RandomDraws
  /// What there was before the run that has not ended yet.
  private var start: (headers: (tensors: Int, variables: Int), nodes: Int, operations: Int, fingerprints: Int)?

  init(_ context: Context, _ body: @escaping PartFunction, _ user: UnsafeMutableRawPointer?) {
    (self.context, self.body, self.user) = (context, body, user)
    (seed, draws) = (context.seed, context.draws)
  }

  func run(_ core: TapeCore, _ x: Slot, _ tokens: Slot) throws(Misuse) -> Slot {
    let operations = Int(context.tape.pointee.count)
    start = (context.parts.begin(), core.nodes.count, operations, context.fingerprints.count)
    // A variable of the part's own: the program's x may have been freed when backward comes.
    try context.reserve(operations: 1, "recompute")
    let input = try context.variable(of: try core.reshape(x, to: core.nodes[x].shape))
    let result = try context.slot(try call(input), "the part's result")
    try context.takeOverChanges(on: context.tape, from: operations)
    guard context.written.reserve(spare: core.nodes.count), context.parts.used.reserve(spare: core.nodes.count) else {
      throw core.outOfMemory("recompute")
    }
    return result
  }

  /// Calls the program. In backward with the settings of forward.
  private func call(_ x: V) throws(Misuse) -> V? {
    var callout = AutogradV2Callout()
    (callout.part, callout.x, callout.user) = (body, x, user)
    let running = context.parts.running, before = context.settings
    context.parts.running += 1
    defer { context.parts.running = running }
    guard context.isWalking else {
      try context.callOut(&callout)
      return callout.result
    }
    context.parts.settings = before
    (context.isRecording, context.seed, context.draws) = (true, seed, draws)
    defer {
      context.parts.settings = nil
      (context.isRecording, context.seed, context.draws) = (before.isRecording, before.seed, before.draws)
    }
    try context.callOut(&callout)
    return callout.result
  }

  func willEnd(_ core: TapeCore) {
    guard let start else { return }
    if context.isWalking { context.listWritten(from: start.nodes) } else { noteUsed(from: start.operations) }
    context.tape.pointee.count = Int32(start.operations)
    context.fingerprints.removeLast(downTo: start.fingerprints)
    context.parts.end(since: start.headers)
    self.start = nil
  }

  /// Notes each persistent variable among the inputs of the part's operations, once.
  private func noteUsed(from first: Int) {
    context.parts.used.removeLast(downTo: 0)
    for index in first..<Int(context.tape.pointee.count) {
      let operation = context.tape.pointee.ops[index]
      for position in 0..<Int(operation.num_inputs) {
        guard let variable = operation.inputs[position],
          variable.pointee.private_kind == HeaderKind.persistentVariable,
          !(0..<context.parts.used.count).contains(where: { context.parts.used[$0] == variable }),
          context.parts.used.reserve(spare: 1)
        else { continue }
        context.parts.used.append(variable)
      }
    }
  }
}

@c @implementation func autograd_v2_impl_ag_recompute(
  _ x: V!, _ part: (@convention(c) (V?, UnsafeMutableRawPointer?) -> V?)!, _ user: UnsafeMutableRawPointer!
) -> V! {
  call("ag_recompute", nil) { context throws(Misuse) in
    guard let part else { throw Misuse("", "the function that computes the part is NULL") }
    return try context.record("ag_recompute", operations: 2) { () throws(Misuse) in
      let input = try context.slot(x, argument: 1)
      context.parts.used.removeLast(downTo: 0)
      let slot = try context.core.recompute(ProgramPart(context, part, user), input)
      return try context.finish("ag_recompute", slot, capacity: 1 + context.parts.used.count) { list in
        list.add(x)
        for index in 0..<context.parts.used.count { list.add(context.parts.used[index]) }
      }
    }
  }
}
