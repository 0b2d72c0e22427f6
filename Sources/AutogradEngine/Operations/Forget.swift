import CAutogradKernels

// Values that are given up once what needs them has been computed: norms, activations and gates, which cost one pass
// over memory to compute again. Their memory serves the next temporary of the same size, so that a network holds one
// such value at a time instead of one for each layer, and what is computed stays in the caches.
//
// Before the backward of an operation whose input was given up, the value is computed again into a block of the step,
// by the kernel that made it from what its record kept: the same bits. The block is free again after that operation.
//
// INVARIANT: `data` of a forgotten node is read only while `isRestored`; what its record kept lives as long as the step,
// and its own backward, which may write there, comes after those of all that used it.

package extension TapeCore {
  /// Gives up the value of a variable where its record has what it takes to compute it again; else keeps it.
  func forget(_ slot: Slot) throws(Misuse) {
    guard isRecording, canRestore(nodes[slot]), !nodes[slot].isForgotten else { return }
    unsafe free(nodes[slot].data, nodes[slot].shape)
    nodes[slot].isForgotten = true
    hasForgotten = true
    // No handle knows this serial: whoever still uses the variable meets a sentence.
    nodes[slot].serial = nextSerial()
  }

  private func canRestore(_ node: Node) -> Bool {
    guard node.record >= 0, node.shape.count > 0, !node.isShared, !node.isPassedOn else { return false }
    let record = records[node.record]
    return switch record.kind {
    case .layerNorm, .rmsNorm: true
    case .gatedLinear: unsafe record.saved[0] != nil
    case .linear: unsafe record.saved[0] != nil && record.inputs[3] < 0
    default: false
    }
  }

  /// Runs the backward of a record with the values that its inputs had.
  internal func withInputs(of record: Record, _ body: () throws(Misuse) -> Void) throws(Misuse) {
    // What somebody further out has restored already is theirs to free.
    let first = restored.count
    defer { restored.removeLast(downTo: first) }
    try forEachInput(of: record) { slot throws(Misuse) in
      guard nodes[slot].isForgotten, !nodes[slot].isRestored else { return }
      try restoreValue(of: slot)
      restored.append(slot)
    }
    try body()
    for index in first..<restored.count {
      let slot = restored[index]
      nodes[slot].isRestored = false
      unsafe free(nodes[slot].data, nodes[slot].shape)
    }
  }

  /// Computes a value again, into a block of its own.
  private func restoreValue(of slot: Slot) throws(Misuse) {
    let record = records[nodes[slot].record], shape = nodes[slot].shape
    let y = unsafe try allocateGradient(shape, "forget")
    switch record.kind {
    case .layerNorm:
      try checkUnchanged(record, inputs: 7)
      try withInputs(of: record) { () throws(Misuse) in unsafe normalize(record, into: y) }
    case .rmsNorm:
      try checkUnchanged(record, inputs: 3)
      try withInputs(of: record) { () throws(Misuse) in unsafe normalizeSize(record, into: y) }
    case .gatedLinear: unsafe gate(record, into: y)
    default:
      guard let activation = OperationKind(rawValue: UInt8(record.integers[0])) else { break }
      let (op, cost, _) = activation.unary
      unsafe runElements(ck_unary(op: op, y: y, x: record.saved[0]), count: shape.count, cost: cost)
    }
    unsafe nodes[slot].data = unsafe y
    nodes[slot].isRestored = true
  }
}

extension Variable {
  /// Gives up the value: its memory serves what comes next, and backward computes it again where it needs it.
  ///
  /// Call it when everything that uses the variable stands; using it afterwards stops with a sentence. Worth it for
  /// what costs next to nothing to compute again: the results of `layerNorm`, `rmsNorm` and `gatedLinear`, and of
  /// `linear` with an activation and no residual. All others, what a `reshape` shares its memory with, and everything
  /// inside `tape.inference` stay as they are. Gradients keep their bits.
  ///
  /// ```swift
  /// let hidden = x.linear(weight1, activation: .geluTanh)
  /// let y = hidden.linear(weight2)
  /// hidden.forget()
  /// ```
  ///
  /// - Complexity: nothing now; one pass over memory for each operation that used the variable, in backward.
  public func forget() {
    stopping { () throws(Misuse) in
      let core = try TapeTable.core(of: handle, "forget")
      try core.forget(core.slot(handle, "forget"))
    }
  }
}
