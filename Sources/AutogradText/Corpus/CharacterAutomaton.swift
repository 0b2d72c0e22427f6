/// The exact distribution of the next character after every beginning of a text.
///
/// A state stands for all that a beginning tells about what follows: from each state there is at most one arc
/// per character, so a text has one path, and the product of its probabilities is the text's probability.
/// State 0 comes before the first document; its one arc is the newline that begins a document.
public struct CharacterAutomaton: Sendable {
  /// A character that may come next, and the state after it.
  public struct Arc: Sendable, Equatable {
    public var character: UInt8
    public var target: Int32
    /// Above 0; those of one state sum to 1, up to rounding.
    public var probability: Double
  }

  private var allArcs: [Arc] = []
  /// The arcs of state i are `allArcs[ends[i − 1]..<ends[i]]`, in the order of their characters.
  private var ends: [Int] = []

  public static let start = 0

  public var stateCount: Int { ends.count }

  /// The characters that may come next.
  ///
  /// - Precondition: `state` lies in 0..<`stateCount`.
  public func arcs(from state: Int) -> ArraySlice<Arc> {
    allArcs[(state == 0 ? 0 : ends[state - 1])..<ends[state]]
  }

  /// The arc of one character; nil where it cannot come next.
  ///
  /// - Complexity: O(arcs of the state), which is at most 96.
  public func arc(from state: Int, _ character: UInt8) -> Arc? {
    arcs(from: state).first { $0.character == character }
  }

  /// The state after `text`; nil where the text leaves the grammar.
  public func state(after text: some Sequence<UInt8>, from state: Int = start) -> Int? {
    var state = state
    for character in text {
      guard let arc = arc(from: state, character) else { return nil }
      state = Int(arc.target)
    }
    return state
  }

  /// Adds the next state's arcs, whose targets may not exist yet.
  mutating func appendState(_ arcs: [Arc]) {
    allArcs += arcs
    ends.append(allArcs.count)
  }

  /// All characters, ascending, each once.
  var alphabet: [UInt8] {
    var isUsed = [Bool](repeating: false, count: 256)
    for arc in allArcs { isUsed[Int(arc.character)] = true }
    return (0...255).filter { isUsed[Int($0)] }
  }

  /// All words, in the order of their bytes, each once: runs of letters between other characters.
  ///
  /// Words of more than 64 letters are left out, for a rule that repeats itself can make them without end.
  var words: [[UInt8]] {
    var isStart = [Bool](repeating: false, count: stateCount)
    for arc in allArcs where !arc.character.isLetter { isStart[Int(arc.target)] = true }
    var found: Set<[UInt8]> = []
    var pending = isStart.indices.filter { isStart[$0] }.map { (state: $0, letters: [UInt8]()) }
    while let (state, letters) = pending.popLast() {
      for arc in arcs(from: state) {
        if arc.character.isLetter {
          if letters.count < 64 { pending.append((Int(arc.target), letters + [arc.character])) }
        } else if !letters.isEmpty {
          found.insert(letters)
        }
      }
    }
    return found.sorted { $0.lexicographicallyPrecedes($1) }
  }
}
