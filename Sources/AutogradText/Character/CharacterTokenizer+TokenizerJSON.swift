import AutogradBase

extension CharacterTokenizer {
  /// Writes the vocabulary as a Hugging Face `tokenizer.json`, in which it is a byte-level BPE.
  ///
  /// Other tools need no special code: their BPE starts from single bytes, and merges build every character
  /// of several bytes, one byte at a time. A merge needs the first byte of a character on its left, so no two
  /// merges compete and their order does not matter. Other tools drop unknown characters silently, where
  /// `encode` throws.
  ///
  /// - Returns: The same bytes for the same vocabulary.
  public func tokenizerJSON() -> [UInt8] {
    let byteLevel = JSON.object([
      JSON.Member("type", .string("ByteLevel")),
      JSON.Member("add_prefix_space", .bool(false)),
      JSON.Member("trim_offsets", .bool(true)),
      JSON.Member("use_regex", .bool(true)),
    ])
    let vocabulary = (0..<Int32(vocabularySize)).map { token in
      JSON.Member(ByteLevel.string(bytes(of: token)), .integer(Int64(token)))
    }
    let model = JSON.object([
      JSON.Member("type", .string("BPE")),
      JSON.Member("dropout", .null),
      JSON.Member("unk_token", .null),
      JSON.Member("continuing_subword_prefix", .null),
      JSON.Member("end_of_word_suffix", .null),
      JSON.Member("fuse_unk", .bool(false)),
      JSON.Member("byte_fallback", .bool(false)),
      JSON.Member("ignore_merges", .bool(false)),
      JSON.Member("vocab", .object(vocabulary)),
      JSON.Member("merges", .array(merges.map { .array([.string($0.left), .string($0.right)]) })),
    ])
    return JSON.object([
      JSON.Member("version", .string("1.0")),
      JSON.Member("truncation", .null),
      JSON.Member("padding", .null),
      JSON.Member("added_tokens", .array(endOfText.map { [CharacterTokenizer.added($0)] } ?? [])),
      JSON.Member("normalizer", .null),
      JSON.Member("pre_tokenizer", byteLevel),
      JSON.Member("post_processor", .null),
      JSON.Member("decoder", byteLevel),
      JSON.Member("model", model),
    ]).serialized(pretty: true)
  }

  /// The end of a text as an added token: whoever reads the file looks for it in texts before anything else.
  private static func added(_ id: Int32) -> JSON {
    .object([
      JSON.Member("id", .integer(Int64(id))), JSON.Member("content", .string(endOfTextName)),
      JSON.Member("single_word", .bool(false)), JSON.Member("lstrip", .bool(false)),
      JSON.Member("rstrip", .bool(false)), JSON.Member("normalized", .bool(false)), JSON.Member("special", .bool(true)),
    ])
  }

  /// Reads a `tokenizer.json` that `tokenizerJSON()` wrote, or one that means the same.
  ///
  /// Accepted are all files for which other tools give the ids that `encode` gives; the order of keys and
  /// merges is free, and merges may be pairs or strings with a space. Any other BPE is refused.
  ///
  /// - Throws: `tokenizerNotJSON`, `notTokenizer` with the first thing that differs.
  /// - Complexity: O(bytes).
  public init(tokenizerJSON bytes: [UInt8]) throws(TextError) {
    try self.init(TokenizerFile(bytes))
  }

