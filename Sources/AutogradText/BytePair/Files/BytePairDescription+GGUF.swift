public import AutogradFormats

/// How a GGUF says a tokenizer: the keys `tokenizer.ggml.*`.
///
/// It says less than `tokenizer.json`: no normaliser, and of the flags of added tokens only which are special. Source:
/// llama.cpp's `llama-vocab.cpp`.
private enum GGUFKey {
  static let model = "tokenizer.ggml.model", pre = "tokenizer.ggml.pre", tokens = "tokenizer.ggml.tokens"
  static let types = "tokenizer.ggml.token_type", merges = "tokenizer.ggml.merges", scores = "tokenizer.ggml.scores"
  static let beginning = "tokenizer.ggml.bos_token_id", end = "tokenizer.ggml.eos_token_id"
  static let unknown = "tokenizer.ggml.unknown_token_id", padding = "tokenizer.ggml.padding_token_id"
  static let addsBeginning = "tokenizer.ggml.add_bos_token", addsEnd = "tokenizer.ggml.add_eos_token"
  static let addsSpace = "tokenizer.ggml.add_space_prefix"
}

/// What a token is, by its number in `token_type`.
private enum GGUFTokenType: Int {
  case normal = 1, unknown, control, userDefined, unused, byte
}

/// The names of pre-tokenizers that are known, in the order in which one is written.
private let namesOfPreTokenizers: [(name: String, kind: PreTokenizer, ignoresMerges: Bool)] = [
  ("gpt-2", .gpt2, false), ("smollm", .smollm, false), ("qwen2", .qwen2, false), ("gpt-4o", .o200k, false),
  ("llama-bpe", .llama3, true), ("llama3", .llama3, true), ("llama-v3", .llama3, true), ("dbrx", .llama3, false),
  ("smaug-bpe", .llama3, false),
]

extension BytePairDescription {
  /// Reads the tokenizer of a GGUF's metadata: of the models `gpt2` (byte-level) and `llama` (SentencePiece's BPE, whose
  /// merges follow from scores).
  ///
  /// - Throws: `notTokenizer` with the first thing that is not known.
  public init(gguf metadata: GGUFMetadata) throws(TextError) {
    let reader = try GGUFTokenizerReader(metadata)
    switch reader.model {
    case "gpt2": self = try reader.byteLevel()
    case "llama": self = try reader.sentencePiece()
    default:
      throw .notBytePair("tokenizer.ggml.model is \(reader.model.quotedForMessage), and \"gpt2\" and \"llama\" are known")
    }
  }
}

/// What the metadata say, checked against one another.
private struct GGUFTokenizerReader {
  let metadata: GGUFMetadata
  let model: String
  let tokens: GGUFStrings
  let types: [GGUFTokenType]

  init(_ metadata: GGUFMetadata) throws(TextError) {
    self.metadata = metadata
    guard let model = metadata[GGUFKey.model]?.stringValue else { throw .notBytePair("there is no tokenizer.ggml.model") }
    guard let tokens = metadata[GGUFKey.tokens]?.stringsValue, !tokens.isEmpty else {
      throw .notBytePair("there is no list tokenizer.ggml.tokens")
    }
    (self.model, self.tokens) = (model, tokens)
    guard metadata[GGUFKey.types] != nil else {
      types = tokens.map { _ in .normal }
      return
    }
    let numbers = metadata[GGUFKey.types]?.intsValue ?? []
    guard numbers.count == tokens.count else {
      throw .notBytePair("tokenizer.ggml.token_type has \(numbers.count) entries for \(tokens.count) tokens")
    }
    types = numbers.map { GGUFTokenType(rawValue: $0) ?? .normal }
  }

  private func id(_ key: String) throws(TextError) -> Int32? {
    guard let value = metadata[key] else { return nil }
    guard let id = value.intValue, tokens.indices.contains(id) else {
      throw .notBytePair("\(key) is no id of its \(tokens.count) tokens")
    }
    return Int32(id)
  }

  /// The tokens by their spelling; unused ones, which may be spelt alike, are left out.
  private func spelled() throws(TextError) -> SpelledTokens {
    var result = SpelledTokens()
    for (id, token) in tokens.enumerated() where types[id] != .unused {
      guard String(validating: token, as: UTF8.self) != nil else { throw .notBytePair("token \(id) is not UTF-8") }
      guard result.append(token, id: Int32(id)) else {
        let name = tokens.string(id).quotedForMessage
        throw .notBytePair("the token \(name) stands there twice, again as number \(id)")
      }
    }
    return result
  }

  private func flag(_ key: String, _ usual: Bool) -> Bool { metadata[key]?.boolValue ?? usual }

