// Who shares memory with whom. A variable over another's memory (`reshape`) keeps that alive: neither `forget` nor
// `updated` takes it away while both are there. A variable over a parameter's memory sees the parameter change, and so
// would a backward that reads values again: each record notes the versions that it read, and its backward compares.

/// Two variables over one block, the second of which ends first.
struct SharedMemory: BitwiseCopyable {
  let first, second: Slot
}

extension TapeCore {
  // MARK: Variables that share memory

  /// Notes that `second`, the newest variable, lies in the memory of `first`.
  ///
  /// INVARIANT: `sharings` rises by `second`; `endSharing` undoes entries from its end as variables end.
  func noteShared(_ first: Slot, by second: Slot) {
    unsafe nodes[second].memoryOf = unsafe nodes[first].memoryOf
    nodes[second].isShared = true
    guard !nodes[first].isShared else { return }
    nodes[first].isShared = true
    sharings.append(SharedMemory(first: first, second: second))
  }

  /// Variables from `slot` on end: what they shared memory with has it to itself again.
  func endSharing(from slot: Slot) {
    while sharings.count > 0, sharings[sharings.count - 1].second >= slot {
      let first = sharings[sharings.count - 1].first
      if first < slot { nodes[first].isShared = false }
      sharings.removeLast(downTo: sharings.count - 1)
    }
  }

  /// Nobody else uses the memory of this variable, nor its name.
  func ownsMemory(_ slot: Slot) -> Bool {
    unsafe !nodes[slot].isShared && !nodes[slot].isPassedOn && nodes[slot].memoryOf == nil
  }

  // MARK: Parameters that change within a step

  /// The version of the parameter that a variable lies in; 0 for temporaries.
  func version(of slot: Slot) -> UInt32 {
    guard slot >= 0, let parameter = unsafe nodes[slot].memoryOf else { return 0 }
    return unsafe parameter._withUnsafeGuaranteedRef { UInt32(truncatingIfNeeded: $0.version) }
  }

  /// The versions that a record of these inputs notes.
  func versions(_ inputs: InlineArray<6, Slot>) -> InlineArray<6, UInt32> {
    InlineArray { version(of: inputs[$0]) }
  }

  /// The sum of the versions of `count` listed inputs, from number `first` on.
  func listedVersion(_ first: Int, _ count: Int) -> UInt32 {
    var total: UInt32 = 0
    for index in first..<first + count { total &+= version(of: inputLists[index]) }
    return total
  }

  /// Throws where a parameter whose values the backward of this record reads again has changed since forward read them.
  ///
  /// - Parameter inputs: Which inputs to look at, as bits.
  func checkUnchanged(_ record: Record, inputs: UInt8) throws(Misuse) {
    if record.kind.listsInputs {
      guard record.kind != .concatenate else { return }
      let first = record.integers[0], count = record.integers[1]
      guard listedVersion(first, count) != record.versions[0] else { return }
      throw changed(record, (0..<count).map { inputLists[first + $0] })
    }
    guard inputs != 0 else { return }
    for index in record.inputs.indices where inputs & 1 << UInt8(index) != 0 {
      let slot = record.inputs[index]
      if slot >= 0, version(of: slot) != record.versions[index] { throw changed(record, [slot]) }
    }
  }

  private func changed(_ record: Record, _ slots: [Slot]) -> Misuse {
    var names: [String] = []
    for slot in slots {
      guard let parameter = unsafe nodes[slot].memoryOf else { continue }
      unsafe parameter._withUnsafeGuaranteedRef { names.append($0.name ?? "of shape \($0.shape)") }
    }
    return Misuse(
      "backward",
      "parameter \(names.joined(separator: " or ")) changed after \(record.kind.name) had read its values, from which "
        + "backward computes the gradient",
      hint: "call backward before anything changes parameters, or compute the loss again afterwards")
  }

  /// The inputs whose values the backward of a record reads, as bits. What the kernels load and do not use counts not.
  func valuesRead(by record: Record) -> UInt8 {
    let first: UInt8 = 1, second: UInt8 = 2, third: UInt8 = 4
    switch record.kind {
    case .multiply, .matmul:
      return (requiresGradient(record.inputs[1]) ? first : 0) | (requiresGradient(record.inputs[0]) ? second : 0)
    case .linear, .gatedLinear:
      // The same holds of the two that have a low rank.
      let main: UInt8 = (requiresGradient(record.inputs[1]) ? 1 : 0) | (requiresGradient(record.inputs[0]) ? 2 : 0)
      let low: UInt8 = (requiresGradient(record.inputs[5]) ? 1 : 0) | (requiresGradient(record.inputs[4]) ? 2 : 0)
      return main | low << 4
    case .divide: return second
    case .power, .squaredError, .binaryCrossEntropy: return first | second
    case .relu, .geluTanh, .geluErf, .log, .sigmoid, .silu, .absolute, .reluSquared, .clip, .variance,
      .logSumExp, .select:
      return first
    // Queries, keys and values, and the weights of their norm.
    case .attention: return first | second | third
    case .crossEntropy: return first | third
    case .layerNorm, .rmsNorm: return first | (requiresGradient(record.inputs[0]) ? second : 0)
    case .add, .subtract, .affine, .reshape, .permute, .slice, .concatenate, .gather, .exp, .tanh, .squareRoot,
      .extremum, .logSoftmax, .sum, .softmax, .embedding, .dropout:
      return 0
    // These ask by themselves: for all of their inputs, where the slow way is taken, for all that the part reads.
    case .userDefined, .custom, .linearCrossEntropy, .linearCrossEntropyLosses, .recompute: return 0
    }
  }
}
