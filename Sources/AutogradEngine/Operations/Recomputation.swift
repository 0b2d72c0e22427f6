// Recomputation: y = part(x), where forward keeps x and y and nothing of what the part computed in between, and
// backward runs the part once more to have it.
//
// Forward runs the part on the tape as always, so that dropout draws and shapes are checked, and then rewinds
// variables, records and arena to where they stood, y apart. One record stands for the part. Its backward runs the
// part from the same random counters, hands y's gradient to the new result, walks the new records and rewinds again.
// Every kernel gets the operands that it would have got, in the same order: the gradients have the same bits.
//
// Memory made in between dies at the rewind, so gradient buffers must not be exchanged with what surrounds the part:
// the free list is split at `firstFreeBlock`, and only the gradient of x may leave, moved to the place of the mark.
// That is why a part may use no other variable that needs a gradient.
//
// INVARIANT: as in TapeCore+Kernels.swift; no pointer into the memory made in between outlives the rewind: what stays
// is copied to the place of the mark first.

/// A part of a network whose activations backward computes again instead of keeping them.
///
/// Make it once, outside of steps; use it like a layer. The gradients are bit for bit those without it, dropout
/// included. Worth it for a block of several layers: one operation alone would be computed twice for nothing.
///
/// ```swift
/// let part = Recomputation<Float> { x in feedForward(norm(x), adding: x) }
/// let loss = tape.step { tape in
///   let loss = part(tape.input(images)).squaredError(tape.input(targets))
///   loss.backward()
///   return loss.value
/// }
/// ```
///
/// Inside `tape.inference` it is the body and nothing else, as in `scope`.
public final class Recomputation<Scalar: TensorScalar> {
  private let body: (Variable<Scalar>, Tokens?) -> Variable<Scalar>

  /// - Parameter body: What to compute. It runs twice in every step, and must compute the same both times.
  public init(_ body: @escaping (Variable<Scalar>) -> Variable<Scalar>) { self.body = { x, _ in body(x) } }

  /// - Parameter body: What to compute of a variable, and of tokens where the step has some: the places of tokens in
  ///   their documents, for example. Otherwise as above.
  public init(_ body: @escaping (Variable<Scalar>, Tokens?) -> Variable<Scalar>) { self.body = body }

  /// Runs the part; keeps `x` and the result.
  ///
  /// - Parameter tokens: What the body gets beside `x`, both times.
  /// - Precondition: The body uses parameters, `x`, and variables that need no gradient. It holds no
  ///   `linearCrossEntropy` and calls no `backward`; otherwise stops with a sentence.
  /// - Complexity: the part's forward, and once more in backward. Recording allocates nothing from the heap.
  public func callAsFunction(_ x: Variable<Scalar>, _ tokens: Tokens? = nil) -> Variable<Scalar> {
    x.apply("recompute", isScope: true) { core, slot throws(Misuse) in
      var second = -1
      if let tokens { second = try core.slot(tokens.handle, "recompute") }
      return try core.recompute(self, slot, second)
    }
  }
}

/// A `Recomputation` of whatever scalar, or what a caller of the core has in its place.
package protocol RecomputedPart: AnyObject {
  /// Runs the body on a variable of `core`, and on the tokens that it was given; -1 for none.
  func run(_ core: TapeCore, _ x: Slot, _ tokens: Slot) throws(Misuse) -> Slot
  /// Follows every `run`, whether it failed or not, while the variables it made are still there.
  func willEnd(_ core: TapeCore)
}

package extension RecomputedPart {
  func willEnd(_ core: TapeCore) {}
}

extension Recomputation: RecomputedPart {
  package func run(_ core: TapeCore, _ x: Slot, _ tokens: Slot) throws(Misuse) -> Slot {
    let second = tokens < 0 ? nil : Tokens(core.handle(tokens))
    return try core.slot(body(Variable(core.handle(x)), second).handle, "recompute")
  }
}

