/// Which tokens of a text are in the context: all, or where it shifts those at the beginning and the newest.
///
/// A text that has grown beyond the context loses a run of tokens in one go, from behind the kept ones up to the newest half
/// of the rest; then the context has room again. Which tokens are left follows from the length of the text alone, so that
/// a text that was given whole and one that has grown have the same ones.
struct ContextWindow: Sendable, Equatable {
  /// The most tokens in the context.
  let size: Int
  /// How many tokens at the beginning stay; nil where the context does not shift.
  let keptCount: Int?

  /// - Precondition: The size is at least 1.
  init(size: Int, keptCount: Int?) {
    self.size = size
    // At least one token comes and goes.
    self.keptCount = keptCount.map { min(max(0, $0), size - 1) }
  }

  /// How many tokens a shift takes away.
  private func step(_ kept: Int) -> Int { size + 1 - kept - max(1, (size - kept) / 2) }

  /// The tokens that follow the kept ones and are not in the context.
  func dropped(ofLength length: Int) -> Range<Int> {
    guard let keptCount, length > size else { return 0..<0 }
    let step = step(keptCount), count = (length - size + step - 1) / step * step
    return keptCount..<keptCount + count
  }

  /// What is in the context.
  ///
  /// - Precondition: The text fits, or the context shifts.
  func tokens(of text: [Int32]) -> [Int32] {
    precondition(text.count <= size || keptCount != nil, "a text of \(text.count) tokens in a context of \(size)")
    let dropped = dropped(ofLength: text.count)
    return dropped.isEmpty ? text : Array(text[..<dropped.lowerBound]) + text[dropped.upperBound...]
  }
}
