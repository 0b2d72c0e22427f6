/// A grammar spelled out: every rule copied to every place where it is used, one node per character.
///
/// Node 0 is the newline before each document, and where a document ends node 0 comes next: the network makes
/// an endless stream of documents. A newline can stand nowhere else.
struct GrammarNetwork {
  enum Node {
    case character(UInt8, next: Int)
    /// The probabilities sum to 1, up to rounding.
    case choice([(probability: Double, next: Int)])
  }

  static let nodeLimit = 200_000

  private(set) var nodes: [Node]

  /// Spells out the rules.
  ///
  /// - Throws: `noDocumentRule`, `undefinedRule`, `unusedRule`, `starWithoutTag`, `notRegular`, `endless`,
  ///   `tooManyStates`.
  /// - Complexity: O(nodes).
  init(_ rules: GrammarRules) throws(GrammarError) {
    let document = GrammarRules.Name(base: "document", tag: nil)
    guard rules.indices[document] != nil else { throw .noDocumentRule }
    var expansion = Expansion(rules)
    let entry = try expansion.entry(of: document, boundTo: nil, line: 0, then: 0)
    expansion.nodes[0] = .character(UInt8(ascii: "\n"), next: entry)
    nodes = expansion.nodes
    if let unused = expansion.isUsed.firstIndex(of: false) {
      throw .unusedRule("\(rules.rules[unused].name)", line: rules.rules[unused].line)
    }
    let ends = nodesThatEnd()
    for (node, rule) in expansion.owners where !ends[node] {
      throw .endless(rule: "\(rules.rules[rule].name)", line: rules.rules[rule].line)
    }
  }

  /// Which nodes have a way to the end of the document.
  private func nodesThatEnd() -> [Bool] {
    var predecessors = [[Int]](repeating: [], count: nodes.count)
    for (index, node) in nodes.enumerated() {
      switch node {
      case .character(_, let next): predecessors[next].append(index)
      case .choice(let branches): for branch in branches { predecessors[branch.next].append(index) }
      }
    }
    var ends = [Bool](repeating: false, count: nodes.count)
    ends[0] = true
    var pending = [0]
    while let node = pending.popLast() {
      for predecessor in predecessors[node] where !ends[predecessor] {
        ends[predecessor] = true
        pending.append(predecessor)
      }
    }
    return ends
  }
}

/// Copies rules into the network, each once for every (tag, what follows).
private struct Expansion {
  private struct Use: Hashable {
    var rule: Int
    var tag: String?
  }
  private struct Copy: Hashable {
    var use: Use
    var next: Int
  }

  let rules: GrammarRules
  var nodes: [GrammarNetwork.Node] = [.choice([])]
  var isUsed: [Bool]
  /// The choice nodes with their rules, in the order in which they were made.
  var owners: [(node: Int, rule: Int)] = []
  private var entries: [Copy: Int] = [:]
  /// What follows the uses whose copies are being made.
  private var open: [Use: Int] = [:]

  init(_ rules: GrammarRules) {
    self.rules = rules
    isUsed = [Bool](repeating: false, count: rules.rules.count)
  }

  /// The node where the rule begins whose text is followed by node `next`.
  mutating func entry(
    of name: GrammarRules.Name, boundTo tag: String?, line: Int, then next: Int
  ) throws(GrammarError) -> Int {
    let use = try resolve(name, boundTo: tag, line: line)
    let copy = Copy(use: use, next: next)
    if let known = entries[copy] { return known }
    let rule = rules.rules[use.rule]
    // A second copy inside the first would need a third, and so on: no finite network does that.
    if open[use] != nil { throw .notRegular(rule: "\(rule.name)", line: line) }
    open[use] = next
    defer { open[use] = nil }
    isUsed[use.rule] = true
    let node = try append(.choice([]))
    entries[copy] = node
    owners.append((node, use.rule))
    let totalWeight = rule.alternatives.reduce(0) { $0 + $1.weight }
    var branches: [(probability: Double, next: Int)] = []
    for alternative in rule.alternatives {
      let first = try self.first(of: alternative.items, tag: use.tag, then: next)
      branches.append((alternative.weight / totalWeight, first))
    }
    nodes[node] = .choice(branches)
    return node
  }

  /// The node where these items begin; made from the last to the first.
  private mutating func first(
    of items: [GrammarRules.Item], tag: String?, then next: Int
  ) throws(GrammarError) -> Int {
    var next = next
    for item in items.reversed() {
      switch item {
      case .text(let bytes):
        for byte in bytes.reversed() { next = try append(.character(byte, next: next)) }
      case .reference(let name, let line):
        next = try entry(of: name, boundTo: tag, line: line, then: next)
      }
    }
    return next
  }

  private func resolve(
    _ name: GrammarRules.Name, boundTo tag: String?, line: Int
  ) throws(GrammarError) -> Use {
    var name = name
    if name.isForEveryTag {
      guard let tag else { throw .starWithoutTag(reference: "\(name)", line: line) }
      name.tag = tag
    }
    let general = name.tag == nil ? nil : rules.indices[.init(base: name.base, tag: "*")]
    let rule = rules.indices[name] ?? general
    guard let rule else { throw .undefinedRule("\(name)", line: line) }
    return Use(rule: rule, tag: name.tag)
  }

  private mutating func append(_ node: GrammarNetwork.Node) throws(GrammarError) -> Int {
    if nodes.count == GrammarNetwork.nodeLimit { throw .tooManyStates(limit: GrammarNetwork.nodeLimit) }
    nodes.append(node)
    return nodes.count - 1
  }
}
