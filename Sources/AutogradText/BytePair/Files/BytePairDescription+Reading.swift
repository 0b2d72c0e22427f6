import AutogradBase

extension BytePairDescription {
  /// Reads a `tokenizer.json` with a model of the type BPE.
  ///
  /// Accepted is every file whose steps are known, and each of them decides ids as it does elsewhere; what decides none, as
  /// `trim_offsets`, is dropped. What tokens mean (which one ends a text) no such file says: `file.roles` says it, or a name
  /// that is usual for it.
  ///
  /// - Throws: `notTokenizer` with the first thing that is not known.
  /// - Complexity: O(bytes).
  public init(_ file: TokenizerFile) throws(TextError) {
    let model = try BytePairDescription.model(of: file)
    guard let vocabulary = file.vocabulary, vocabulary.count > 0 else { throw .notBytePair("it has no model with a vocab") }
    guard let merges = file.merges else { throw .notBytePair("its model has no list of merges") }
    let cutting = try PipelineReader.preTokenizer(file.rest["pre_tokenizer"])
    let decoding = try PipelineReader.decoding(file.rest["decoder"])
    guard cutting.isByteLevel == (decoding == .bytes) else {
      throw .notBytePair("its decoder does not turn back what its pre_tokenizer does")
    }
    let added = try AddedTokenReader(file.rest["added_tokens"], vocabulary)
    let coding = try BytePairDescription.coding(of: model, vocabulary, added, isByteLevel: cutting.isByteLevel)
    self.init(
      tokens: try BytePairDescription.table(vocabulary, added, isByteLevel: cutting.isByteLevel), merges: merges,
      normalizer: try PipelineReader.normalizer(file.rest["normalizer"]), preTokenizer: cutting.preTokenizer, coding: coding,
      decoding: decoding, ignoresMerges: model["ignore_merges"] == .bool(true), addedTokens: added.tokens)
    (beginning, end) = try PipelineReader.surroundings(file.rest["post_processor"], added, vocabulary)
    takeRoles(file.roles)
  }

  /// The model of a file, which is one of byte pairs and sets nothing that is not known.
  private static func model(of file: TokenizerFile) throws(TextError) -> JSON {
    for (field, what) in [("truncation", "cuts texts"), ("padding", "lengthens texts")] {
      guard PipelineReader.isUnset(file.rest[field]) else {
        throw .notBytePair("its \(field) \(what); set \"\(field)\" to null to leave that to others")
      }
    }
    guard let model = file.rest["model"], model.objectValue != nil else { throw .notBytePair("it has no model") }
    // Files of 2019 do not say the type: there was but one with merges.
    let type = model["type"].map { $0.stringValue ?? "" } ?? (file.merges == nil ? "" : "BPE")
    guard type == "BPE" else {
      let names = ["Unigram": "Unigram (SentencePiece's)", "WordPiece": "WordPiece (BERT's)", "WordLevel": "WordLevel (whole words)"]
      throw .notBytePair(
        type.isEmpty ? "its model has no type" : "its model type is \(names[type] ?? type.quotedForMessage), not BPE")
    }
    for field in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard PipelineReader.isUnset(model[field]) else { throw .notBytePair("its model sets \(field)") }
    }
    if let dropout = model["dropout"], !dropout.isNull, dropout.doubleValue != 0 {
      throw .notBytePair("its model sets dropout, which leaves out merges at random; set \"dropout\" to null")
    }
    for field in ["byte_fallback", "fuse_unk", "ignore_merges"] {
      if let value = model[field], !value.isNull, value.boolValue == nil {
        throw .notBytePair("its model's \(field) is neither true nor false")
      }
    }
    return model
  }

  private static func coding(
    of model: JSON, _ vocabulary: SpelledTokens, _ added: AddedTokenReader, isByteLevel: Bool
  ) throws(TextError) -> Coding {
    var unknown: Int32?
    if let json = model["unk_token"], !PipelineReader.isUnset(json) {
      guard let name = json.stringValue, let id = vocabulary.id(name) ?? added.id(name) else {
        throw .notBytePair("its unknown token \(json.stringValue?.quotedForMessage ?? "is no string, or") is not in its vocabulary")
      }
      unknown = id
    }
    if isByteLevel { return .byteLevel(unknown: unknown) }
    var byteTokens: [Int32] = []
    if model["byte_fallback"] == .bool(true) {
      byteTokens = (0..<256).compactMap { vocabulary.id(byteTokenName(UInt8($0))) }
      guard byteTokens.count == 256 else {
        throw .notBytePair("it falls back to bytes, and has tokens for \(byteTokens.count) of the 256")
      }
    }
    return .byteFallback(byteTokens: byteTokens, unknown: unknown, fusesUnknown: model["fuse_unk"] == .bool(true))
  }

  /// `<0x0A>`: what SentencePiece calls the token of a byte.
  static func byteTokenName(_ byte: UInt8) -> String {
    "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">"
  }

  private static func table(
    _ vocabulary: SpelledTokens, _ added: AddedTokenReader, isByteLevel: Bool
  ) throws(TextError) -> TokenTable {
    let largest = max(vocabulary.ids.max() ?? 0, added.tokens.map(\.id).max() ?? 0)
    var numbers = [Int32](repeating: -1, count: Int(largest) + 1), contents: [Int32: String] = [:]
    for (number, id) in vocabulary.ids.enumerated() { numbers[Int(id)] = Int32(number) }
    for token in added.tokens { contents[token.id] = token.content }
    var table = TokenTable(), bytes: [UInt8] = []
    table.reserveCapacity(tokens: numbers.count, bytes: vocabulary.bytes.count)
    for (id, number) in numbers.enumerated() {
      if let content = contents[Int32(id)] {
        table.append(content.utf8)
      } else if number < 0 {
        table.append(EmptyCollection())
      } else if isByteLevel {
        bytes.removeAll(keepingCapacity: true)
        guard ByteLevel.append(vocabulary[Int(number)], to: &bytes), !bytes.isEmpty else {
          throw .notBytePair("the token \(vocabulary.name(Int(number)).quotedForMessage) is not in byte-level spelling")
        }
        table.append(bytes)
      } else {
        if vocabulary[Int(number)].isEmpty { throw .notBytePair("token \(id) is empty") }
        table.append(vocabulary[Int(number)])
      }
    }
    return table
  }

  /// Says what tokens mean: as given, or else as templates and usual names have it.
  mutating func takeRoles(_ given: SpecialTokenNames) {
    var names = given.names
    if names[.beginningOfText] == nil, let first = beginning.first {
      names[.beginningOfText] = addedTokens.first { $0.id == first }?.content
    }
    if names[.endOfText] == nil {
      names[.endOfText] = SpecialTokenNames.usualEnds.first { name in
        addedTokens.contains { $0.isSpecial && $0.content.hasSameBytes(as: name) }
      }
    }
    // A token that ends texts may do for the others, too.
    for role in [SpecialToken.Role.padding, .beginningOfText, .endOfText] {
      guard let name = names[role], let place = addedTokens.firstIndex(where: { $0.content.hasSameBytes(as: name) })
      else { continue }
      addedTokens[place].role = role
    }
  }
}

