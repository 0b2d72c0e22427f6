/// A block that was given back within its step.
///
/// INVARIANT: `size` bytes of the arena that were handed out in this step and that no variable uses; those from
/// `firstFreeBlock` on die with the recomputation that is running.
@safe struct FreeBlock: BitwiseCopyable {
  let start: UnsafeMutableRawPointer
  let size: Int
}

// What becomes of a step's memory: blocks of the arena, those given back, and scopes that end before their step does.
// The arena itself is emptied by `endStep`.
extension TapeCore {
  // MARK: Blocks

  /// Takes a block from the arena.
  @unsafe package func allocate(_ bytes: Int, _ shape: Shape, _ operation: StaticString) throws(Misuse)
    -> UnsafeMutableRawPointer
  {
    let mappings = arena.mappings
    if let block = unsafe arena.allocate(bytes) {
      if arena.mappings != mappings {
        lastGrowth = ArenaGrowth(operation: "\(operation)", step: step, reserved: arena.statistics.reserved)
      }
      return unsafe block
    }
    throw noMemory(bytes, shape, operation)
  }

  private func noMemory(_ bytes: Int, _ shape: Shape, _ operation: StaticString) -> Misuse {
    let limit = arena.byteLimit.map { "of the limit of \($0)" } ?? "and the system has no more"
    return Misuse(
      operation, "no memory for a tensor \(shape) of \(bytes) bytes in step \(step): "
        + "\(arena.used + arena.beside) bytes are in use \(limit)",
      hint: memoryHint)
  }

  /// A buffer for a gradient: one given back earlier in this step, or a new one.
  @unsafe package func allocateGradient(_ shape: Shape, _ operation: StaticString) throws(Misuse)
    -> UnsafeMutableRawPointer
  {
    let bytes = shape.count * type.size
    if let block = unsafe takeFreeBlock(bytes) { return unsafe block }
    return unsafe try allocate(bytes, shape, operation)
  }

  /// A buffer for `bytes` bytes that was given back earlier in this step; nil where there is none.
  @unsafe func takeFreeBlock(_ bytes: Int) -> UnsafeMutableRawPointer? {
    let size = Arena.blockSize(bytes)
    for index in stride(from: freeBlocks.count - 1, through: firstFreeBlock, by: -1)
    where freeBlocks[index].size == size {
      let block = unsafe freeBlocks[index].start
      freeBlocks.removeBySwapping(at: index)
      return unsafe block
    }
    return nil
  }

  /// Gives a buffer of `shape` back to the step. INVARIANT: nobody uses it any more, and it was not given back before.
  @unsafe package func free(_ block: UnsafeMutableRawPointer, _ shape: Shape) {
    unsafe freeBlocks.append(FreeBlock(start: block, size: Arena.blockSize(shape.count * type.size)))
  }

  // MARK: Scopes

  /// Runs `body` and frees everything made inside but its result. While recording, backward needs it all: then
  /// nothing is freed.
  package func scope(_ body: () throws(Misuse) -> Slot) throws(Misuse) -> Slot {
    guard !isRecording else { return try body() }
    let mark = arena.mark(), nodeCount = nodes.count
    let result = try body()
    guard result >= nodeCount else {
      truncate(nodes: nodeCount, records: records.count)
      arena.rewind(to: mark)
      return result
    }
    let shape = nodes[result].shape, data = unsafe try rewind(to: mark, keeping: result, "scope")
    // A parameter that only this scope used is released after it was copied.
    truncate(nodes: nodeCount, records: records.count)
    return unsafe append(shape, data: data, requiresGradient: false)
  }

  /// Gives back every block since `mark` but the data of `slot`; returns its new place.
  ///
  /// INVARIANT: nodes that point at what was given back are truncated by the caller before anybody asks for them.
  @unsafe func rewind(to mark: Arena.Mark, keeping slot: Slot, _ operation: StaticString) throws(Misuse)
    -> UnsafeMutableRawPointer
  {
    let node = nodes[slot], bytes = node.shape.count * type.size
    guard let data = unsafe arena.rewind(to: mark, keeping: node.data, bytes) else {
      throw noMemory(bytes, node.shape, operation)
    }
    return unsafe data
  }

  /// Runs `body` on x; its result takes x's memory and x itself is void. While recording, x stays.
  func replace(_ x: Slot, _ body: () throws(Misuse) -> Slot) throws(Misuse) -> Slot {
    guard !isRecording else { return try body() }
    // Somebody else sees these values, or a backward to come does: x stays, as in a scope.
    guard ownsMemory(x), records.count == 0 || x >= firstUnrecorded else { return try scope(body) }
    let mark = arena.mark(), nodeCount = nodes.count
    let result = try body(), old = nodes[x]
    guard nodes[result].shape == old.shape else {
      throw Misuse(
        "updated", "the result has shape \(nodes[result].shape), which cannot take the place of \(old.shape)",
        hint: "return a variable of the same shape")
    }
    // INVARIANT: both have the shape's elements. The result lies elsewhere, or just in x's place.
    if !isPlanning, unsafe nodes[result].data != old.data {
      unsafe old.data.copyMemory(from: data(result), byteCount: old.shape.count * type.size)
    }
    truncate(nodes: nodeCount, records: records.count)
    arena.rewind(to: mark)
    guard result != x else { return x }
    unsafe nodes[x] = Node(serial: nextSerial(), shape: old.shape, data: old.data, requiresGradient: false)
    return x
  }

  package func truncate(nodes count: Int, records recordCount: Int) {
    releaseParameters(from: count)
    endSharing(from: count)
    nodes.removeLast(downTo: count)
    records.removeLast(downTo: recordCount)
  }

  /// Gives back all memory for good: for an owner who cannot be sure to be the last one. INVARIANT: no step is running.
  package func releaseMemory() {
    arena.release()
    nodes = GrowingTable(capacity: 0)
    records = GrowingTable(capacity: 0)
    inputLists = GrowingTable(capacity: 0)
    parameterSlots = GrowingTable(capacity: 0)
    freeBlocks = GrowingTable(capacity: 0)
  }

  /// Lets go of the parameters that variables from `slot` on are uses of.
  ///
  /// INVARIANT: `parameterSlots` rises, and each of its nodes was retained once, by `use`.
  func releaseParameters(from slot: Slot) {
    while parameterSlots.count > 0, parameterSlots[parameterSlots.count - 1] >= slot {
      unsafe nodes[parameterSlots[parameterSlots.count - 1]].parameter?.release()
      parameterSlots.removeLast(downTo: parameterSlots.count - 1)
    }
  }
}
