/// Cuts before `▁`, as vocabularies of SentencePiece's kind have it: everywhere, or where no merge could join both sides.
struct SpaceMarkScanner: PreTokenScanner {
  /// The UTF-8 of `▁`.
  static let mark: [UInt8] = [0xE2, 0x96, 0x81]
  /// By a byte: whether a text may be cut between it and a following `▁`.
  let mayCut: [Bool]

  func end(in text: TextView, from start: Int) -> Int {
    var index = start + 1
    while index < text.count {
      if text[index] == SpaceMarkScanner.mark[0], mayCut[Int(text[index - 1])],
        text.hasBytes(SpaceMarkScanner.mark[...], at: index)
      {
        return index
      }
      index += 1
    }
    return index
  }
}

/// The whole text is one pre-token.
struct WholeTextScanner: PreTokenScanner {
  func end(in text: TextView, from start: Int) -> Int { text.count }
}
