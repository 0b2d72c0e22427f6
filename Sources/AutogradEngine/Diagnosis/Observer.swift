import CAutogradSystem

/// Watches a tape's operations: for profiles, for the first number that is not finite, for growth.
///
/// A tape without an observer pays one branch per operation.
///
/// INVARIANT: what it reads of a node or of a gradient has the elements of the node's shape; parameters of nodes are
/// retained by the tape until its reset.
final class Observer {
  var findsNonFinite = false
  /// What `firstNonFinite` has found; nil inside where it is still looking, and outside where nobody notes.
  var note: Misuse??
  var profiles = false
  private var events: [StepProfile.Event] = []
  private var stepStart: UInt64 = 0
  private(set) var lastProfile: StepProfile?

  func beginStep() {
    events.removeAll(keepingCapacity: true)
    stepStart = csystem_nanoseconds()
  }

  func endStep(_ step: UInt64) {
    if profiles { lastProfile = StepProfile(step: step, events: events) }
  }

  func add(_ name: String, isBackward: Bool, start: UInt64, bytes: Int) {
    events.append(
      StepProfile.Event(
        name: name, isBackward: isBackward, start: start - stepStart, duration: csystem_nanoseconds() - start,
        bytes: bytes))
  }
}

extension TapeCore {
  /// Runs one operation forward under the observer.
  func observed(_ operation: StaticString, _ body: () throws(Misuse) -> Slot) throws(Misuse) -> Slot {
    guard let observer, !isPlanning else { return try body() }
    let start = csystem_nanoseconds(), used = arena.used, nodeCount = nodes.count
    let result = try body()
    if observer.profiles {
      observer.add("\(operation)", isBackward: false, start: start, bytes: max(0, arena.used - used))
    }
    if observer.findsNonFinite, result >= nodeCount { try checkFinite(result, operation) }
    return result
  }

  /// Runs one operation's backward under the observer.
  func observedBackward(_ record: Record) throws(Misuse) {
    guard let observer, !isPlanning else { return try propagate(record) }
    let start = csystem_nanoseconds(), used = arena.used
    try propagate(record)
    let name = record.name
    if observer.profiles { observer.add(name, isBackward: true, start: start, bytes: max(0, arena.used - used)) }
    if observer.findsNonFinite {
      for index in record.inputs.indices where record.inputs[index] >= 0 {
        try checkFiniteGradient(of: record.inputs[index], name, record)
      }
    }
  }

  private func checkFinite(_ slot: Slot, _ operation: StaticString) throws(Misuse) {
    let node = nodes[slot]
    guard !node.isTokens, let index = unsafe firstNonFinite(node.data, node.shape.count) else { return }
    try tell(
      Misuse(
        operation, "the first number that is not finite: \(unsafe element(node.data, index)) at index \(index) of its "
          + "result \(node.shape)\(stepClause)\(place(of: node.record))",
        hint: "its inputs were finite; look for a division by zero, a logarithm of 0 or numbers that exploded"))
  }

  private func checkFiniteGradient(of slot: Slot, _ operation: String, _ record: Record) throws(Misuse) {
    let node = nodes[slot]
    guard node.requiresGradient, !node.isTokens else { return }
    let gradient = unsafe node.parameter?.takeUnretainedValue().allocatedGradient().start ?? node.gradient
    guard let gradient = unsafe gradient, let index = unsafe firstNonFinite(gradient, node.shape.count) else { return }
    let whose = unsafe node.parameter?.takeUnretainedValue().name.map { "parameter \($0)" } ?? "input"
    try tell(
      Misuse(
        named: operation,
        "the first gradient that is not finite: \(unsafe element(gradient, index)) at index \(index) of "
          + "the gradient of its \(whose) \(node.shape)\(stepClause)\(place(of: nodes[record.output].record))",
        hint: "look at the values that enter this operation, or lower the learning rate"))
  }

  /// Stops with a finding, or notes the first.
  private func tell(_ finding: Misuse) throws(Misuse) {
    guard let observer, let note = observer.note else { throw finding }
    if note == nil { observer.note = .some(finding) }
  }

  /// Who notes findings counts steps by other numbers than the tape's.
  private var stepClause: String { observer?.note == nil ? ", in step \(step)" : "" }

  /// The nearest parameter by name at or before a record: where in the network an operation stands.
  private func place(of record: Int) -> String {
    for index in stride(from: record, through: 0, by: -1) {
      for input in records[index].inputs.indices where records[index].inputs[input] >= 0 {
        let parameter = unsafe nodes[records[index].inputs[input]].parameter?.takeUnretainedValue()
        if let name = parameter?.name { return index == record ? ", with \(name)" : ", after \(name)" }
      }
    }
    return ""
  }

  @unsafe private func firstNonFinite(_ start: UnsafeMutableRawPointer, _ count: Int) -> Int? {
    for index in 0..<count where !(unsafe element(start, index).isFinite) { return index }
    return nil
  }
}

extension Record {
  /// As the public operation is called: one kind serves two of them.
  var name: String { kind == .extremum && integers[1] == 1 ? "min" : kind.name }
}

extension OperationKind {
  /// As the public operation is called, where that differs from the case.
  var name: String {
    switch self {
    case .relu, .geluTanh, .geluErf, .exp, .log, .tanh, .sigmoid, .silu, .squareRoot, .absolute,
      .reluSquared:
      "\(unary.name)"
    case .attention: "causalAttention"
    case .power: "power"
    case .select: "replacing"
    case .extremum: "max"
    case .userDefined, .custom: "custom"
    default: "\(self)"
    }
  }
}
