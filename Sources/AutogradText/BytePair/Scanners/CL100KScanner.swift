/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
/// by hand: cl100k, Llama 3 and Qwen 2.
struct CL100KScanner: PreTokenScanner {
  /// 3, or 1 for Qwen 2.
  let longestNumber: Int
  /// Whether white space at the end of a text is whole before line ends are looked for: `\s++$`, as tiktoken has it.
  let keepsLastSpaces: Bool

  @inline(__always) func end(in text: TextView, from start: Int) -> Int {
    let lead = text[start]
    if lead == UInt8(ascii: "'"), let end = text.endOfContraction(at: start, ignoresCase: true) { return end }
    let (flags, length) = text.character(at: start)
    var index = start + length
    if flags & CharacterClasses.letter != 0 { return text.endOfLetters(from: index) }
    if flags & CharacterClasses.number != 0 {
      for _ in 1..<max(1, longestNumber) {
        guard index < text.count else { break }
        let (flags, length) = text.character(at: index)
        if flags & CharacterClasses.number == 0 { break }
        index += length
      }
      return index
    }
    // One other character may stand before letters, and a space before other characters.
    var isSpace = flags & CharacterClasses.space != 0
    if index < text.count, flags & CharacterClasses.lineEnd == 0 {
      let (next, nextLength) = text.character(at: index)
      if next & CharacterClasses.letter != 0 { return text.endOfLetters(from: index + nextLength) }
      let isOther = next & (CharacterClasses.letter | CharacterClasses.number | CharacterClasses.space) == 0
      if isSpace, lead == UInt8(ascii: " "), isOther {
        isSpace = false
        index += nextLength
      }
    }
    if isSpace { return endOfSpaces(in: text, from: start, index) }
    index = text.endOfRun(
      without: CharacterClasses.letter | CharacterClasses.number | CharacterClasses.space, from: index)
    while index < text.count, text[index] == 10 || text[index] == 13 { index += 1 }
    return index
  }

  @inline(__always) private func endOfSpaces(in text: TextView, from start: Int, _ index: Int) -> Int {
    let end = text.endOfRun(of: CharacterClasses.space, from: index)
    if keepsLastSpaces, end == text.count { return end }
    return text.endOfLines(from: start, to: end) ?? text.endOfSpaces(from: start, to: end)
  }
}
