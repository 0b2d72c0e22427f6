// Backward from gradients that the caller wrote: the C library's way.
//
// A variable that the caller sees owns a gradient from its creation, zeroed and kept (`retainsGradient`), so every
// contribution adds and several variables may be seeded. Variables inside a composite operation get theirs as in
// `backward(from:seed:)`. Records without a gradient to pass on are left alone, unconsumed.

/// What a walk from seeds found.
package enum SeededWalk: Equatable {
  case walked
  /// No record that still waits has a gradient other than zero.
  case noSeed
  /// Every record was walked before.
  case alreadyWalked
  /// There is no record.
  case nothingRecorded
}

package extension TapeCore {
  /// Walks the records of list `tag` from the newest back, and consumes those that gradients reach.
  ///
  /// - Throws: When a gradient would flow into a record that was consumed before; nothing has changed then. When an
  ///   operation fails; gradients are incomplete then.
  func backwardFromSeeds(tag: Int32) throws(Misuse) -> SeededWalk {
    defer { for slot in 0..<nodes.count where nodes[slot].isReached { nodes[slot].isReached = false } }
    guard try markReached(tag) else {
      let waiting = (0..<records.count).filter { records[$0].tag == tag }
      if waiting.isEmpty { return .nothingRecorded }
      return waiting.allSatisfy { records[$0].consumed } ? .alreadyWalked : .noSeed
    }
    guard freeBlocks.reserve(spare: nodes.count) else { throw outOfMemory("backward") }
    walksFromSeeds = true
    defer { walksFromSeeds = false }
    for index in stride(from: records.count - 1, through: 0, by: -1) {
      let record = records[index]
      guard record.tag == tag, !record.consumed, nodes[record.output].isReached else { continue }
      records[index].consumed = true
      guard unsafe nodes[record.output].gradient != nil else { continue }
      try walk(over: record)
      giveBackGradient(of: record.output)
      try afterWalking?(record)
    }
    return .walked
  }

  /// Calls `body` with the slot of each input.
  func forEachInput(of record: Record, _ body: (Slot) throws(Misuse) -> Void) throws(Misuse) {
    if record.kind.listsInputs {
      for index in 0..<record.integers[1] { try body(inputLists[record.integers[0] + index]) }
    } else {
      for index in record.inputs.indices where record.inputs[index] >= 0 { try body(record.inputs[index]) }
    }
  }

  /// Marks every variable that a seed's gradient flows into; false where nothing is seeded.
  private func markReached(_ tag: Int32) throws(Misuse) -> Bool {
    var found = false
    for index in stride(from: records.count - 1, through: 0, by: -1) where records[index].tag == tag {
      let record = records[index]
      if record.consumed {
        if nodes[record.output].isReached { throw TapeCore.secondBackward }
        continue
      }
      guard nodes[record.output].isReached || isSeeded(record.output) else { continue }
      found = true
      nodes[record.output].isReached = true
      try forEachInput(of: record) { slot throws(Misuse) in
        if nodes[slot].requiresGradient { nodes[slot].isReached = true }
      }
    }
    return found
  }

  /// Marks what the gradient of `slot` flows into among the records from `first` on, which a part made anew.
  internal func markReached(from slot: Slot, downTo first: Int) throws(Misuse) {
    guard freeBlocks.reserve(spare: nodes.count) else { throw outOfMemory("backward") }
    nodes[slot].isReached = true
    for index in stride(from: records.count - 1, through: first, by: -1) where nodes[records[index].output].isReached {
      try forEachInput(of: records[index]) { input throws(Misuse) in
        if nodes[input].requiresGradient { nodes[input].isReached = true }
      }
    }
  }

  /// Whether the caller can see this variable's gradient and it is not zero everywhere.
  ///
  /// INVARIANT: a gradient has as many elements as its variable.
  private func isSeeded(_ slot: Slot) -> Bool {
    guard nodes[slot].retainsGradient, let gradient = unsafe nodes[slot].gradient else { return false }
    for index in 0..<nodes[slot].shape.count where unsafe element(gradient, index) != 0 { return true }
    return false
  }

  /// Makes a gradient whose first contribution is still to come read as zeros.
  func materializeGradient(of slot: Slot, _ operation: StaticString) throws(Misuse) {
    unsafe clear(try contribution(to: slot, operation), count: nodes[slot].shape.count)
  }

  /// Makes room, so that the next operations cannot fail where they enter variables and records.
  func reserve(operations: Int, _ operation: StaticString) throws(Misuse) {
    guard nodes.reserve(spare: operations * 8), records.reserve(spare: operations * 4),
      parameterSlots.reserve(spare: operations * 4), inputLists.reserve(spare: operations * 4)
    else { throw outOfMemory(operation) }
  }

  func outOfMemory(_ operation: StaticString) -> Misuse {
    Misuse(operation, "the system has no more memory in step \(step)", hint: memoryHint)
  }

  /// Runs `body` without recording and frees everything made in it.
  func transient<Result>(_ body: () throws(Misuse) -> Result) throws(Misuse) -> Result {
    let mark = arena.mark(), nodeCount = nodes.count, recordCount = records.count
    defer {
      truncate(nodes: nodeCount, records: recordCount)
      arena.rewind(to: mark)
    }
    return try inference(body)
  }

  /// Forgets the records of list `tag`: no later backward walks them.
  func dropRecords(tag: Int32) {
    for index in 0..<records.count where records[index].tag == tag { records[index].consumed = true }
  }
}
