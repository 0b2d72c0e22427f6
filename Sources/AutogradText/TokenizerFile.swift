public import AutogradBase

/// A `tokenizer.json`, taken apart: its vocabulary and its merges, which are nearly all of it, and everything else.
///
/// Reading a vocabulary of 50,000 tokens takes a few milliseconds: no values are made for what stands there a hundred
/// thousand times.
public struct TokenizerFile: Sendable {
  /// Everything but the vocabulary and the merges, for which null stands.
  public private(set) var rest: JSON
  /// The model's `vocab`, in the order of the file; nil where that is no object.
  private(set) var vocabulary: SpelledTokens?
  /// The model's `merges`, in their order; nil where there is no such list.
  private(set) var merges: [MergePair]?
  /// What the tokens of the vocabulary mean where a file beside this one says so.
  public var roles: SpecialTokenNames

  /// Takes the bytes of a file apart.
  ///
  /// - Parameter roles: What another file says of special tokens: `tokenizer_config.json`.
  /// - Throws: `tokenizerNotJSON`; `notTokenizer` where ids or merges are none.
  /// - Complexity: O(bytes).
  public init(_ bytes: [UInt8], roles: SpecialTokenNames = SpecialTokenNames()) throws(TextError) {
    let problem: String?
    do throws(JSONError) {
      var reader = TokenizerFileReader(parser: try JSONParser(bytes, tokenizerFileLimits))
      rest = try reader.read()
      (vocabulary, merges, problem) = (reader.vocabulary, reader.merges, reader.problem)
    } catch {
      throw .tokenizerNotJSON(error)
    }
    self.roles = roles
    if let problem { throw .notTokenizer(kind: "vocabulary", reason: problem) }
  }

  /// What the model says that it is: `BPE`.
  public var modelType: String? { rest["model"]?["type"]?.stringValue }

  /// Takes GPT-2's two files: `vocab.json` and `merges.txt`. Their steps are those of GPT-2.
  ///
  /// - Throws: As for one file.
  public init(
    vocabulary json: [UInt8], merges lines: [UInt8], roles: SpecialTokenNames = SpecialTokenNames()
  ) throws(TextError) {
    var reader: TokenizerFileReader
    do throws(JSONError) {
      reader = TokenizerFileReader(parser: try JSONParser(json, tokenizerFileLimits))
      try reader.readVocabulary()
    } catch {
      throw .tokenizerNotJSON(error)
    }
    reader.takeMerges(lines)
    (vocabulary, merges, self.roles) = (reader.vocabulary, reader.merges, roles)
    rest = TokenizerFile.stepsOfGPT2(reader.vocabulary ?? SpelledTokens(), roles)
    if let problem = reader.problem { throw .notTokenizer(kind: "vocabulary", reason: problem) }
  }

  /// What a `tokenizer.json` of GPT-2 has beside vocabulary and merges. Special are the tokens of roles, or else what usually
  /// ends a text: the two files do not say it.
  private static func stepsOfGPT2(_ tokens: SpelledTokens, _ roles: SpecialTokenNames) -> JSON {
    let usual = SpecialTokenNames.usualEnds.first { tokens.id($0) != nil }
    var names: [String] = []
    for name in SpecialTokenNames.keys.compactMap({ roles.names[$0.role] }) + [usual].compactMap(\.self)
    where !names.contains(name) { names.append(name) }
    let added = names.compactMap { name in
      tokens.id(name).map { id in
        JSON.object([
          JSON.Member("id", .integer(Int64(id))), JSON.Member("content", .string(name)), JSON.Member("special", .bool(true)),
        ])
      }
    }
    let level = JSON.object([JSON.Member("type", .string("ByteLevel")), JSON.Member("add_prefix_space", .bool(false))])
    return .object([
      JSON.Member("added_tokens", .array(added)), JSON.Member("pre_tokenizer", level), JSON.Member("decoder", level),
      JSON.Member("model", .object([JSON.Member("type", .string("BPE"))])),
    ])
  }
}

/// A file with every character there is has 1.1 million keys, and 5.7 million values and keys.
let tokenizerFileLimits = JSON.Limits(maximumValues: 6_000_000, maximumKeys: 1_200_000)

