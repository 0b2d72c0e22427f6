/// Says how much of a text keeps to a grammar: what a trained model has learnt, in numbers one can read.
///
/// The text may be cut off at its end, as generated text is: a last word or sentence that is not finished is
/// not judged. A newline at the beginning is not required.
///
/// - Word: a run of letters; known if the grammar makes it somewhere, upper and lower case being different.
/// - Sentence: up to a full stop; parsed if the grammar makes it in *some* document. Whether it fits the
///   sentences before it is what documents tell.
/// - Document: one line; parsed if the grammar makes it as a whole. One without an end is not judged.
public struct GrammarReport: Sendable, Equatable {
  /// How many there are and how many are right.
  public struct Tally: Sendable, Equatable {
    public private(set) var count = 0
    public private(set) var goodCount = 0
    /// The first few wrong ones, in the order of the text; each once.
    public private(set) var offenders: [String] = []

    /// From 0 to 1; 0 where there are none.
    public var share: Double { count == 0 ? 0 : Double(goodCount) / Double(count) }

    fileprivate mutating func add(_ text: ArraySlice<UInt8>, isGood: Bool) {
      count += 1
      if isGood {
        goodCount += 1
      } else if offenders.count < 5 {
        let offender = String(decoding: text, as: UTF8.self)
        if !offenders.contains(offender) { offenders.append(offender) }
      }
    }
  }

  public private(set) var words = Tally()
  public private(set) var sentences = Tally()
  public private(set) var documents = Tally()

  /// Judges a text.
  ///
  /// - Complexity: O(bytes · states where a sentence may begin, until the first few characters decide).
  public init(of text: [UInt8], by grammar: Grammar) {
    let judge = Judge(grammar)
    let lines = text.split(separator: UInt8(ascii: "\n"))
    for (index, line) in lines.enumerated() {
      let isCutOff = index == lines.count - 1 && text.last != UInt8(ascii: "\n")
      readWords(line, isCutOff: isCutOff, judge)
      readSentences(line, isCutOff: isCutOff, judge)
      if !isCutOff { documents.add(line, isGood: judge.isDocument(line)) }
    }
  }

  private mutating func readWords(_ line: ArraySlice<UInt8>, isCutOff: Bool, _ judge: Judge) {
    for word in line.split(whereSeparator: { !$0.isLetter }) {
      if isCutOff, word.endIndex == line.endIndex { continue }
      words.add(word, isGood: judge.words.contains(Array(word)))
    }
  }

  private mutating func readSentences(_ line: ArraySlice<UInt8>, isCutOff: Bool, _ judge: Judge) {
    var rest = line
    while let stop = rest.firstIndex(of: judge.fullStop) {
      let sentence = rest[...stop]
      rest = rest[(stop + 1)...]
      sentences.add(sentence, isGood: judge.isSentence(sentence))
      if rest.first == UInt8(ascii: " ") { rest.removeFirst() }
    }
    if !rest.isEmpty, !isCutOff { sentences.add(rest, isGood: false) }
  }
}

/// What a grammar says about words, sentences and documents.
private struct Judge {
  let fullStop = UInt8(ascii: ".")
  let words: Set<[UInt8]>
  private let automaton: CharacterAutomaton
  /// Where a sentence may begin, in ascending order.
  private let sentenceStarts: [Int]

  init(_ grammar: Grammar) {
    automaton = grammar.automaton
    words = Set(grammar.words.map { Array($0.utf8) })
    sentenceStarts = Self.sentenceStarts(grammar.automaton)
  }

  private static func sentenceStarts(_ automaton: CharacterAutomaton) -> [Int] {
    // A sentence begins after a document's newline, and after a full stop with its space.
    var isStart = [Bool](repeating: false, count: automaton.stateCount)
    for state in 0..<automaton.stateCount {
      for arc in automaton.arcs(from: state) where arc.character == UInt8(ascii: "\n") {
        isStart[Int(arc.target)] = true
      }
      if let stop = automaton.arc(from: state, UInt8(ascii: ".")),
        let space = automaton.arc(from: Int(stop.target), UInt8(ascii: " "))
      {
        isStart[Int(space.target)] = true
      }
    }
    return isStart.indices.filter { isStart[$0] }
  }

  func isSentence(_ text: ArraySlice<UInt8>) -> Bool {
    sentenceStarts.contains { automaton.state(after: text, from: $0) != nil }
  }

  func isDocument(_ text: ArraySlice<UInt8>) -> Bool {
    guard let start = automaton.state(after: CollectionOfOne(UInt8(ascii: "\n"))),
      let end = automaton.state(after: text, from: start)
    else { return false }
    return automaton.arc(from: end, UInt8(ascii: "\n")) != nil
  }
}

extension GrammarReport: CustomStringConvertible {
  /// One line for each of words, sentences and documents.
  public var description: String {
    func line(_ name: String, _ tally: Tally) -> String {
      let perMille = tally.count == 0 ? 0 : tally.goodCount * 1000 / tally.count
      let offenders = tally.offenders.isEmpty ? "" : "; not: " + tally.offenders.joined(separator: " | ")
      return "\(name): \(tally.goodCount) of \(tally.count) (\(perMille / 10).\(perMille % 10) %)\(offenders)"
    }
    return [
      line("words in the grammar", words), line("sentences in the grammar", sentences),
      line("documents in the grammar", documents),
    ].joined(separator: "\n")
  }
}
