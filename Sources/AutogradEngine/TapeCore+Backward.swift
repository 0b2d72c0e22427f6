import CAutogradKernels
import AutogradKernels

/// Where a contribution to a gradient goes, and whether it adds to what is there.
///
/// INVARIANT: the target has as many elements as the variable whose gradient it is. It is that variable's own until
/// `giveBackGradient`, or a parameter's, which the step retains; while planning nobody touches it.
@safe package struct Contribution {
  package let target: UnsafeMutableRawPointer
  package let adds: Bool

  /// As the kernels want it.
  package var accumulate: Int32 { adds ? 1 : 0 }
}

package extension TapeCore {
  // MARK: Recording

  /// Records an operation where backward will need it.
  ///
  /// INVARIANT: `saved` are blocks of this step, which end no sooner than the record.
  func record(
    _ kind: OperationKind, _ a: Slot, _ b: Slot = -1, _ c: Slot = -1, _ d: Slot = -1, _ e: Slot = -1, _ f: Slot = -1,
    output: Slot,
    saved: InlineArray<3, UnsafeMutableRawPointer?> = unsafe InlineArray(repeating: nil),
    integers: InlineArray<4, Int> = InlineArray(repeating: 0),
    scalars: InlineArray<2, Double> = InlineArray(repeating: 0)
  ) {
    guard isRecording, nodes[output].requiresGradient else { return }
    nodes[output].record = records.count
    var record = unsafe Record(
      kind: kind, inputs: [a, b, c, d, e, f], output: output, saved: saved, integers: integers, scalars: scalars,
      tag: recordTag, step: step)
    if kind.listsInputs {
      record.versions[0] = listedVersion(integers[0], integers[1])
    } else {
      record.versions = versions(record.inputs)
    }
    records.append(record)
  }

  // MARK: Walking back

  /// Computes the gradient of `root`, times `seed`, with respect to every trainable parameter that it depends on.
  ///
  /// Walks the records once, newest first. What no trainable parameter needs was never recorded; what the root
  /// does not depend on has no gradient and is passed over.
  func backward(from root: Slot, seed: Double) throws(Misuse) {
    try checkBackward(root)
    let target = unsafe try contribution(to: root, "backward")
    if let target = target { unsafe setElement(target.target, to: seed) }
    try walk(from: nodes[root].record, downTo: 0)
    if !isPlanning { clock.complete(generation) }
  }

  /// Walks the records from number `last` back to number `first`.
  internal func walk(from last: Int, downTo first: Int) throws(Misuse) {
    for index in stride(from: last, through: first, by: -1) {
      let record = records[index]
      // A consumed record's output may hold a gradient that an earlier backward was told to retain.
      guard unsafe nodes[record.output].gradient != nil, !record.consumed else { continue }
      // What the caller sees has a gradient, of zeros, whether or not one flows there.
      guard !walksFromSeeds || nodes[record.output].isReached else { continue }
      records[index].consumed = true
      try walk(over: record)
      giveBackGradient(of: record.output)
      try afterWalking?(record)
    }
  }

  /// Runs the backward of one record.
  internal func walk(over record: Record) throws(Misuse) {
    try checkUnchanged(record, inputs: valuesRead(by: record))
    guard hasForgotten else { return try propagateObserved(record) }
    try withInputs(of: record) { () throws(Misuse) in try propagateObserved(record) }
  }

  private func propagateObserved(_ record: Record) throws(Misuse) {
    // What is recomputed is observed operation by operation.
    if observer == nil || record.kind == .recompute { try propagate(record) } else { try observedBackward(record) }
  }

  private func checkBackward(_ root: Slot) throws(Misuse) {
    let node = nodes[root]
    guard surroundings == nil else {
      throw Misuse(
        "backward", "it was called inside a part that is recomputed", hint: "call it on what the part returns")
    }
    guard node.shape.count == 1 else {
      throw Misuse(
        "backward", "expected a single number, got shape \(node.shape)", hint: "reduce it with .sum() or .mean()")
    }
    guard isRecording else {
      throw Misuse("backward", "nothing is recorded inside inference", hint: "compute the loss outside of it")
    }
    guard node.requiresGradient, node.record >= 0 else {
      throw Misuse(
        "backward", "the variable does not depend on any trainable parameter",
        hint: "build it from parameters, and check that they are not frozen")
    }
    try checkUnwalked(root)
  }

  /// Throws where an earlier backward has consumed the operation that made a variable. A walk from seeds made sure of
  /// that before it began.
  func checkUnwalked(_ slot: Slot) throws(Misuse) {
    let record = nodes[slot].record
    guard record >= 0, records[record].consumed, !walksFromSeeds else { return }
    throw TapeCore.secondBackward
  }

  internal static var secondBackward: Misuse {
    Misuse(
      "backward", "these operations were walked by an earlier backward, which consumed them",
      hint: "add the losses up and call backward once, or compute the operations again")
  }

  /// Gives a gradient buffer back to the step once its variable's record has been walked.
  internal func giveBackGradient(of slot: Slot) {
    guard !nodes[slot].retainsGradient, let gradient = unsafe nodes[slot].gradient else { return }
    unsafe free(gradient, nodes[slot].shape)
    unsafe nodes[slot].gradient = nil
  }

  // MARK: Gradients

  /// The gradient of a record's output. INVARIANT: `shape.count` elements, valid until it is given back.
  @unsafe func gradient(of slot: Slot) -> UnsafeMutableRawPointer {
    guard let gradient = unsafe nodes[slot].gradient else { fatalError("backward: variable \(slot) has no gradient") }
    return unsafe gradient
  }

  /// Where to write a contribution to the gradient of `slot`; nil where nobody needs it.
  ///
  /// The first contribution overwrites: an operation that touches only part of its input zeroes the rest.
  @unsafe func contribution(
    to slot: Slot, _ operation: StaticString, appliesUpdate: Bool = true
  ) throws(Misuse) -> Contribution? {
    guard slot >= 0, nodes[slot].requiresGradient else { return nil }
    if let parameter = unsafe nodes[slot].parameter?.takeUnretainedValue() {
      if isPlanning { return unsafe Contribution(target: TapeCore.plannedAddress, adds: false) }
      guard !parameter.isReplaced(generation, of: clock) else { throw replacedGradient(parameter, operation) }
      let (target, adds) = unsafe parameter.contribution(generation: generation, clock: clock, appliesUpdate: appliesUpdate)
      return unsafe Contribution(target: target, adds: adds)
    }
    try checkUnwalked(slot)
    if let gradient = unsafe nodes[slot].gradient { return unsafe Contribution(target: gradient, adds: true) }
    let gradient = unsafe try allocateGradient(nodes[slot].shape, operation)
    unsafe nodes[slot].gradient = unsafe gradient
    return unsafe Contribution(target: gradient, adds: false)
  }

  private func replacedGradient(_ parameter: ParameterCore, _ operation: StaticString) -> Misuse {
    Misuse(
      operation,
      "the gradient of parameter \(parameter.name ?? "of shape \(parameter.shape)") to which this step adds was replaced "
        + "by another tape's",
      hint: "let one tape accumulate to the end before another writes gradients of the same parameters")
  }

  /// Adds the output's gradient to an input of the same number of elements. INVARIANT: a buffer belongs to one variable
  /// at a time. Call it last: where the input has no
  /// gradient yet it takes over the output's buffer.
  func passGradient(from output: Slot, to input: Slot, _ operation: StaticString) throws(Misuse) {
    guard input >= 0, nodes[input].requiresGradient, let gradient = unsafe nodes[output].gradient else { return }
    let free = unsafe nodes[input].parameter == nil && nodes[input].gradient == nil
    if free, !nodes[output].retainsGradient {
      try checkUnwalked(input)
      unsafe nodes[input].gradient = unsafe gradient
      unsafe nodes[output].gradient = nil
      return
    }
    guard let target = unsafe try contribution(to: input, operation) else { return }
    unsafe copy(gradient, to: target.target, count: nodes[input].shape.count, accumulate: target.adds)
  }
}
