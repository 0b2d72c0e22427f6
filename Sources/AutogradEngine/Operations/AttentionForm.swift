// What an attention is beside its operands, and the sentences about what does not fit.

/// How a step's attention is formed; records name it by its place in `TapeCore.attentionForms`, which keeps the table
/// of rotary angles alive until the step ends.
struct AttentionForm {
  let headCount, keyValueHeadCount: Int
  /// How many tokens a token sees, itself among them.
  let window: Int?
  let rotary: RotaryCore?
  /// The ε of the norm of queries and keys; nil where they are not normalised.
  let normEpsilon: Double?

  init(
    headCount: Int, keyValueHeadCount: Int? = nil, window: Int? = nil, rotary: RotaryCore? = nil,
    normEpsilon: Double? = nil
  ) {
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount ?? headCount
    self.window = window
    self.rotary = rotary
    self.normEpsilon = normEpsilon
  }

  /// Columns of a head, where one row has `columns`.
  func headSize(_ columns: Int) -> Int { columns == 0 ? 0 : columns / (headCount + 2 * keyValueHeadCount) }

  /// Columns of a row before the first key, and before the first value.
  func columnsBefore(_ columns: Int) -> (keys: Int, values: Int) {
    let D = headSize(columns)
    return (headCount &* D, (headCount &+ keyValueHeadCount) &* D)
  }

  func isSame(as other: AttentionForm) -> Bool {
    headCount == other.headCount && keyValueHeadCount == other.keyValueHeadCount && window == other.window
      && rotary === other.rotary && normEpsilon == other.normEpsilon
  }

  // MARK: What must fit

  /// Throws unless the heads, the window and the rotary table fit queries, keys and values of this shape.
  func check(_ input: Shape) throws(Misuse) {
    let H = headCount, KV = keyValueHeadCount
    guard H > 0, KV > 0, H % KV == 0 else {
      if H == KV { throw columns(input) }
      throw Misuse(
        "causalAttention", "\(H) query heads do not divide among \(KV) heads of keys and values",
        hint: "the number of query heads is a multiple of the other")
    }
    // Heads without columns may be any number: no tensor has as many rows.
    guard input.rank == 3, input[2] == 0 || (H <= input[2] && input[2] % (H + 2 * KV) == 0) else {
      throw columns(input)
    }
    if let window, window < 1 {
      throw Misuse("causalAttention", "a window of \(window) tokens", hint: "a token sees at least itself: 1")
    }
    if let rotary, rotary.headSize != headSize(input[2]) {
      throw Misuse(
        "causalAttention", "the rotary table is for heads of \(rotary.headSize) columns; those of \(input) have "
          + "\(headSize(input[2]))")
    }
    if let normEpsilon, !(normEpsilon >= 0) {
      throw Misuse("causalAttention", "queries and keys are normalised with an epsilon of \(normEpsilon)",
        hint: "it is added to a mean of squares: not below 0")
    }
  }

  private func columns(_ input: Shape) -> Misuse {
    if headCount == keyValueHeadCount {
      return Misuse(
        "causalAttention", "expected queries, keys and values [batch, tokens, 3 × channels] with channels a multiple "
          + "of \(headCount) heads; got \(input)")
    }
    return Misuse(
      "causalAttention", "expected [batch, tokens, columns], the columns being \(headCount) heads of queries, "
        + "\(keyValueHeadCount) of keys and \(keyValueHeadCount) of values of one size; got \(input)")
  }
}

extension TapeCore {
  /// The place of a form among those of the step.
  func place(_ form: AttentionForm) -> Int {
    for index in attentionForms.indices where attentionForms[index].isSame(as: form) { return index }
    attentionForms.append(form)
    return attentionForms.count - 1
  }

  /// The slot of token positions; −1 where there are none.
  func place(_ positions: Tokens?, _ operation: StaticString) throws(Misuse) -> Slot {
    guard let positions else { return -1 }
    return try slot(positions.handle, operation)
  }

  /// Throws unless a weight of the norm of queries or keys, if there is one, has a number for each column of a head.
  func checkNormWeight(_ slot: Slot, _ name: StaticString, headSize D: Int) throws(Misuse) {
    guard slot >= 0, !(nodes[slot].shape.rank == 1 && nodes[slot].shape.last == D) else { return }
    throw Misuse(
      "causalAttention", "heads have \(D) columns, so the norm's \(name) must be [\(D)]; got \(nodes[slot].shape)")
  }

  /// How many rows of the rotary table the tokens need, at least. Throws where they lie outside of it or do not fit.
  func checkPositions(_ positions: Slot, _ form: AttentionForm, _ input: Shape) throws(Misuse) -> Int {
    let limit = form.rotary?.positionCount ?? Int.max
    guard positions >= 0 else {
      guard input[1] <= limit else {
        throw Misuse("causalAttention", "\(input[1]) tokens are more than the \(limit) positions of the rotary table")
      }
      return input[1]
    }
    guard nodes[positions].shape == Shape([input[0], input[1]] as InlineArray<2, Int>) else {
      throw Misuse(
        "causalAttention", "queries, keys and values have shape \(input), so positions must be [\(input[0]), "
          + "\(input[1])]; got \(nodes[positions].shape)")
    }
    if isPlanning { return 0 }
    let data = unsafe tokenData(positions)
    var largest = 0
    for index in 0..<input[0] * input[1] {
      // INVARIANT: as many positions as the shape has, checked above.
      let position = unsafe Int(data[index])
      guard position >= 0, position < limit else { throw outsideOfTable(position, at: index, of: input[1], limit) }
      largest = max(largest, position)
    }
    return largest + 1
  }

  private func outsideOfTable(_ position: Int, at index: Int, of T: Int, _ limit: Int) -> Misuse {
    let place = "position \(position) of token \(index % T) of sequence \(index / T)"
    if position < 0 { return Misuse("causalAttention", "\(place) is negative") }
    return Misuse("causalAttention", "\(place) is outside of the rotary table, which has \(limit)")
  }
}