  init(_ file: TokenizerFile) throws(TextError) {
    guard let vocabulary = file.vocabulary else { throw .notCharacterTokenizer(reason: "it has no model with a vocab") }
    // Of a vocabulary of words it is enough to have seen one.
    let end = Self.endOfTextName.utf8
    for number in 0..<vocabulary.count where vocabulary[number].count > 8 && !vocabulary[number].elementsEqual(end) {
      throw .notCharacterTokenizer(reason: "\(vocabulary.name(number).quotedForMessage) is neither a character nor a piece of one")
    }
    try checkPipeline(file.rest)
    let tokens = try orderedTokens(vocabulary)
    let scalars = tokens.prefix { $0.scalar != nil }.compactMap(\.scalar)
    guard !scalars.isEmpty else {
      throw .notCharacterTokenizer(reason: "token 0 is not a character")
    }
    for (left, right) in zip(scalars, scalars.dropFirst()) where left >= right {
      throw .notCharacterTokenizer(reason: "its characters are not ordered by code point")
    }
    let hasEndOfText = tokens.count > 1 && isEndOfText(file.rest["added_tokens"], tokens.count - 1)
    let tokenizer = CharacterTokenizer(sorted: scalars, hasEndOfText: hasEndOfText)
    for (id, token) in tokens.enumerated() {
      let isExpected = id < tokenizer.vocabularySize && token.bytes == Array(tokenizer.bytes(of: Int32(id)))
      guard isExpected else {
        let name = token.name.quotedForMessage
        throw .notCharacterTokenizer(
          reason: "token \(id), \(name), is neither a character nor a piece of one")
      }
    }
    guard tokens.count == tokenizer.vocabularySize else {
      throw .notCharacterTokenizer(
        reason: "it has \(tokens.count) tokens where its characters need \(tokenizer.vocabularySize)")
    }
    try checkMerges(file.merges, vocabulary, of: tokenizer)
    try checkAddedTokens(file.rest["added_tokens"], of: tokenizer)
    self = tokenizer
  }

  /// The steps that build every character of several bytes, shorter results first.
  fileprivate var merges: [(left: String, right: String)] {
    let results = (0..<Int32(pieceEnd)).map { Array(bytes(of: $0)) }.filter { $0.count > 1 }.sorted {
      $0.count != $1.count ? $0.count < $1.count : $0.lexicographicallyPrecedes($1)
    }
    return results.map { (ByteLevel.string($0.dropLast()), ByteLevel.string($0.suffix(1))) }
  }
}

extension TokenizerKind {
  /// One token for each character; see `CharacterTokenizer`.
  public static let character = TokenizerKind(
    name: "character vocabulary",
    train: { bytes throws(TextError) in try CharacterTokenizer(training: bytes) },
    read: { file throws(TextError) in try CharacterTokenizer(file) })
}

extension TextError {
  fileprivate static func notCharacterTokenizer(reason: String) -> TextError {
    .notTokenizer(kind: "character vocabulary", reason: reason)
  }
}

/// One token of a vocabulary from a file.
private struct FileToken {
  let name: String
  let bytes: [UInt8]

  /// The character whose UTF-8 these bytes are; nil when they are not exactly one.
  var scalar: Unicode.Scalar? {
    guard !bytes.isEmpty, case .scalar(let scalar, let byteCount) = UTF8Sequence.read(bytes.span, at: 0),
      byteCount == bytes.count
    else { return nil }
    return scalar
  }
}

/// Refuses every setting under which other tools would give other ids than `encode`.
private func checkPipeline(_ json: JSON) throws(TextError) {
  func require(_ condition: Bool, _ reason: String) throws(TextError) {
    guard condition else { throw .notCharacterTokenizer(reason: reason) }
  }
  func isUnset(_ value: JSON?) -> Bool { value == nil || value == .null || value == .string("") }
  let model = json["model"]
  try require(model?["type"] == .string("BPE"), "its model type is not BPE")
  try require(isUnset(json["truncation"]), "its truncation cuts texts; set \"truncation\" to null to leave that to others")
  try require(isUnset(json["padding"]), "its padding lengthens texts; set \"padding\" to null to leave that to others")
  try require(isUnset(json["normalizer"]), "it has a normalizer")
  let before = json["pre_tokenizer"]
  try require(before?["type"] == .string("ByteLevel"), "its pre_tokenizer is not ByteLevel")
  try require(before?["add_prefix_space"] == .bool(false), "its pre_tokenizer adds a space in front")
  try require(json["decoder"]?["type"] == .string("ByteLevel"), "its decoder is not ByteLevel")
  let after = json["post_processor"]
  try require(
    isUnset(after) || after?["type"] == .string("ByteLevel") || addsNothing(after), "its post_processor may add tokens")
  for field in ["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"] {
    try require(isUnset(model?[field]), "its model sets \(field)")
  }
}

