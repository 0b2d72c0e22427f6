/// A grammar as it is written: rules in the order of the text, references not yet resolved.
///
/// The syntax is told at the top of `grammar.txt`.
struct GrammarRules {
  /// What a rule is called; the tag is nil, a word, or `*` for every tag.
  struct Name: Hashable, CustomStringConvertible {
    var base: String
    var tag: String?
    var description: String { tag.map { "\(base):\($0)" } ?? base }
    var isForEveryTag: Bool { tag == "*" }
  }

  enum Item {
    case text([UInt8])
    case reference(Name, line: Int)
  }

  struct Alternative {
    var weight = 1.0
    var items: [Item] = []
  }

  struct Rule {
    var name: Name
    var line: Int
    var alternatives: [Alternative]
  }

  static let byteLimit = 1 << 20

  private(set) var rules: [Rule] = []
  private(set) var indices: [Name: Int] = [:]

  /// Reads the rules.
  ///
  /// - Throws: `GrammarError`, with the line, for whatever one rule alone can get wrong.
  /// - Complexity: O(bytes).
  init(parsing text: [UInt8]) throws(GrammarError) {
    if text.count > Self.byteLimit { throw .tooLarge(byteCount: text.count, limit: Self.byteLimit) }
    var draft: RuleDraft?
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let content = line.prefix { $0 != UInt8(ascii: "#") }
      let body = content.trimmed
      if body.isEmpty { continue }
      if content.first!.isSpace {
        guard draft != nil else { throw .continuationWithoutRule(line: index + 1) }
        draft!.append(body, line: index + 1)
      } else {
        if let draft { try add(draft.finished()) }
        draft = try RuleDraft(firstLine: body, line: index + 1)
      }
    }
    if let draft { try add(draft.finished()) }
  }

  private mutating func add(_ rule: Rule) throws(GrammarError) {
    if let first = indices[rule.name] {
      throw .duplicateRule("\(rule.name)", line: rule.line, firstLine: rules[first].line)
    }
    indices[rule.name] = rules.count
    rules.append(rule)
  }
}

/// A rule whose lines are still being read.
private struct RuleDraft {
  private let name: GrammarRules.Name
  private let line: Int
  /// The text of each alternative as it stands, and the line where it begins.
  private var alternatives: [(text: [UInt8], line: Int)]

  init(firstLine: ArraySlice<UInt8>, line: Int) throws(GrammarError) {
    guard let equals = firstLine.firstIndex(of: UInt8(ascii: "=")) else { throw .missingEquals(line: line) }
    self.line = line
    name = try GrammarRules.Name(firstLine[..<equals].trimmed, line: line)
    alternatives = [([], line)]
    append(firstLine[(equals + 1)...], line: line)
  }

  /// Adds a line: what stands before its first bar continues the last alternative.
  mutating func append(_ body: ArraySlice<UInt8>, line: Int) {
    let parts = body.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if index > 0 { alternatives.append(([], line)) }
      let last = alternatives.count - 1
      if part.trimmed.isEmpty { continue }
      if alternatives[last].text.isEmpty {
        alternatives[last].line = line
      } else {
        alternatives[last].text.append(UInt8(ascii: " "))
      }
      alternatives[last].text += part.trimmed
    }
  }

  func finished() throws(GrammarError) -> GrammarRules.Rule {
    var rule = GrammarRules.Rule(name: name, line: line, alternatives: [])
    for (text, line) in alternatives {
      if text.isEmpty { throw .emptyAlternative(rule: "\(name)", line: line) }
      rule.alternatives.append(try GrammarRules.Alternative(text[...], line: line))
    }
    return rule
  }
}

extension GrammarRules.Alternative {
  init(_ text: ArraySlice<UInt8>, line: Int) throws(GrammarError) {
    self.init()
    var text = text
    if text.last == UInt8(ascii: "]"), let open = text.lastIndex(of: UInt8(ascii: "[")) {
      weight = try Self.weight(text[(open + 1)..<(text.endIndex - 1)], line: line)
      text = text[..<open].trimmed
    }
    var literal: [UInt8] = []
    while let byte = text.popFirst() {
      switch byte {
      case UInt8(ascii: "<"):
        guard let close = text.firstIndex(of: UInt8(ascii: ">")) else { throw .unclosedReference(line: line) }
        let inner = text[..<close].trimmed
        text = text[(close + 1)...]
        if inner.isEmpty { continue }
        if !literal.isEmpty { items.append(.text(literal)) }
        literal = []
        items.append(.reference(try GrammarRules.Name(inner, line: line), line: line))
      case UInt8(ascii: "_"):
        literal.append(UInt8(ascii: " "))
      case _ where byte.isSpace:
        if literal.last != UInt8(ascii: " ") { literal.append(UInt8(ascii: " ")) }
      case UInt8(ascii: ">"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "="):
        throw .invalidCharacter(byte, line: line)
      case 0x21...0x7E:
        literal.append(byte)
      default:
        throw .invalidCharacter(byte, line: line)
      }
    }
    if !literal.isEmpty { items.append(.text(literal)) }
  }

  private static func weight(_ digits: ArraySlice<UInt8>, line: Int) throws(GrammarError) -> Double {
    let text = String(decoding: digits, as: UTF8.self)
    guard let weight = Double(text), weight >= 1e-6, weight <= 1e6 else {
      throw .invalidWeight(text, line: line)
    }
    return weight
  }
}

extension GrammarRules.Name {
  init(_ text: ArraySlice<UInt8>, line: Int) throws(GrammarError) {
    let parts = text.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
    func isWord(_ part: ArraySlice<UInt8>) -> Bool {
      !part.isEmpty
        && part.allSatisfy { $0.isLetter || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
    }
    let hasGoodTag = parts.count == 1 || parts[1].elementsEqual("*".utf8) || isWord(parts[1])
    guard isWord(parts[0]), hasGoodTag else {
      throw .invalidName(String(decoding: text, as: UTF8.self), line: line)
    }
    base = String(decoding: parts[0], as: UTF8.self)
    tag = parts.count == 1 ? nil : String(decoding: parts[1], as: UTF8.self)
  }
}

extension UInt8 {
  /// A letter of ASCII, of either case.
  var isLetter: Bool { (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) }

  fileprivate var isSpace: Bool { self == 0x20 || self == 0x09 || self == 0x0D }
}

extension ArraySlice<UInt8> {
  fileprivate var trimmed: Self {
    var rest = self.drop { $0.isSpace }
    while let last = rest.last, last.isSpace { rest.removeLast() }
    return rest
  }
}