/// Where random counters stand.
struct RandomPosition {
  let seed, step: UInt64
  let ordinal: UInt32
}

/// What a running part may not touch.
struct RecomputationSurroundings {
  /// Variables from here on are the part's own.
  let firstOwn: Slot
  let input: Slot

  func check(_ slot: Slot, _ node: Node, _ operation: StaticString) throws(Misuse) {
    guard slot < firstOwn, slot != input, node.requiresGradient, unsafe node.parameter == nil else { return }
    throw Misuse(
      operation, "a part that is recomputed uses a variable of shape \(node.shape) from outside that needs a gradient",
      hint: "let the part end before it, or give it to the part as its input")
  }
}

/// Where tables and arena stand.
private struct TapePosition {
  let mark: Arena.Mark
  let nodes, records, inputLists, userDefined, recomputations: Int
}

extension TapeCore {
  package func recompute(_ part: any RecomputedPart, _ x: Slot, _ tokens: Slot = -1) throws(Misuse) -> Slot {
    try requireStep("recompute")
    guard isRecording else {
      return try scope { () throws(Misuse) in
        defer { part.willEnd(self) }
        return try part.run(self, x, tokens)
      }
    }
    let random = randomPosition, start = position, firstFree = firstFreeBlock, reads = parameterReads
    firstFreeBlock = freeBlocks.count
    defer { firstFreeBlock = firstFree }
    let inner = try run(part, x, tokens, since: start) { _ in }
    let versions = UInt32(truncatingIfNeeded: parameterReads &- reads)
    freeBlocks.removeLast(downTo: firstFreeBlock)
    // The part gave back its input, or something else from outside.
    guard inner >= start.nodes else {
      arena.rewind(to: start.mark)
      truncate(to: start)
      return inner
    }
    let shape = nodes[inner].shape, needed = nodes[inner].requiresGradient
    let data = unsafe try ending(start) { () throws(Misuse) in
      unsafe try rewind(to: start.mark, keeping: inner, "recompute")
    }
    let y = unsafe append(shape, data: data, requiresGradient: needed)
    guard needed else { return y }
    recomputations.append(part)
    unsafe record(
      .recompute, x, tokens, output: y,
      integers: [
        recomputations.count - 1, Int(bitPattern: UInt(random.seed)), Int(bitPattern: UInt(random.step)),
        Int(random.ordinal),
      ])
    records[records.count - 1].versions[0] = versions
    return y
  }

  func recomputeBackward(_ record: Record) throws(Misuse) {
    let x = record.inputs[0], part = recomputations[record.integers[0]]
    let y = record.output, shape = nodes[y].shape, dy = unsafe gradient(of: y), dxBefore = unsafe nodes[x].gradient
    let random = randomPosition, randomStepBefore = randomStep, start = position, firstFree = firstFreeBlock
    randomPosition = RandomPosition(
      seed: UInt64(UInt(bitPattern: record.integers[1])), step: UInt64(UInt(bitPattern: record.integers[2])),
      ordinal: UInt32(record.integers[3]))
    firstFreeBlock = freeBlocks.count
    defer {
      randomPosition = random
      randomStep = randomStepBefore
      firstFreeBlock = firstFree
    }
    let reads = parameterReads
    _ = try run(part, x, record.inputs[1], since: start) { inner throws(Misuse) in
      guard UInt32(truncatingIfNeeded: parameterReads &- reads) == record.versions[0] else {
        throw Misuse(
          "backward", "a parameter changed after a part that is recomputed had read its values",
          hint: "call backward before anything changes parameters, or compute the loss again afterwards")
      }
      guard inner >= start.nodes, nodes[inner].shape == shape, nodes[inner].requiresGradient else {
        throw Misuse(
          "recompute", "the part gave shape \(shape) in forward and \(nodes[inner].shape) in backward"
            + (nodes[inner].requiresGradient ? "" : ", which needs no gradient"),
          hint: "its body must compute the same every time")
      }
      nodes[inner].retainsGradient = nodes[y].retainsGradient
      try passGradient(from: y, to: inner, "recompute")
      if walksFromSeeds { try markReached(from: inner, downTo: start.records) }
      try walk(from: records.count - 1, downTo: start.records)
    }

    let dx = unsafe nodes[x].gradient
    let dxIsInside = unsafe dx != nil && dx != dxBefore && dx != dy
    // From here on the surroundings' own buffers. The part may have used up y's: that one is theirs again.
    freeBlocks.removeLast(downTo: firstFreeBlock)
    firstFreeBlock = firstFree
    if unsafe nodes[y].gradient == nil, unsafe dx != dy { unsafe free(dy, shape) }
    try ending(start) { () throws(Misuse) in
      if dxIsInside, let dx = unsafe dx {
        unsafe nodes[x].gradient = unsafe try rescue(dx, of: x, to: start.mark)
      } else {
        arena.rewind(to: start.mark)
      }
    }
  }

