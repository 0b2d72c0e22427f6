extension CharacterAutomaton {
  static let stateLimit = 50_000

  /// Makes the states: each is a distribution over the network's character nodes, given the text so far.
  ///
  /// Two beginnings share a state where their distributions agree to 2⁻⁴⁰, so probabilities and entropies are
  /// exact to about 10⁻¹².
  ///
  /// A grammar is ambiguous exactly if, after some beginning, two ways lead to one node: from every node
  /// there is a way to the end, so that node completes two derivations of one document. Finding the states
  /// thus proves that there are no such two.
  ///
  /// - Throws: `ambiguous` with the shortest such beginning, `tooManyStates`.
  /// - Complexity: O(states · nodes in each).
  init(_ network: GrammarNetwork) throws(GrammarError) {
    self.init()
    var beliefs = Beliefs(network)
    let first = beliefs.distribution(over: [(1.0, 0)])!
    _ = beliefs.state(of: first, after: nil)
    while stateCount < beliefs.all.count {
      let state = stateCount
      var arcs: [Arc] = []
      for (character, mass, successors) in beliefs.successors(of: state) {
        let origin = (state: state, character: character)
        guard let distribution = beliefs.distribution(over: successors) else {
          throw .ambiguous(beginning: beliefs.text(endingWith: origin))
        }
        let target = beliefs.state(of: distribution, after: origin)
        arcs.append(Arc(character: character, target: Int32(target), probability: mass))
      }
      appendState(arcs)
      if beliefs.all.count > Self.stateLimit { throw .tooManyStates(limit: Self.stateLimit) }
    }
  }
}

/// The distributions found so far; the index is the state.
private struct Beliefs {
  typealias Distribution = [(node: Int, probability: Double)]

  /// A distribution rounded so that it can be found again.
  private struct Key: Hashable {
    var nodes: [Int]
    var units: [Int64]

    init(_ distribution: Distribution) {
      nodes = distribution.map(\.node)
      units = distribution.map { Int64($0.probability * 0x1p40 + 0.5) }
    }
  }

  private let network: GrammarNetwork
  private(set) var all: [Distribution] = []
  private var origins: [(state: Int, character: UInt8)?] = []
  private var states: [Key: Int] = [:]
  /// `visits[node]` is the number of the last walk that came to the node.
  private var visits: [Int]
  private var walk = 0

  init(_ network: GrammarNetwork) {
    self.network = network
    visits = [Int](repeating: 0, count: network.nodes.count)
  }

  /// Follows choices until only characters are left; nil if two ways lead to one node.
  mutating func distribution(over nodes: [(probability: Double, next: Int)]) -> Distribution? {
    walk += 1
    var result: Distribution = []
    var pending = nodes
    while let (probability, node) = pending.popLast() {
      if visits[node] == walk { return nil }
      visits[node] = walk
      switch network.nodes[node] {
      case .character:
        result.append((node, probability))
      case .choice(let branches):
        for branch in branches { pending.append((probability * branch.probability, branch.next)) }
      }
    }
    result.sort { $0.node < $1.node }
    return result
  }

  /// The number of a distribution's state, a new one if it was not seen before.
  mutating func state(of distribution: Distribution, after origin: (state: Int, character: UInt8)?) -> Int {
    let key = Key(distribution)
    if let known = states[key] { return known }
    states[key] = all.count
    all.append(distribution)
    origins.append(origin)
    return all.count - 1
  }

  /// For each character that may come next, ascending: its probability, and where it leads, with what
  /// probability.
  func successors(of state: Int) -> [(UInt8, mass: Double, [(probability: Double, next: Int)])] {
    var moves: [(character: UInt8, probability: Double, next: Int)] = []
    for (node, probability) in all[state] {
      guard case .character(let byte, let next) = network.nodes[node] else { continue }
      moves.append((byte, probability, next))
    }
    moves.sort { ($0.character, $0.next) < ($1.character, $1.next) }
    let total = moves.reduce(0) { $0 + $1.probability }
    return moves.chunks { $0.character == $1.character }.map { group in
      let mass = group.reduce(0) { $0 + $1.probability }
      return (group.first!.character, mass / total, group.map { ($0.probability / mass, $0.next) })
    }
  }

  /// A text that leads to this character, without the first newline.
  func text(endingWith last: (state: Int, character: UInt8)) -> String {
    var bytes: [UInt8] = []
    var step: (state: Int, character: UInt8)? = last
    while let (state, character) = step {
      bytes.append(character)
      step = origins[state]
    }
    return String(decoding: bytes.reversed().drop { $0 == UInt8(ascii: "\n") }, as: UTF8.self)
  }
}

extension Array {
  /// Cuts the array between neighbours that do not belong together.
  fileprivate func chunks(_ belong: (Element, Element) -> Bool) -> [ArraySlice<Element>] {
    var result: [ArraySlice<Element>] = []
    var start = 0
    for end in indices.dropFirst() where !belong(self[end - 1], self[end]) {
      result.append(self[start..<end])
      start = end
    }
    if start < count { result.append(self[start...]) }
    return result
  }
}
