import AutogradBase

/// Makes the documents of a grammar, the same ones for the same seed on every run.
///
/// There is nothing to store and nothing to keep: document 1000 is made without documents 0..<1000, and there
/// is no end of them, so training never sees one twice except where a grammar has few.
///
/// Document i draws from the random stream of (seed, purpose, step i), one number per character.
public struct CorpusGenerator: Sendable {
  public let grammar: Grammar
  private let seed: UInt64
  private let purpose: RandomPurpose

  /// - Parameter purpose: `dataOrder` for what is trained on, `evaluation` for documents that training with
  ///   the same seed does not draw.
  public init(grammar: Grammar = .stories, seed: UInt64, purpose: RandomPurpose = .dataOrder) {
    self.grammar = grammar
    self.seed = seed
    self.purpose = purpose
  }

  /// Makes one document: its newline, then its text.
  ///
  /// - Precondition: `index` is below 2⁵⁶.
  public func document(_ index: UInt64) -> [UInt8] {
    var characters = characters(fromDocument: index)
    var bytes = [characters.next()!]
    while let character = characters.next(), character != UInt8(ascii: "\n") { bytes.append(character) }
    return bytes
  }

  /// Makes the first characters of documents 0, 1, …: a corpus for a file, cut off at `characterCount`.
  public func text(characterCount: Int) -> [UInt8] {
    var characters = characters(fromDocument: 0)
    return (0..<characterCount).map { _ in characters.next()! }
  }

  /// The characters of document `index`, of the next one, and so on without end.
  public func characters(fromDocument index: UInt64) -> Characters {
    Characters(generator: self, nextDocument: index)
  }

  /// Walks through the automaton, a document after another.
  public struct Characters: Sequence, IteratorProtocol, Sendable {
    private let automaton: CharacterAutomaton
    private let seed: UInt64
    private let purpose: RandomPurpose
    private var random: RandomStream
    private var nextDocument: UInt64
    private var state = CharacterAutomaton.start

    fileprivate init(generator: CorpusGenerator, nextDocument: UInt64) {
      automaton = generator.grammar.automaton
      seed = generator.seed
      purpose = generator.purpose
      self.nextDocument = nextDocument
      random = RandomStream(seed: seed, purpose: purpose, step: nextDocument)
    }

    /// The next character; never nil.
    ///
    /// - Complexity: O(characters that may come next); allocates nothing.
    public mutating func next() -> UInt8? {
      let arcs = automaton.arcs(from: state)
      var chosen = arcs.last!
      if arcs.count > 1 {
        var rest = random.uniform()
        for arc in arcs {
          rest -= arc.probability
          if rest < 0 {
            chosen = arc
            break
          }
        }
      }
      state = Int(chosen.target)
      if chosen.character == UInt8(ascii: "\n") {
        random = RandomStream(seed: seed, purpose: purpose, step: nextDocument)
        nextDocument += 1
      }
      return chosen.character
    }
  }
}
