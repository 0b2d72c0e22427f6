extension AnsweredText {
  /// Adds the text's tokens to others, and gives the runs of them: tokens of a question, of its answer, of the next
  /// question ….
  ///
  /// Names of special tokens in the text are those tokens, as other tools take them. A token belongs to an answer where any
  /// of its bytes do.
  ///
  /// - Throws: As the tokenizer.
  package func encode(by tokenizer: any Tokenizer, into tokens: inout [Int32]) throws(TextError) -> [UInt32] {
    let own = try tokenizer.encode(bytes, specialTokens: .recognised)
    tokens += own
    guard let ends = tokenEnds(own, tokenizer) else { return try runsByPrefixes(of: own, tokenizer) }
    var runs = AnswerRuns(), answer = 0, start = 0
    for end in ends {
      while answer < answers.count, answers[answer].upperBound <= start { answer += 1 }
      runs.add(1, isAnswer: answer < answers.count && answers[answer].lowerBound < end && start < end)
      start = max(start, end)
    }
    return runs.runs
  }

  /// Where each token's bytes end in the text; nil where the tokens do not spell it, white space apart that a tokenizer puts
  /// in front of words or swallows.
  private func tokenEnds(_ tokens: [Int32], _ tokenizer: any Tokenizer) -> [Int]? {
    let space = UInt8(ascii: " ")
    var place = 0, ends: [Int] = []
    ends.reserveCapacity(tokens.count)
    for (index, token) in tokens.enumerated() {
      let spelt = tokenizer.bytes(of: token, isFirst: index == 0)
      if !bytes[place...].starts(with: spelt) {
        let behind = bytes[place...].firstIndex { !" \t\r\n".utf8.contains($0) } ?? bytes.count
        if bytes[behind...].starts(with: spelt), !spelt.isEmpty {
          place = behind
        } else if spelt.first == space, bytes[place...].starts(with: spelt.dropFirst()) {
          place -= 1
        } else {
          return nil
        }
      }
      place += spelt.count
      ends.append(place)
    }
    // What is left was swallowed.
    return bytes[place...].allSatisfy { " \t\r\n".utf8.contains($0) } ? ends : nil
  }

  /// The runs where a tokenizer changes the text before it cuts it up: an answer begins and ends with the first token by
  /// which the text up to there and the whole text differ.
  ///
  /// - Complexity: Encodes the text once for each end of an answer.
  private func runsByPrefixes(of tokens: [Int32], _ tokenizer: any Tokenizer) throws(TextError) -> [UInt32] {
    var runs = AnswerRuns(), done = 0
    func go(to bound: Int, isAnswer: Bool) throws(TextError) {
      let before = try tokenizer.encode(Array(bytes[..<bound]), specialTokens: .recognised)
      let place = bound == bytes.count ? tokens.count : max(done, zip(before, tokens).prefix { $0 == $1 }.count)
      runs.add(place - done, isAnswer: isAnswer)
      done = place
    }
    for answer in answers {
      try go(to: answer.lowerBound, isAnswer: false)
      try go(to: answer.upperBound, isAnswer: true)
    }
    if done < tokens.count { try go(to: bytes.count, isAnswer: false) }
    return runs.runs
  }
}

/// Runs of what is and what is not an answer, in turns; the first is not.
struct AnswerRuns {
  private(set) var runs: [UInt32] = []

  mutating func add(_ count: Int, isAnswer: Bool) {
    if count == 0 { return }
    if runs.isEmpty { runs.append(0) }
    if (runs.count % 2 == 0) != isAnswer { runs.append(0) }
    runs[runs.count - 1] += UInt32(count)
  }
}

extension AnsweredText {
  /// Adds the text's characters to an alphabet, names of a token apart, and gives the runs of its tokens: one for each
  /// character and for each such name.
  package func add(to alphabet: inout Alphabet, endOfText name: String) throws(TextError) -> [UInt32] {
    var runs = AnswerRuns(), place = 0
    func add(_ range: Range<Int>, isAnswer: Bool) throws(TextError) {
      for piece in SpecialTokenSplitter([name]).pieces(of: bytes, in: range) {
        if piece.name != nil { runs.add(1, isAnswer: isAnswer) } else {
          runs.add(try alphabet.add(bytes.span.extracting(piece.range)), isAnswer: isAnswer)
        }
      }
    }
    for answer in answers {
      try add(place..<answer.lowerBound, isAnswer: false)
      try add(answer, isAnswer: true)
      place = answer.upperBound
    }
    try add(place..<bytes.count, isAnswer: false)
    return runs.runs
  }
}

/// Finds names of special tokens in texts: at each place the longest.
struct SpecialTokenSplitter {
  private let names: [[UInt8]]

  init(_ names: [String]) { self.names = names.map { Array($0.utf8) }.filter { !$0.isEmpty } }

  /// The pieces of a text, each a name (by its number) or what stands between names.
  func pieces(of text: [UInt8], in range: Range<Int>) -> [(range: Range<Int>, name: Int?)] {
    var pieces: [(range: Range<Int>, name: Int?)] = [], begin = range.lowerBound, place = begin
    while place < range.upperBound {
      let found = names.indices.filter { names[$0][0] == text[place] && text[place..<range.upperBound].starts(with: names[$0]) }
        .max { names[$0].count < names[$1].count }
      guard let found else {
        place += 1
        continue
      }
      if begin < place { pieces.append((begin..<place, nil)) }
      pieces.append((place..<place + names[found].count, found))
      place += names[found].count
      begin = place
    }
    if begin < range.upperBound { pieces.append((begin..<range.upperBound, nil)) }
    return pieces
  }
}