  /// Tokens that are looked for in texts, and what they mean.
  private func finish(_ description: inout BytePairDescription, addsBeginning: Bool) throws(TextError) {
    let isSpecial: Set<GGUFTokenType> = [.control, .unknown]
    description.addedTokens = types.indices.filter { isSpecial.contains(types[$0]) || types[$0] == .userDefined }.map {
      AddedToken(id: Int32($0), content: tokens.string($0), isSpecial: isSpecial.contains(types[$0]))
    }
    let beginning = try id(GGUFKey.beginning), end = try id(GGUFKey.end), padding = try id(GGUFKey.padding)
    var names = SpecialTokenNames()
    for (role, token) in [(SpecialToken.Role.beginningOfText, beginning), (.endOfText, end), (.padding, padding)] {
      if let token { names.names[role] = tokens.string(Int(token)) }
    }
    description.takeRoles(names)
    if let beginning, flag(GGUFKey.addsBeginning, addsBeginning) { description.beginning = [beginning] }
    if let end, flag(GGUFKey.addsEnd, false) { description.end = [end] }
  }

  func byteLevel() throws(TextError) -> BytePairDescription {
    guard let pre = metadata[GGUFKey.pre]?.stringValue else {
      throw .notBytePair("it says no tokenizer.ggml.pre, so that nobody knows how texts are cut; take a newer conversion")
    }
    guard let known = namesOfPreTokenizers.first(where: { $0.name == pre }) else {
      let names = namesOfPreTokenizers.map(\.name).joined(separator: ", ")
      throw .notBytePair("tokenizer.ggml.pre is \(pre.quotedForMessage), and known are \(names)")
    }
    guard let lines = metadata[GGUFKey.merges]?.stringsValue else { throw .notBytePair("there is no tokenizer.ggml.merges") }
    let names = try spelled()
    var table = TokenTable(), bytes: [UInt8] = []
    for (id, token) in tokens.enumerated() {
      bytes.removeAll(keepingCapacity: true)
      switch types[id] {
      case .unused: break
      case .normal, .byte:
        guard ByteLevel.append(token, to: &bytes), !bytes.isEmpty else {
          throw .notBytePair("the token \(tokens.string(id).quotedForMessage) is not in byte-level spelling")
        }
      case .control, .userDefined, .unknown:
        if token.isEmpty { throw .notBytePair("token \(id) is empty") }
        bytes += token
      }
      table.append(bytes)
    }
    var result = BytePairDescription(
      tokens: table, merges: try merges(lines, names), preTokenizer: known.kind, coding: .byteLevel(unknown: nil),
      ignoresMerges: known.ignoresMerges)
    try finish(&result, addsBeginning: known.ignoresMerges)
    return result
  }

  private func merges(_ lines: GGUFStrings, _ names: SpelledTokens) throws(TextError) -> [MergePair] {
    var pairs: [MergePair] = [], line: [UInt8] = []
    pairs.reserveCapacity(lines.count)
    for (number, merge) in lines.enumerated() {
      line.removeAll(keepingCapacity: true)
      line += merge
      let space = UInt8(ascii: " ")
      guard let place = line.firstIndex(of: space), !line[(place + 1)...].contains(space) else {
        throw .notBytePair("merge \(number) is not two tokens with a space between them")
      }
      guard let left = names.id(line, 0..<place), let right = names.id(line, place + 1..<line.count) else {
        throw .notBytePair("merge \(number), \(lines.string(number).quotedForMessage), joins what is no token of it")
      }
      pairs.append(MergePair(left, right))
    }
    return pairs
  }

  // MARK: SentencePiece

  func sentencePiece() throws(TextError) -> BytePairDescription {
    guard let scores = metadata[GGUFKey.scores]?.floatsValue, scores.count == tokens.count else {
      throw .notBytePair("there is no tokenizer.ggml.scores with a number for each token")
    }
    guard scores.allSatisfy({ !$0.isNaN }) else { throw .notBytePair("tokenizer.ggml.scores has NaN") }
    let names = try spelled()
    var table = TokenTable()
    for (id, token) in tokens.enumerated() {
      if types[id] != .unused, token.isEmpty { throw .notBytePair("token \(id) is empty") }
      table.append(types[id] == .unused ? [] : token)
    }
    let byteTokens = (0..<256).compactMap { names.id(BytePairDescription.byteTokenName(UInt8($0))) }
    guard byteTokens.count == 256 || byteTokens.isEmpty else {
      throw .notBytePair("it falls back to bytes, and has tokens for \(byteTokens.count) of the 256")
    }
    let addsSpace = flag(GGUFKey.addsSpace, true)
    let unknown = try id(GGUFKey.unknown) ?? types.firstIndex(of: .unknown).map { Int32($0) }
    var result = BytePairDescription(
      tokens: table, merges: merges(scores, names), normalizer: addsSpace ? .llama : TextNormalizer([.replace(" ", with: "▁")]),
      preTokenizer: .none, coding: .byteFallback(byteTokens: byteTokens, unknown: unknown, fusesUnknown: true),
      decoding: .spaces(stripsFirstSpace: addsSpace))
    try finish(&result, addsBeginning: true)
    return result
  }

