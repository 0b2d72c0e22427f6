#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// A probabilistic grammar whose entropy is known exactly: how well a model can possibly predict its texts.
///
/// A text is an endless stream of documents. Each is a newline and then what the rule `document` makes, so a
/// text *begins* with a newline, which is also what a model is given to begin with. There is no newline at a
/// document's end: the next document brings it.
///
/// Rules may repeat themselves only at the end (the grammar is regular), and no document may have two
/// derivations: both are checked. The syntax is told at the top of `grammar.txt`.
public struct Grammar: Sendable {
  /// What a text can be after each beginning.
  public let automaton: CharacterAutomaton
  /// The characters of all texts, ascending: what a tokenizer must know.
  public let alphabet: [UInt8]
  /// Every word of every text, in the order of their bytes; "The" and "the" are two.
  public let words: [String]
  /// The exact mean of −log p(character | all before) in an endless text, in nats per character.
  public let entropyRate: Double
  /// The exact mean length of a document in characters, its newline among them.
  public let meanDocumentLength: Double

  /// Reads and checks rules.
  ///
  /// - Throws: `GrammarError`, with the line where there is one.
  /// - Complexity: O(characters of all rules, each counted once per place of use); the built-in rules take a
  ///   fraction of a second.
  public init(parsing text: String) throws(GrammarError) {
    try self.init(parsing: Array(text.utf8))
  }

  init(parsing text: [UInt8]) throws(GrammarError) {
    automaton = try CharacterAutomaton(GrammarNetwork(GrammarRules(parsing: text)))
    alphabet = automaton.alphabet
    words = automaton.words.map { String(decoding: $0, as: UTF8.self) }
    (entropyRate, meanDocumentLength) = automaton.documentMeans()
  }

  /// The rules of the built-in grammar, as its file has them.
  public static var storiesSource: [UInt8] { PackageResources.grammar_txt }

  /// The built-in grammar of small stories.
  public static let stories: Grammar = {
    do {
      return try Grammar(parsing: storiesSource)
    } catch {
      fatalError("built-in grammar: \(error)")
    }
  }()

  // MARK: What is the best possible

  /// The exact mean loss, in nats per character, of the best possible model on windows of a given length.
  ///
  /// A window starts where a document starts and goes on into the documents that follow. It has `length`
  /// inputs, the characters 0..<T, and as many targets, the characters 1...T, so the first newline is given
  /// and not predicted. No model that sees only the window can do better on average; the value is not the
  /// entropy rate, for a window has more beginnings of documents than a text has.
  ///
  /// - Precondition: `length` is at least 1; otherwise stops and prints it.
  /// - Complexity: O(length · states).
  public func windowOptimum(length: Int) -> Double {
    let entropies = positionEntropies(length: length)
    return entropies.reduce(0, +) / Double(length)
  }

  /// The terms of `windowOptimum`: entry i is the loss, in nats, of predicting character i + 1 from the i + 1
  /// characters before.
  ///
  /// Shapes: [length].
  public func positionEntropies(length: Int) -> [Double] {
    guard length >= 1 else { fatalError("grammar: a window of \(length) predicts nothing; take at least 1") }
    var mass = [Double](repeating: 0, count: automaton.stateCount)
    mass[CharacterAutomaton.start] = 1
    mass = automaton.advanced(mass)
    var result: [Double] = []
    for _ in 0..<length {
      result.append(automaton.meanEntropy(mass))
      mass = automaton.advanced(mass)
    }
    return result
  }

  /// −log of the probability, in nats, that an endless text begins with `text`; nil if none does.
  ///
  /// The text may end anywhere, also inside a word, and must begin with a newline, which costs nothing.
  ///
  /// - Complexity: O(bytes).
  public func negativeLogLikelihood(of text: some Sequence<UInt8>) -> Double? {
    var state = CharacterAutomaton.start
    var sum = 0.0
    for character in text {
      guard let arc = automaton.arc(from: state, character) else { return nil }
      sum -= log(arc.probability)
      state = Int(arc.target)
    }
    return sum
  }
}

extension CharacterAutomaton {
  /// Moves a distribution over states, or a part of one, one character on.
  ///
  /// - Parameter keepsNewlines: False leaves out what a newline moves: the documents that have ended.
  fileprivate func advanced(_ mass: [Double], keepsNewlines: Bool = true) -> [Double] {
    var result = [Double](repeating: 0, count: stateCount)
    for state in 0..<stateCount where mass[state] > 0 {
      for arc in arcs(from: state) where keepsNewlines || arc.character != UInt8(ascii: "\n") {
        result[Int(arc.target)] += mass[state] * arc.probability
      }
    }
    return result
  }

  /// The mean over states of the entropy of the next character, in nats.
  fileprivate func meanEntropy(_ mass: [Double]) -> Double {
    var sum = 0.0
    for state in 0..<stateCount where mass[state] > 0 {
      for arc in arcs(from: state) { sum -= mass[state] * arc.probability * log(arc.probability) }
    }
    return sum
  }

  /// Nats per character and characters per document, from following one document to its end.
  ///
  /// Documents are independent, so the rate is the mean loss of a document over its mean length. Stops when
  /// less than 10⁻¹⁵ of all documents have not ended; longer than a million characters no one is followed.
  fileprivate func documentMeans() -> (entropyRate: Double, length: Double) {
    var mass = [Double](repeating: 0, count: stateCount)
    mass[Self.start] = 1
    mass = advanced(mass)
    var losses = 0.0
    var length = 0.0
    for _ in 0..<1_000_000 {
      let remaining = mass.reduce(0, +)
      if remaining < 1e-15 { break }
      length += remaining
      losses += meanEntropy(mass)
      mass = advanced(mass, keepsNewlines: false)
    }
    return (losses / length, length)
  }
}