/// Whether a template puts nothing before or behind a text.
private func addsNothing(_ processor: JSON?) -> Bool {
  guard processor?["type"] == .string("TemplateProcessing"), let single = processor?["single"]?.arrayValue,
    single.count == 1
  else { return false }
  return single[0]["Sequence"]?["id"] == .string("A")
}

/// Whether one of the added tokens is the end of a text with this id, as a special token that takes nothing beside it.
private func isEndOfText(_ added: JSON?, _ id: Int) -> Bool {
  (added?.arrayValue ?? []).contains { token in
    token["id"] == .integer(Int64(id)) && token["special"] == .bool(true)
      && token["content"]?.stringValue?.hasSameBytes(as: CharacterTokenizer.endOfTextName) == true
      && ["single_word", "lstrip", "rstrip"].allSatisfy { token[$0] ?? .bool(false) == .bool(false) }
  }
}

/// Accepts added tokens that are tokens of the vocabulary already, as the tools that saved the file mark those for
/// padding and ends; any other could be found in a text.
private func checkAddedTokens(_ json: JSON?, of tokenizer: CharacterTokenizer) throws(TextError) {
  guard let json, !json.isNull else { return }
  guard let tokens = json.arrayValue else { throw .notCharacterTokenizer(reason: "its added tokens are no list") }
  for token in tokens {
    let name = token["content"]?.stringValue ?? ""
    if let end = tokenizer.endOfText, token["id"] == .integer(Int64(end)), isEndOfText(json, Int(end)) { continue }
    func isSet(_ field: String) -> Bool { token[field].map { $0 != .bool(false) } ?? false }
    guard case .integer(let id) = token["id"] ?? .null, id >= 0, id < tokenizer.vocabularySize,
      let spelt = ByteLevel.bytes(name), spelt.elementsEqual(tokenizer.bytes(of: Int32(id))),
      !isSet("lstrip"), !isSet("rstrip"), !isSet("single_word")
    else {
      throw .notCharacterTokenizer(reason: "it has added tokens that are none of its vocabulary: \(name.quotedForMessage)")
    }
    if let tokens = try? tokenizer.encode(name), tokens != [Int32(id)] {
      throw .notCharacterTokenizer(reason: "its added token \(name.quotedForMessage) is also text of its vocabulary")
    }
  }
}

/// The tokens of a vocabulary by id; ids must be 0, 1, 2, … without gap.
private func orderedTokens(_ vocabulary: SpelledTokens) throws(TextError) -> [FileToken] {
  var numbers = [Int](repeating: -1, count: vocabulary.count)
  for (number, id) in vocabulary.ids.enumerated() {
    guard numbers.indices.contains(Int(id)) else {
      throw .notCharacterTokenizer(
        reason: "the id of \(vocabulary.name(number).quotedForMessage) is not in 0..<\(vocabulary.count)")
    }
    numbers[Int(id)] = number
  }
  var tokens: [FileToken] = []
  for number in numbers {
    let name = vocabulary.name(number)
    guard let bytes = ByteLevel.bytes(name) else {
      throw .notCharacterTokenizer(
        reason: "the token \(name.quotedForMessage) is not in byte-level spelling")
    }
    tokens.append(FileToken(name: name, bytes: bytes))
  }
  return tokens
}

/// Checks that the merges, in any order, are those that build the characters.
private func checkMerges(
  _ merges: [MergePair]?, _ vocabulary: SpelledTokens, of tokenizer: CharacterTokenizer
) throws(TextError) {
  var missing = Set(
    tokenizer.merges.compactMap { merge in
      vocabulary.id(merge.left).flatMap { left in vocabulary.id(merge.right).map { MergePair(left, $0) } }
    })
  for merge in merges ?? [] where missing.remove(merge) == nil {
    let spelling = [merge.left, merge.right].map { ByteLevel.string(tokenizer.bytes(of: $0)) }.joined(separator: " ")
    throw .notCharacterTokenizer(
      reason: "the merge \(spelling.quotedForMessage) does not build a character, or stands there twice")
  }
  guard missing.isEmpty else {
    throw .notCharacterTokenizer(reason: "\(missing.count) merges that build characters are missing")
  }
}
