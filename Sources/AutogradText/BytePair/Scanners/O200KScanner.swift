/// o200k's expression by hand: words end where lower case is followed by upper case, and keep their contraction.
///
/// `P?U*L+C?|P?U+L*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+` with P `[^\r\n\p{L}\p{N}]`, U upper
/// case (and Lm, Lo, M), L lower case (and Lm, Lo, M), C a contraction.
struct O200KScanner: PreTokenScanner {
  func end(in text: TextView, from start: Int) -> Int {
    let (flags, length) = text.character(at: start)
    let lead = text[start]
    let mayStandBefore = flags & (CharacterClasses.letter | CharacterClasses.number | CharacterClasses.lineEnd) == 0
    if flags & (CharacterClasses.upper | CharacterClasses.lower) != 0 || mayStandBefore {
      let behind = mayStandBefore ? start + length : nil
      let end = behind.flatMap { endOfLower(in: text, from: $0) } ?? endOfLower(in: text, from: start)
        ?? behind.flatMap { endOfUpper(in: text, from: $0) } ?? endOfUpper(in: text, from: start)
      if let end { return text.hasApostrophe(at: end) ? text.endOfContraction(at: end, ignoresCase: true) ?? end : end }
    }
    var index = start + length
    if flags & CharacterClasses.number != 0 {
      for _ in 1..<3 {
        guard index < text.count else { break }
        let (flags, length) = text.character(at: index)
        if flags & CharacterClasses.number == 0 { break }
        index += length
      }
      return index
    }
    let notOther = CharacterClasses.letter | CharacterClasses.number | CharacterClasses.space
    var isSpace = flags & CharacterClasses.space != 0
    if isSpace, lead == UInt8(ascii: " "), index < text.count {
      let (next, nextLength) = text.character(at: index)
      if next & notOther == 0 {
        isSpace = false
        index += nextLength
      }
    }
    if isSpace {
      let end = text.endOfRun(of: CharacterClasses.space, from: index)
      return text.endOfLines(from: start, to: end) ?? text.endOfSpaces(from: start, to: end)
    }
    index = text.endOfRun(without: notOther, from: index)
    while index < text.count, text[index] == 10 || text[index] == 13 || text[index] == UInt8(ascii: "/") { index += 1 }
    return index
  }

  /// `U*L+`: where it ends; nil where it does not match. Characters that are both give themselves back to L.
  private func endOfLower(in text: TextView, from start: Int) -> Int? {
    var index = start, lastOfBoth: Int?
    while index < text.count {
      let (flags, length) = text.character(at: index)
      if flags & CharacterClasses.upper == 0 {
        if flags & CharacterClasses.lower == 0 { break }
        return text.endOfRun(of: CharacterClasses.lower, from: index)
      }
      index += length
      if flags & CharacterClasses.lower != 0 { lastOfBoth = index }
    }
    return lastOfBoth
  }

  /// `U+L*`, asked where `U*L+` does not match: no lower case follows.
  private func endOfUpper(in text: TextView, from start: Int) -> Int? {
    let end = text.endOfRun(of: CharacterClasses.upper, from: start)
    return end > start ? end : nil
  }
}

extension TextView {
  fileprivate func hasApostrophe(at index: Int) -> Bool { index < count && self[index] == UInt8(ascii: "'") }
}