  /// Rewinds the arena; a gradient made since the mark moves to a buffer that stays.
  private func rescue(_ dx: UnsafeMutableRawPointer, of x: Slot, to mark: Arena.Mark) throws(Misuse)
    -> UnsafeMutableRawPointer
  {
    let shape = nodes[x].shape, bytes = shape.count * type.size
    if let block = unsafe takeFreeBlock(bytes) {
      if !isPlanning { unsafe block.copyMemory(from: dx, byteCount: bytes) }
      arena.rewind(to: mark)
      return unsafe block
    }
    guard let block = unsafe arena.rewind(to: mark, keeping: dx, bytes) else { throw outOfMemory("recompute") }
    return unsafe block
  }

  /// Runs a part, then `body` on its result. Where one of them fails, nothing stays of what they made.
  private func run(
    _ part: any RecomputedPart, _ x: Slot, _ tokens: Slot, since start: TapePosition, _ body: (Slot) throws(Misuse) -> Void
  ) throws(Misuse) -> Slot {
    do throws(Misuse) {
      let inner = try inside(x) { () throws(Misuse) in try part.run(self, x, tokens) }
      try body(inner)
      part.willEnd(self)
      return inner
    } catch {
      part.willEnd(self)
      freeBlocks.removeLast(downTo: firstFreeBlock)
      arena.rewind(to: start.mark)
      truncate(to: start)
      throw error
    }
  }

  /// A part that is running did not make this variable.
  package func isOutsideOfPart(_ slot: Slot) -> Bool { surroundings.map { slot < $0.firstOwn } ?? false }

  /// Runs `body` as a part that may touch x and what it makes itself.
  private func inside(_ x: Slot, _ body: () throws(Misuse) -> Slot) throws(Misuse) -> Slot {
    let before = surroundings
    surroundings = RecomputationSurroundings(firstOwn: nodes.count, input: x)
    defer { surroundings = before }
    return try body()
  }

  private var position: TapePosition {
    TapePosition(
      mark: arena.mark(), nodes: nodes.count, records: records.count, inputLists: inputLists.count,
      userDefined: userDefinedBackwards.count, recomputations: recomputations.count)
  }

  /// Runs `body`, which rewinds the arena; then the tables end there, too, whether or not there was memory for what stays.
  private func ending<Result>(
    _ start: TapePosition, _ body: () throws(Misuse) -> Result
  ) throws(Misuse) -> Result {
    defer { truncate(to: start) }
    return try body()
  }

  private func truncate(to position: TapePosition) {
    truncate(nodes: position.nodes, records: position.records)
    inputLists.removeLast(downTo: position.inputLists)
    userDefinedBackwards.removeLast(userDefinedBackwards.count - position.userDefined)
    recomputations.removeLast(recomputations.count - position.recomputations)
  }
}
