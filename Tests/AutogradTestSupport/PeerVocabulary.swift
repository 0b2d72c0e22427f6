public import AutogradBase
public import AutogradText

/// A vocabulary as Scripts/tokenizer_peer.py describes it, and what the peer makes of strings.
public struct PeerVocabulary: Sendable {
  public let description: BytePairDescription

  public init(_ json: JSON) throws {
    guard let found = PeerVocabulary.description(json) else { throw NotPeerVocabulary() }
    description = found
  }

  struct NotPeerVocabulary: Error {}

  private static func description(_ json: JSON) -> BytePairDescription? {
    func numbers(_ key: String) -> [Int32] { (json[key]?.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } } }
    func flag(_ key: String) -> Bool { json[key] == .bool(true) }
    var tokens = TokenTable()
    for token in json["tokens"]?.arrayValue ?? [] { tokens.append(bytes(token)) }
    guard var kind = PreTokenizer.all.first(where: { $0.name == json["preTokenizer"]?.stringValue }) else { return nil }
    kind.addsPrefixSpace = flag("addsPrefixSpace")
    if let prefix = json["prefix"]?.stringValue.flatMap({ PreTokenizer.Prefix(rawValue: $0) }) { kind.prefix = prefix }
    let numbered = numbers("merges")
    let pairs = stride(from: 0, to: numbered.count, by: 2).map { MergePair(numbered[$0], numbered[$0 + 1]) }
    var result = BytePairDescription(
      tokens: tokens, merges: flag("ranks") ? BytePairDescription.merges(ofRanks: ranked(tokens, json)) : pairs,
      preTokenizer: kind, ignoresMerges: flag("ignoresMerges"), addedTokens: added(json))
    switch json["normalizer"]?.stringValue {
    case "nfc": result.normalizer = .nfc
    case "llama": result.normalizer = .llama
    default: break
    }
    let unknown = json["unknown"]?.intValue.map { Int32($0) }
    result.coding = flag("isFallback")
      ? .byteFallback(byteTokens: numbers("byteTokens"), unknown: unknown, fusesUnknown: flag("fuses"))
      : .byteLevel(unknown: unknown)
    switch json["decoding"]?.stringValue {
    case "spaces": result.decoding = .spaces(stripsFirstSpace: true)
    case "metaspace": result.decoding = .metaspace(stripsFirstToken: true)
    default: break
    }
    return result
  }

  /// Tokens without those that are added to ranks.
  private static func ranked(_ tokens: TokenTable, _ json: JSON) -> TokenTable {
    let added = Set(added(json).map { Int($0.id) })
    return TokenTable((0..<tokens.count).map { added.contains($0) ? [] : tokens[$0] })
  }

  private static func added(_ json: JSON) -> [AddedToken] {
    (json["added"]?.arrayValue ?? []).map { token in
      AddedToken(
        id: Int32(token["id"]?.intValue ?? -1), content: token["content"]?.stringValue ?? "",
        isSpecial: token["special"] == .bool(true), lstrip: token["lstrip"] == .bool(true),
        rstrip: token["rstrip"] == .bool(true), singleWord: token["single_word"] == .bool(true),
        normalized: token["normalized"] == .bool(true))
    }
  }

  /// The bytes that a string of hexadecimal digits spells.
  public static func bytes(_ json: JSON) -> [UInt8] {
    let digits = Array((json.stringValue ?? "").utf8)
    func value(_ digit: UInt8) -> UInt8 { digit < 58 ? digit - 48 : digit - 87 }
    return stride(from: 0, to: digits.count - 1, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }

  /// The recorded vocabularies, strings, and what the peer made of them: Tests/Fixtures/byte-pair.json.
  public struct Recorded: Sendable {
    public let name: String
    public let description: BytePairDescription
    public let strings: [[UInt8]]
    /// By string: special tokens as text, and recognised.
    public let ids: [[Int32]]
    public let special: [[Int32]]
    /// Random ids, and what they decode to.
    public let drawn: [[Int32]]
    public let texts: [[UInt8]]
  }

  public static let recorded: Result<[Recorded], any Error> = Result {
    let here = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    let json = try JSON(parsing: POSIXFileSystem().read("\(here)/Fixtures/byte-pair.json", byteLimit: 1 << 20))
    func rows(_ json: JSON?) -> [[Int32]] {
      (json?.arrayValue ?? []).map { row in (row.arrayValue ?? []).compactMap { $0.intValue.map { Int32($0) } } }
    }
    let strings = (json["strings"]?.arrayValue ?? []).map(bytes)
    return try (json["vocabularies"]?.objectValue ?? []).map { member in
      try Recorded(
        name: member.key, description: PeerVocabulary(member.value["description"] ?? .null).description, strings: strings,
        ids: rows(member.value["ids"]), special: rows(member.value["special"]), drawn: rows(member.value["drawn"]),
        texts: (member.value["texts"]?.arrayValue ?? []).map(bytes))
    }
  }

  /// One of the recorded vocabularies.
  public static func recorded(_ name: String) throws -> Recorded {
    guard let found = try recorded.get().first(where: { $0.name == name }) else { throw NotPeerVocabulary() }
    return found
  }
}
