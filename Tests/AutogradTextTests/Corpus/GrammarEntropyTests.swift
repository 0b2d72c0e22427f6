import Testing
import AutogradText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("Grammar: exact entropy")
struct GrammarEntropyTests {
  /// Words that begin alike, agreement over a distance, documents that begin other documents.
  private static let rules = """
    document = <tale:one> [2] | <tale:many> | it [0.5] | its<more> [0.25]
    tale:* = the cat<s:*> <mid> <is:*>
    s:one = <>
    s:many = s
    mid = at sea | at work [3]
    is:one = is
    is:many = are
    more = <> | ! [3]
    """
  private static let documents: [(String, Double)] = {
    let weights: [(String, Double)] = [
      ("the cat at sea is", 2 * 0.25), ("the cat at work is", 2 * 0.75), ("the cats at sea are", 0.25),
      ("the cats at work are", 0.75), ("it", 0.5), ("its", 0.25 * 0.25), ("its!", 0.25 * 0.75),
    ]
    return weights.map { ("\n" + $0.0, $0.1 / 3.75) }
  }()

  /// The distribution of the first `count` characters, by going through all sequences of documents.
  private func prefixes(count: Int) -> [String: Double] {
    var result: [String: Double] = [:]
    func extend(_ text: String, _ probability: Double) {
      if text.utf8.count >= count {
        result[String(text.prefix(count)), default: 0] += probability
      } else {
        for (document, share) in Self.documents { extend(text + document, probability * share) }
      }
    }
    extend("", 1)
    return result
  }

  private func entropy(_ probabilities: some Sequence<Double>) -> Double {
    probabilities.reduce(0) { $0 - $1 * log($1) }
  }

  @Test(
    "the optimum of a window is the entropy of all windows over their length",
    arguments: [1, 2, 5, 13, 21, 30])
  func windowOptimum(length: Int) throws {
    let grammar = try Grammar(parsing: Self.rules)
    let expected = entropy(prefixes(count: length + 1).values) / Double(length)
    #expect(abs(grammar.windowOptimum(length: length) - expected) < 1e-12)
  }

  @Test("positions are differences of the entropies of beginnings")
  func positions() throws {
    let grammar = try Grammar(parsing: Self.rules)
    let entropies = (1...16).map { entropy(prefixes(count: $0).values) }
    let positions = grammar.positionEntropies(length: 15)
    for i in 0..<15 { #expect(abs(positions[i] - (entropies[i + 1] - entropies[i])) < 1e-12) }
  }

  @Test("the rate is a document's entropy over its mean length")
  func entropyRate() throws {
    let grammar = try Grammar(parsing: Self.rules)
    let length = Self.documents.reduce(0) { $0 + $1.1 * Double($1.0.utf8.count) }
    #expect(abs(grammar.meanDocumentLength - length) < 1e-12)
    #expect(abs(grammar.entropyRate - entropy(Self.documents.map(\.1)) / length) < 1e-12)
  }

  @Test("a rule that repeats itself without end has an exact rate too")
  func repetition() throws {
    let grammar = try Grammar(parsing: "document = a<more>\nmore = <> | b<more>")
    #expect(abs(grammar.meanDocumentLength - 3) < 1e-12)  // newline, a, one b on average
    #expect(abs(grammar.entropyRate - 2 * log(2) / 3) < 1e-12)
    // The whole document may repeat: "ab", "abab", …
    let whole = try Grammar(parsing: "document = ab<rest>\nrest = <> | <document> [3]")
    #expect(abs(whole.meanDocumentLength - 9) < 1e-12)
    #expect(abs(whole.entropyRate - 4 * (log(4) - 0.75 * log(3)) / 9) < 1e-12)
    #expect(abs(whole.windowOptimum(length: 4_000) - whole.entropyRate) < 1e-3)
  }

  @Test("the likelihood of a text is the share of texts that begin so")
  func likelihood() throws {
    let grammar = try Grammar(parsing: Self.rules)
    for (text, probability) in prefixes(count: 24) {
      let loss = try #require(grammar.negativeLogLikelihood(of: text.utf8))
      #expect(abs(loss + log(probability)) < 1e-12)
    }
    #expect(grammar.negativeLogLikelihood(of: "".utf8) == 0)
    #expect(grammar.negativeLogLikelihood(of: "\n".utf8) == 0)
    for text in ["it", "\nThe", "\nits?", "\nthe cat at sea are", "\nit\n\n"] {
      #expect(grammar.negativeLogLikelihood(of: text.utf8) == nil, "\(text)")
    }
  }

  @Test("the distribution after a beginning is the posterior, not the grammar's own weights")
  func automaton() throws {
    let automaton = try Grammar(parsing: Self.rules).automaton
    let state = try #require(automaton.state(after: "\nit".utf8))
    let arcs = automaton.arcs(from: state)
    #expect(arcs.map(\.character) == Array("\ns".utf8))
    #expect(abs(arcs.first!.probability - 0.5 / 0.75) < 1e-15)
    for state in 0..<automaton.stateCount {
      #expect(abs(automaton.arcs(from: state).reduce(0) { $0 + $1.probability } - 1) < 1e-12)
    }
    #expect(automaton.arcs(from: CharacterAutomaton.start).map(\.character) == Array("\n".utf8))
  }
}
