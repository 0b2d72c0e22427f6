import AutogradBase

/// Where documents lie in a row of tokens, and which of their tokens are answers: runs of tokens, questions and answers
/// in turns.
///
/// Takes 16 bytes for a document and 4 for a run: a hundredth of what tokens of conversations take.
public struct DocumentTable: Sendable, Equatable {
  /// Where each document begins among the tokens, and where the last ends.
  private var starts = [0]
  /// Where each document's runs end among all.
  private var runEnds: [Int] = []
  private var runs: [UInt32] = []

  public init() {}

  public var count: Int { runEnds.count }
  public var tokenCount: Int { starts[count] }
  /// What it takes in memory.
  public var byteCount: Int { 8 * (starts.count + runEnds.count) + 4 * runs.count }

  /// Adds a document by its runs: tokens of a question, of its answer, of the next question …; any may be 0.
  public mutating func append(_ document: some Collection<UInt32>) {
    runs += document
    runEnds.append(runs.count)
    starts.append(tokenCountOfRuns(document))
  }

  private func tokenCountOfRuns(_ document: some Collection<UInt32>) -> Int {
    starts[starts.count - 1] + document.reduce(0) { $0 + Int($1) }
  }

  public mutating func append(_ other: DocumentTable) {
    let tokens = tokenCount, before = runs.count
    starts += other.starts.dropFirst().map { $0 + tokens }
    runEnds += other.runEnds.map { $0 + before }
    runs += other.runs
  }

  /// Where a document's tokens lie.
  public func tokens(of document: Int) -> Range<Int> { starts[document]..<starts[document + 1] }

  /// The tokens of a document that are answers, counted from its first, in ranges.
  ///
  /// - Complexity: O(runs), allocating nothing.
  public func forEachAnswer(in document: Int, _ body: (Range<Int>) -> Void) {
    var place = 0, isAnswer = false
    for index in (document == 0 ? 0 : runEnds[document - 1])..<runEnds[document] {
      let end = place + Int(runs[index])
      if isAnswer, end > place { body(place..<end) }
      (place, isAnswer) = (end, !isAnswer)
    }
  }

  /// How many answers' tokens among its first `limit` are predicted from others: all but the first token of all.
  public func answerCount(in document: Int, limit: Int = .max) -> Int {
    var count = 0
    forEachAnswer(in: document) { answer in count += max(0, min(answer.upperBound, limit) - max(answer.lowerBound, 1)) }
    return count
  }

  /// The hash of all that it says.
  public var sha256: String {
    var hash = SHA256()
    func add(_ words: [Int]) {
      hash.update(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } })
    }
    let step = 1 << 14
    for first in stride(from: 0, to: starts.count, by: step) { add(Array(starts[first..<min(starts.count, first + step)])) }
    for first in stride(from: 0, to: runs.count, by: step) { add(runs[first..<min(runs.count, first + step)].map { Int($0) }) }
    return hexadecimal(hash.finalize())
  }
}