/// Goes over the bytes once.
private struct TokenizerFileReader {
  var parser: JSONParser
  var vocabulary: SpelledTokens?
  var merges: [MergePair]?
  /// The first thing that is wrong with what is good JSON.
  var problem: String?
  /// Where the merges begin that come before the vocabulary.
  private var earlyMerges: Int?
  private var largestID = -1

  init(parser: JSONParser) { self.parser = parser }

  mutating func read() throws(JSONError) -> JSON {
    parser.skipWhiteSpace()
    guard parser.current == UInt8(ascii: "{") else {
      let value = try parser.parseValue(depth: 0)
      try parser.finish()
      return value
    }
    let rest = try object(depth: 1) { (reader: inout Self, key) throws(JSONError) in
      reader.parser.skipWhiteSpace()
      guard key == "model", reader.parser.current == UInt8(ascii: "{") else { return try reader.parser.parseValue(depth: 1) }
      return try reader.model()
    }
    try parser.finish()
    if let place = earlyMerges {
      parser.position = place
      try parseMerges()
    }
    return rest
  }

  /// Reads a file that is nothing but a vocabulary.
  mutating func readVocabulary() throws(JSONError) {
    parser.skipWhiteSpace()
    guard parser.current == UInt8(ascii: "{") else {
      _ = try parser.parseValue(depth: 0)
      return note("vocab.json holds no object")
    }
    try parseVocabulary()
    try parser.finish()
  }

