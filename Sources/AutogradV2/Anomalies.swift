import AutogradEngine
import CAutogradV2

// Checks that a program switches on: numbers that are not finite (autograd_set_anomaly_mode), values that changed
// between forward and backward (AUTOGRAD_CHECK=1).

extension Context {
  /// Throws where an operation's result is not finite.
  func checkNumbers(_ slot: Slot) throws(Misuse) {
    let count = core.nodes[slot].shape.count
    for index in 0..<count where !core.element(core.data(slot), index).isFinite {
      throw Misuse(
        "", "the result has \(core.element(core.data(slot), index)) at element \(index) of shape "
          + "\(core.nodes[slot].shape)",
        hint: "look for a division by zero, a logarithm of 0, or a learning rate that is too high")
    }
  }

  /// Throws where walking a record made a gradient that is not finite.
  func checkGradients(_ record: Record) throws(Misuse) {
    try core.forEachInput(of: record) { slot throws(Misuse) in
      guard core.nodes[slot].requiresGradient, !core.nodes[slot].isTokens, let gradient = gradientStart(slot)
      else { return }
      for index in 0..<core.nodes[slot].shape.count where !core.element(gradient, index).isFinite {
        throw Misuse(
          "", "the backward of \(record.kind) made the gradient \(core.element(gradient, index)) at element \(index) "
            + "of shape \(core.nodes[slot].shape)",
          hint: "look for a division by zero, a root or logarithm of 0, or a learning rate that is too high")
      }
    }
  }

  private func gradientStart(_ slot: Slot) -> UnsafeMutableRawPointer? {
    if let parameter = core.nodes[slot].parameter?.takeUnretainedValue() { return parameter.allocatedGradientStart }
    return core.nodes[slot].gradient
  }

  // MARK: Fingerprints

  /// Keeps fingerprints of what an operation's backward will read: inputs, and last the result.
  func keepFingerprints(of operation: TapeOp, on tape: TapePointer) {
    guard readsOperands(operation.output), fingerprints.reserve(spare: Int(operation.num_inputs) + 1) else { return }
    let place = Int(tape.pointee.count) - 1
    for index in 0...Int(operation.num_inputs) {
      fingerprints.append(
        Fingerprint(tape: tape, operation: place, operand: index, value: fingerprint(operation, index)))
    }
  }

  /// Throws where an operand of an operation on `tape` is not what it was when the operation was recorded.
  func checkFingerprints(_ tape: TapePointer) throws(Misuse) {
    for index in 0..<fingerprints.count where fingerprints[index].tape == tape {
      let kept = fingerprints[index], operation = tape.pointee.ops[kept.operation]
      guard kept.value != fingerprint(operation, kept.operand) else { continue }
      let isResult = kept.operand == Int(operation.num_inputs)
      let variable = isResult ? operation.output : operation.inputs[kept.operand]
      throw Misuse(
        "", "\(isResult ? "the result" : "input \(kept.operand)") of operation \(kept.operation) on the tape, "
          + "\(shapeText(variable)), changed after the operation was computed",
        hint: "change data after tape_backward only")
    }
  }

  /// Whether the backward of what made `output` reads numbers of the forward.
  private func readsOperands(_ output: VariablePointer) -> Bool {
    let record = core.nodes[Slot(output.pointee.private_slot)].record
    guard record >= 0 else { return true }
    switch core.records[record].kind {
    case .add, .subtract, .affine, .reshape, .permute, .sum, .slice, .concatenate, .extremum, .gather,
      .dropout:
      return false
    default: return true
    }
  }

  private func shapeText(_ variable: VariablePointer?) -> String {
    guard let tensor = variable?.pointee.data, let shape = try? shape(of: tensor) else { return "without a shape" }
    return "of shape \(shape)"
  }

  /// FNV-1a over the words of one operand's numbers; a freed one has none.
  private func fingerprint(_ operation: TapeOp, _ operand: Int) -> UInt64 {
    let variable = operand == Int(operation.num_inputs) ? operation.output : operation.inputs[operand]
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    guard let tensor = variable?.pointee.data, let data = tensor.pointee.data else { return hash }
    for index in 0..<Int(tensor.pointee.size) { hash = (hash ^ data[index].bitPattern) &* 0x100_0000_01b3 }
    return hash
  }
}

/// What an operand's numbers were when its operation was recorded.
struct Fingerprint: BitwiseCopyable {
  let tape: TapePointer
  let operation: Int
  /// The number of the input; as many as there are inputs means the result.
  let operand: Int
  let value: UInt64
}
