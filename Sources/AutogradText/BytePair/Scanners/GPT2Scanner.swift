/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, by hand.
///
/// - Parameter splitsDigits: Cuts each digit off before: it is alone, and texts end before it. The text's classes then
///   know as numbers what `Digits` takes for digits, and nothing else.
struct GPT2Scanner: PreTokenScanner {
  let splitsDigits: Bool

  @inline(__always) func end(in text: TextView, from start: Int) -> Int {
    let lead = text[start]
    var index = start
    if lead == UInt8(ascii: " ") {
      index += 1
      if index == text.count { return index }
    } else if lead == UInt8(ascii: "'"), let end = text.endOfContraction(at: start, ignoresCase: false) {
      return end
    }
    let (flags, length) = text.character(at: index)
    if flags & CharacterClasses.letter != 0 { return text.endOfLetters(from: index + length) }
    if flags & CharacterClasses.space != 0 {
      let end = text.endOfRun(of: CharacterClasses.space, from: index + length)
      if splitsDigits, end < text.count, text.character(at: end).flags & CharacterClasses.number != 0 { return end }
      return text.endOfSpaces(from: start, to: end)
    }
    if flags & CharacterClasses.number != 0 {
      if splitsDigits { return index > start ? index : index + length }
      return text.endOfRun(of: CharacterClasses.number, from: index + length)
    }
    return text.endOfRun(
      without: CharacterClasses.letter | CharacterClasses.number | CharacterClasses.space, from: index + length)
  }
}