  /// Takes merges that stand in lines, with a space between both tokens of each; `#version` may stand in the first one.
  mutating func takeMerges(_ lines: [UInt8]) {
    guard let tokens = vocabulary, problem == nil else { return }
    var pairs: [MergePair] = [], number = 0, start = 0
    while start < lines.count {
      var end = lines[start...].firstIndex(of: UInt8(ascii: "\n")) ?? lines.count
      let next = end + 1
      if end > start, lines[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      defer { start = next }
      number += 1
      let line = lines[start..<end]
      if line.isEmpty || number == 1 && line.starts(with: Array("#version".utf8)) { continue }
      let space = UInt8(ascii: " ")
      guard let place = line.firstIndex(of: space), !line[(place + 1)...].contains(space) else {
        return note("line \(number) of merges.txt is not two tokens with a space between them")
      }
      guard let left = tokens.id(lines, start..<place), let right = tokens.id(lines, place + 1..<end) else {
        let other = tokens.id(lines, start..<place) == nil ? start..<place : place + 1..<end
        let name = String(decoding: lines[other], as: UTF8.self).quotedForMessage
        return note("line \(number) of merges.txt joins \(name), which is no token of vocab.json")
      }
      pairs.append(MergePair(left, right))
    }
    merges = pairs
  }

  private mutating func object(
    depth: Int, _ value: (inout Self, String) throws(JSONError) -> JSON
  ) throws(JSONError) -> JSON {
    try parser.enter(depth: depth)
    var members: [JSON.Member] = [], seen = SeenKeys()
    while try parser.isNext(before: "}", isFirst: members.isEmpty) {
      try parser.requireQuote("a key in double quotes")
      let offset = parser.position, key = try parser.parseString()
      guard seen.insert(key, after: members) else { throw .duplicateKey(key, offset: offset) }
      try parser.passColon()
      members.append(JSON.Member(key, try value(&self, key)))
    }
    return .object(members)
  }

  private mutating func model() throws(JSONError) -> JSON {
    try object(depth: 2) { (reader: inout Self, key) throws(JSONError) in
      reader.parser.skipWhiteSpace()
      let place = reader.parser.position
      switch (key, reader.parser.current) {
      case ("vocab", UInt8(ascii: "{")): try reader.parseVocabulary()
      case ("merges", UInt8(ascii: "[")) where reader.vocabulary == nil:
        _ = try reader.parser.parseValue(depth: 2)
        reader.earlyMerges = place
      case ("merges", UInt8(ascii: "[")): try reader.parseMerges()
      default: return try reader.parser.parseValue(depth: 2)
      }
      return .null
    }
  }

  private mutating func note(_ problem: String) { self.problem = self.problem ?? problem }

  // MARK: Vocabulary

  private mutating func parseVocabulary() throws(JSONError) {
    var tokens = SpelledTokens()
    try parser.enter(depth: 3)
    while try parser.isNext(before: "}", isFirst: tokens.count == 0) {
      try parser.requireQuote("a key in double quotes")
      let offset = parser.position, start = tokens.bytes.count
      try parser.appendString(to: &tokens.bytes)
      let end = tokens.bytes.count
      guard tokens.endToken() else {
        parser.position = offset
        throw .duplicateKey(try parser.parseString(), offset: offset)
      }
      try parser.passColon()
      let id = try parser.parseCount(depth: 3) ?? -1
      if id < 0 || id > 1 << 30 {
        note("the id of \(String(decoding: tokens.bytes[start..<end], as: UTF8.self).quotedForMessage) is no whole number of at least 0")
      } else {
        tokens.setLastID(Int32(id))
        largestID = max(largestID, id)
      }
    }
    vocabulary = tokens
    if problem == nil { checkIDs(tokens) }
  }

  /// Vocabularies have gaps, but are not full of them.
  private mutating func checkIDs(_ tokens: SpelledTokens) {
    let most = 2 * tokens.count + 1000
    if largestID >= most, let number = tokens.ids.firstIndex(of: Int32(largestID)) {
      return note("the id of \(tokens.name(number).quotedForMessage) is \(largestID), and there are \(tokens.count) tokens")
    }
    var numbers = [UInt32](repeating: 0, count: largestID + 1)
    for (number, id) in tokens.ids.enumerated() {
      let other = Int(numbers[Int(id)])
      guard other == 0 else {
        return note(
          "\(tokens.name(other - 1).quotedForMessage) and \(tokens.name(number).quotedForMessage) both have the id \(id)")
      }
      numbers[Int(id)] = UInt32(number + 1)
    }
  }

  // MARK: Merges

  private mutating func parseMerges() throws(JSONError) {
    guard let tokens = vocabulary else { return }
    var pairs: [MergePair] = [], text: [UInt8] = [], isFirst = true
    pairs.reserveCapacity(tokens.count)
    try parser.enter(depth: 3)
    while try parser.isNext(before: "]", isFirst: isFirst) {
      isFirst = false
      guard let middle = try parseMerge(&text) else {
        note("a merge is neither a pair of strings nor two strings with a space between them")
        continue
      }
      guard let left = tokens.id(text, 0..<middle.left), let right = tokens.id(text, middle.right..<text.count) else {
        let isRight = tokens.id(text, 0..<middle.left) != nil
        let name = String(decoding: isRight ? text[middle.right...] : text[..<middle.left], as: UTF8.self)
        note("merge \(pairs.count) joins \(name.quotedForMessage), which is no token of it")
        continue
      }
      pairs.append(MergePair(left, right))
    }
    merges = pairs
  }

  /// Reads one merge into `text`.
  ///
  /// - Returns: Where its left part ends and its right one begins; nil where it is no merge.
  private mutating func parseMerge(_ text: inout [UInt8]) throws(JSONError) -> (left: Int, right: Int)? {
    text.removeAll(keepingCapacity: true)
    parser.skipWhiteSpace()
    switch parser.current {
    case UInt8(ascii: "\""):
      try parser.appendString(to: &text)
      let space = UInt8(ascii: " ")
      guard let place = text.firstIndex(of: space), !text[(place + 1)...].contains(space) else { return nil }
      return (place, place + 1)
    case UInt8(ascii: "["):
      let place = parser.position
      try parser.enter(depth: 4)
      var count = 0, middle = 0
      while try parser.isNext(before: "]", isFirst: count == 0) {
        parser.skipWhiteSpace()
        guard parser.current == UInt8(ascii: "\"") else {
          parser.position = place
          _ = try parser.parseValue(depth: 3)
          return nil
        }
        try parser.appendString(to: &text)
        count += 1
        if count == 1 { middle = text.count }
      }
      return count == 2 ? (middle, middle) : nil
    default:
      _ = try parser.parseValue(depth: 3)
      return nil
    }
  }
}
