/// Finds added tokens in a text: of those that begin at a place the longest, from the left.
struct AddedTokenMatcher: Sendable {
  /// A part of a text: between added tokens, or one of them.
  enum Part { case text(Range<Int>), token(Int32) }

  private let tokens: [AddedToken]
  /// By node << 8 | byte, the next node; node 0 is the root.
  private var edges: [Int: Int] = [:]
  /// By node, the token that ends there; −1 where none does.
  private var ends: [Int] = [-1]
  private var isFirst = [Bool](repeating: false, count: 256)
  /// Whether some are found even where special tokens are text.
  private let hasOrdinary: Bool

  /// - Parameter contents: What each is found by.
  init(_ tokens: [AddedToken], contents: [[UInt8]]) {
    self.tokens = tokens
    hasOrdinary = tokens.contains { !$0.isSpecial }
    for (index, content) in contents.enumerated() where !content.isEmpty {
      isFirst[Int(content[0])] = true
      var node = 0
      for byte in content {
        let edge = node << 8 | Int(byte)
        if let next = edges[edge] {
          node = next
        } else {
          ends.append(-1)
          edges[edge] = ends.count - 1
          node = ends.count - 1
        }
      }
      ends[node] = index
    }
  }

  /// Whether there is anything to look for.
  func isNeeded(_ treatment: SpecialTokenTreatment) -> Bool {
    !tokens.isEmpty && (treatment == .recognised || hasOrdinary)
  }

  /// The parts of a text, in order.
  ///
  /// As tokenizers has it, a special token that is to be text is found as others are and then left alone, so that nothing is
  /// found inside it; white space that a token takes with it may hold what is found next.
  func parts(of text: TextView, _ treatment: SpecialTokenTreatment) -> [Part] {
    var parts: [Part] = [], done = 0, index = 0
    while index < text.count {
      guard isFirst[Int(text[index])], let (found, end) = longest(in: text, at: index) else {
        index += 1
        continue
      }
      var range = index..<end
      index = end
      let token = tokens[found]
      if token.isSpecial && treatment == .asText { continue }
      if token.singleWord && (isWord(before: range.lowerBound, text) || isWord(at: range.upperBound, text)) { continue }
      if token.lstrip { range = max(done, spaces(before: range.lowerBound, text))..<range.upperBound }
      if token.rstrip {
        range = range.lowerBound..<text.endOfRun(of: CharacterClasses.space, from: range.upperBound)
      }
      if done < range.lowerBound { parts.append(.text(done..<range.lowerBound)) }
      parts.append(.token(token.id))
      done = range.upperBound
    }
    if done < text.count { parts.append(.text(done..<text.count)) }
    return parts
  }

  private func longest(in text: TextView, at start: Int) -> (token: Int, end: Int)? {
    var node = 0, index = start, found: (token: Int, end: Int)?
    while index < text.count, let next = edges[node << 8 | Int(text[index])] {
      (node, index) = (next, index + 1)
      if ends[node] >= 0 { found = (ends[node], index) }
    }
    return found
  }

  private func isWord(before index: Int, _ text: TextView) -> Bool {
    index > 0 && text.character(at: text.characterStart(before: index)).flags & CharacterClasses.word != 0
  }

  private func isWord(at index: Int, _ text: TextView) -> Bool {
    index < text.count && text.character(at: index).flags & CharacterClasses.word != 0
  }

  private func spaces(before index: Int, _ text: TextView) -> Int {
    var index = index
    while index > 0 {
      let start = text.characterStart(before: index)
      if text.character(at: start).flags & CharacterClasses.space == 0 { break }
      index = start
    }
    return index
  }
}