extension TextError {
  static func notBytePair(_ reason: String) -> TextError { .notTokenizer(kind: "byte-pair vocabulary", reason: reason) }
}

extension TokenizerKind {
  /// Tokens of several characters, joined by merges; see `BytePairTokenizer`.
  public static let bytePair = TokenizerKind(
    name: "byte-pair vocabulary",
    train: { bytes throws(TextError) in
      var words = WordCounts()
      try PreTokenizer.gpt2.count(bytes.span, in: &words)
      return try BytePairTokenizer(BytePairTraining().description(of: words))
    },
    read: { file throws(TextError) in try BytePairTokenizer(BytePairDescription(file)) })
}

/// The added tokens of a file.
struct AddedTokenReader {
  /// In the order of their ids.
  private(set) var tokens: [AddedToken] = []
  private var ids: [ExactString: Int32] = [:]

  func id(_ content: String) -> Int32? { ids[ExactString(content)] }

  init(_ json: JSON?, _ vocabulary: SpelledTokens) throws(TextError) {
    guard let json, !json.isNull else { return }
    guard let list = json.arrayValue else { throw .notBytePair("its added tokens are no list") }
    var taken: [Int32: String] = [:]
    let most = 2 * (vocabulary.count + list.count) + 1000
    for one in list {
      let token = try AddedTokenReader.token(one, below: most), name = token.content.quotedForMessage
      if let own = vocabulary.id(token.content), own != token.id {
        throw .notBytePair("the added token \(name) has the id \(token.id), and in the vocabulary \(own)")
      }
      if let other = taken.updateValue(token.content, forKey: token.id) {
        throw .notBytePair("the added tokens \(other.quotedForMessage) and \(name) both have the id \(token.id)")
      }
      guard ids.updateValue(token.id, forKey: ExactString(token.content)) == nil else {
        throw .notBytePair("the added token \(name) stands there twice")
      }
      tokens.append(token)
    }
    // An id of the vocabulary belongs to an added token only where both are spelt the same.
    for (number, id) in vocabulary.ids.enumerated() {
      guard let content = taken[id], !vocabulary[number].elementsEqual(content.utf8) else { continue }
      throw .notBytePair(
        "the added token \(content.quotedForMessage) has the id \(id) of \(vocabulary.name(number).quotedForMessage)")
    }
    tokens.sort { $0.id < $1.id }
  }

  private static func token(_ json: JSON, below most: Int) throws(TextError) -> AddedToken {
    guard let content = json["content"]?.stringValue, !content.isEmpty else {
      throw .notBytePair("an added token has no content")
    }
    let name = content.quotedForMessage
    guard case .integer(let value) = json["id"] ?? .null, value >= 0, value < most else {
      throw .notBytePair("the id of the added token \(name) is no whole number from 0 to \(most - 1)")
    }
    func flag(_ key: String, _ usual: Bool) throws(TextError) -> Bool {
      guard let value = json[key], !value.isNull else { return usual }
      guard let flag = value.boolValue else { throw .notBytePair("\(key) of the added token \(name) is neither true nor false") }
      return flag
    }
    let isSpecial = try flag("special", false)
    return AddedToken(
      id: Int32(value), content: content, isSpecial: isSpecial, lstrip: try flag("lstrip", false),
      rstrip: try flag("rstrip", false), singleWord: try flag("single_word", false),
      normalized: try flag("normalized", !isSpecial))
  }
}
