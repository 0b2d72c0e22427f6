/// Cuts a text into pre-tokens, one after another.
protocol PreTokenScanner {
  /// Where the pre-token that begins at `start` ends: what the expression matches there.
  ///
  /// - Precondition: `start` lies in 0..<`text.count`, and is 0 or an end that was found.
  /// - Returns: More than `start`.
  func end(in text: TextView, from start: Int) -> Int
}

extension TextView {
  /// `\s+(?!\S)|\s+`: white space to the end of the text, or all but the last character of it, or else that one.
  ///
  /// - Parameter end: Where the white space from `start` on ends.
  @inline(__always) func endOfSpaces(from start: Int, to end: Int) -> Int {
    if end == count { return end }
    let last = characterStart(before: end)
    return last > start ? last : end
  }

  /// `\s*[\r\n]+`: to the last line end of the white space in `start`..<`end`; nil where there is none.
  @inline(__always) func endOfLines(from start: Int, to end: Int) -> Int? {
    var index = end
    while index > start {
      if self[index - 1] == 10 || self[index - 1] == 13 { return index }
      index -= 1
    }
    return nil
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`: where the contraction ends whose apostrophe stands at `start`; nil where none does.
  ///
  /// - Parameter ignoresCase: Then `ſ`, whose upper case is S, is an s.
  @inline(__always) func endOfContraction(at start: Int, ignoresCase: Bool) -> Int? {
    guard start + 1 < count else { return nil }
    let fold: UInt8 = ignoresCase ? 0x20 : 0
    let first = self[start + 1] | fold
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < count && self[start + 2] | fold == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"):
      return start + 2 < count && self[start + 2] | fold == UInt8(ascii: "l") ? start + 3 : nil
    default:
      let isLongS = ignoresCase && start + 2 < count && self[start + 1] == 0xC5 && self[start + 2] == 0xBF
      return isLongS ? start + 3 : nil
    }
  }
}