  /// Every way in which a token is made of two others; the token with the highest score first, and of its ways the one with
  /// the longest left part.
  ///
  /// SentencePiece joins the two neighbours whose token has the highest score, whichever they are.
  private func merges(_ scores: [Float], _ names: SpelledTokens) -> [MergePair] {
    let order = tokens.indices.filter { types[$0] == .normal }.sorted {
      scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
    }
    func part(_ text: [UInt8], _ range: Range<Int>) -> Int32? {
      names.id(text, range).flatMap { types[Int($0)] == .normal ? $0 : nil }
    }
    var pairs: [MergePair] = []
    for id in order {
      let text = Array(tokens[id])
      // Longer ones are no words; and the ways of one are as many as its characters.
      guard text.count <= 512 else { continue }
      for place in (1..<max(1, text.count)).reversed() where text[place] & 0xC0 != 0x80 {
        guard let left = part(text, 0..<place), let right = part(text, place..<text.count) else { continue }
        pairs.append(MergePair(left, right))
      }
    }
    return pairs
  }
}

// MARK: Writing

extension BytePairDescription {
  /// The tokenizer as a GGUF's metadata say it, as many tokens as there are.
  ///
  /// What a GGUF cannot say is left out as llama.cpp's converters leave it out: NFC, and flags of added tokens.
  ///
  /// - Throws: `notTokenizer` where llama.cpp has no pre-tokenizer that does the same.
  public var ggufMetadata: GGUFMetadata {
    get throws(TextError) {
      var result = GGUFMetadata()
      switch coding {
      case .byteLevel:
        guard let name = namesOfPreTokenizers.first(where: { $0.kind == preTokenizer && $0.ignoresMerges == ignoresMerges })
          ?? namesOfPreTokenizers.first(where: { $0.kind == preTokenizer })
        else {
          throw .notBytePair(
            "llama.cpp has no pre-tokenizer that cuts as \(preTokenizer.shortName) does; make a vocabulary with another")
        }
        result[GGUFKey.model] = .string("gpt2")
        result[GGUFKey.pre] = .string(name.name)
      case .byteFallback:
        result[GGUFKey.model] = .string("llama")
        result[GGUFKey.pre] = .string("default")
      }
      let names = spellings()
      result[GGUFKey.tokens] = .array(.strings(GGUFStrings(names.enumerated().map { $1.isEmpty ? "[PAD\($0)]" : $1 })))
      if isByteLevel {
        result[GGUFKey.types] = .array(.int32(types(names).map { Int32($0.rawValue) }))
        result[GGUFKey.merges] = .array(
          .strings(GGUFStrings(merges.map { names[Int($0.left)] + " " + names[Int($0.right)] })))
      } else {
        result[GGUFKey.scores] = .array(.float32(scores))
        result[GGUFKey.types] = .array(.int32(types(names).map { Int32($0.rawValue) }))
      }
      addRoles(to: &result)
      return result
    }
  }

  private func addRoles(to result: inout GGUFMetadata) {
    func id(_ role: SpecialToken.Role) -> Int32? { addedTokens.first { $0.role == role }?.id }
    let last = id(.endOfText), first = beginning.first ?? id(.beginningOfText)
    for (key, token) in [(GGUFKey.beginning, first), (GGUFKey.end, last), (GGUFKey.padding, id(.padding))] {
      if let token { result[key] = .uint32(UInt32(token)) }
    }
    if case .byteFallback(_, let unknown?, _) = coding { result[GGUFKey.unknown] = .uint32(UInt32(unknown)) }
    result[GGUFKey.addsBeginning] = .bool(!beginning.isEmpty)
    result[GGUFKey.addsEnd] = .bool(!end.isEmpty)
    if !isByteLevel {
      let addsSpace = preTokenizer == .none
        ? normalizer.steps.contains { if case .prepend = $0 { true } else { false } } : preTokenizer.prefix != .never
      result[GGUFKey.addsSpace] = .bool(addsSpace)
    }
  }

  private func types(_ names: [String]) -> [GGUFTokenType] {
    var types = names.map { $0.isEmpty ? GGUFTokenType.unused : .normal }
    for token in addedTokens { types[Int(token.id)] = token.isSpecial ? .control : .userDefined }
    if case .byteFallback(let byteTokens, let unknown, _) = coding {
      for id in byteTokens { types[Int(id)] = .byte }
      if let unknown { types[Int(unknown)] = .unknown }
    }
    return types
  }

  /// Numbers that rank tokens as their merges do: the one that is joined first has the highest.
  private var scores: [Float] {
    var index = SpelledTokens(), result = [Float](repeating: 0, count: tokens.count)
    for id in 0..<tokens.count where tokens.length(of: id) > 0 { _ = index.append(tokens[id], id: Int32(id)) }
    var rank = 0, isMade = Set<Int32>()
    for merge in merges {
      let text = Array(tokens[Int(merge.left)]) + tokens[Int(merge.right)]
      guard let id = index.id(text, text.indices), isMade.insert(id).inserted else { continue }
      result[Int(id)] = -Float(rank)
      rank += 1
    }
    for id in 0..<tokens.count where !isMade.contains(Int32(id)) { result[id] = -Float(rank + id) }
    return result
  }
}
