import Autograd
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

  /// Keeps a fingerprint of what an operation's backward will read.
  func keepFingerprint(of operation: TapeOp) {
    guard fingerprints.reserve(spare: 1) else { return }
    fingerprints.append(Fingerprint(output: operation.output, value: fingerprint(of: operation)))
  }

  /// Throws where an operation of `tape` has other inputs, or another result, than when it was recorded.
  func checkFingerprints(_ tape: TapePointer) throws(Misuse) {
    for position in 0..<Int(tape.pointee.count) {
      let operation = tape.pointee.ops[position]
      for index in 0..<fingerprints.count where fingerprints[index].output == operation.output {
        guard fingerprints[index].value == fingerprint(of: operation) else {
          throw Misuse(
            "", "the inputs or the result of operation \(position) of the tape, of shape "
              + "\(shapeText(operation.output)), changed after it was computed",
            hint: "change data after tape_backward only")
        }
      }
    }
  }

  private func shapeText(_ variable: VariablePointer) -> String {
    guard let tensor = variable.pointee.data, let shape = try? shape(of: tensor) else { return "?" }
    return "\(shape)"
  }

  /// FNV-1a over the words of inputs and result.
  private func fingerprint(of operation: TapeOp) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ variable: VariablePointer?) {
      guard let tensor = variable?.pointee.data, let data = tensor.pointee.data else { return }
      for index in 0..<Int(tensor.pointee.size) {
        hash = (hash ^ data[index].bitPattern) &* 0x100_0000_01b3
      }
    }
    for index in 0..<Int(operation.num_inputs) { add(operation.inputs[index]) }
    add(operation.output)
    return hash
  }
}

/// What an operation's numbers were when it was recorded.
struct Fingerprint: BitwiseCopyable {
  let output: VariablePointer
  let value: UInt64
}
