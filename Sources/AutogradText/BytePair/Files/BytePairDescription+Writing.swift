import AutogradBase

extension BytePairDescription {
  /// Writes a `tokenizer.json` from which other tools take the same ids, and which reads back as this description.
  ///
  /// Ids without bytes are left out. Every added token stands in the vocabulary, too: so it keeps its id whoever reads the
  /// file.
  ///
  /// - Returns: The same bytes for the same description.
  public func tokenizerJSON() -> [UInt8] {
    JSON.object([
      JSON.Member("version", .string("1.0")),
      JSON.Member("truncation", .null),
      JSON.Member("padding", .null),
      JSON.Member("added_tokens", .array(addedTokens.sorted { $0.id < $1.id }.map(\.json))),
      JSON.Member("normalizer", PipelineWriter.normalizer(normalizer)),
      JSON.Member("pre_tokenizer", PipelineWriter.preTokenizer(preTokenizer, isByteLevel: isByteLevel)),
      JSON.Member("post_processor", postProcessor),
      JSON.Member("decoder", PipelineWriter.decoder(decoding, fallsBack: fallsBack)),
      JSON.Member("model", model),
    ]).serialized(pretty: true)
  }

  /// Writes GPT-2's two files.
  ///
  /// - Throws: `notTokenizer` where they would be read as another vocabulary.
  func vocabularyAndMerges() throws(TextError) -> (vocabulary: [UInt8], merges: [UInt8]) {
    let names = spellings()
    let entries = names.enumerated().filter { !$1.isEmpty }.map { JSON.Member($1, .integer(Int64($0))) }
    let lines = merges.map { "\(names[Int($0.left)]) \(names[Int($0.right)])\n" }
    let vocabulary = JSON.object(entries).serialized(), pairs = Array(("#version: 0.2\n" + lines.joined()).utf8)
    let read = try BytePairDescription(TokenizerFile(vocabulary: vocabulary, merges: pairs, roles: SpecialTokenNames()))
    guard read.tokens == tokens, read.merges == merges, read.preTokenizer == preTokenizer, read.normalizer == normalizer,
      read.coding == coding, read.ignoresMerges == ignoresMerges, read.beginning == beginning, read.end == end
    else {
      throw .notBytePair(
        "vocab.json and merges.txt say nothing of how texts are cut, and are read as GPT-2's; write a tokenizer.json")
    }
    return (vocabulary, pairs)
  }

  var isByteLevel: Bool { if case .byteLevel = coding { true } else { false } }

  /// Whether a character without a token becomes its bytes' tokens.
  private var fallsBack: Bool { if case .byteFallback(let tokens, _, _) = coding { !tokens.isEmpty } else { false } }

  private var unknown: Int32? {
    switch coding {
    case .byteLevel(let unknown), .byteFallback(_, let unknown, _): unknown
    }
  }

  private var fusesUnknown: Bool { if case .byteFallback(_, _, let fuses) = coding { fuses } else { false } }

  /// The spelling of every token; empty where an id has none.
  ///
  /// In a byte-level vocabulary bytes are spelt as characters, but for added tokens, whose text is looked for as it is.
  func spellings() -> [String] {
    var added: [Int32: String] = [:]
    for token in addedTokens { added[token.id] = token.content }
    let isByteLevel = isByteLevel
    return (0..<tokens.count).map { id in
      added[Int32(id)] ?? (isByteLevel ? ByteLevel.string(tokens[id]) : String(decoding: tokens[id], as: UTF8.self))
    }
  }

  private var model: JSON {
    let names = spellings()
    let vocabulary = names.enumerated().filter { !$1.isEmpty }.map { JSON.Member($1, .integer(Int64($0))) }
    let pairs = merges.map { JSON.array([.string(names[Int($0.left)]), .string(names[Int($0.right)])]) }
    return .object([
      JSON.Member("type", .string("BPE")),
      JSON.Member("dropout", .null),
      JSON.Member("unk_token", unknown.map { .string(names[Int($0)]) } ?? .null),
      JSON.Member("continuing_subword_prefix", .null),
      JSON.Member("end_of_word_suffix", .null),
      JSON.Member("fuse_unk", .bool(fusesUnknown)),
      JSON.Member("byte_fallback", .bool(fallsBack)),
      JSON.Member("ignore_merges", .bool(ignoresMerges)),
      JSON.Member("vocab", .object(vocabulary)),
      JSON.Member("merges", .array(pairs)),
    ])
  }

  /// A template with the tokens around a text, and around each of two; null where there are none.
  private var postProcessor: JSON {
    if beginning.isEmpty, end.isEmpty { return .null }
    let names = spellings()
    func item(_ kind: String, _ id: String, _ type: Int64) -> JSON {
      .object([JSON.Member(kind, .object([JSON.Member("id", .string(id)), JSON.Member("type_id", .integer(type))]))])
    }
    func around(_ text: String, _ type: Int64) -> [JSON] {
      beginning.map { item("SpecialToken", names[Int($0)], type) } + [item("Sequence", text, type)]
        + end.map { item("SpecialToken", names[Int($0)], type) }
    }
    var ids: [Int32] = []
    for id in beginning + end where !ids.contains(id) { ids.append(id) }
    let special = ids.map { id in
      let name = names[Int(id)]
      return JSON.Member(
        name,
        .object([
          JSON.Member("id", .string(name)), JSON.Member("ids", .array([.integer(Int64(id))])),
          JSON.Member("tokens", .array([.string(name)])),
        ]))
    }
    return .object([
      JSON.Member("type", .string("TemplateProcessing")), JSON.Member("single", .array(around("A", 0))),
      JSON.Member("pair", .array(around("A", 0) + around("B", 1))), JSON.Member("special_tokens", .object(special)),
    ])
  }
}

extension AddedToken {
  fileprivate var json: JSON {
    .object([
      JSON.Member("id", .integer(Int64(id))), JSON.Member("content", .string(content)),
      JSON.Member("single_word", .bool(singleWord)), JSON.Member("lstrip", .bool(lstrip)),
      JSON.Member("rstrip", .bool(rstrip)), JSON.Member("normalized", .bool(normalized)),
      JSON.Member("special", .bool(isSpecial)),
    ])
  }
}

extension PreTokenizer {
  /// The expression for files that other tools read: theirs know no `{1,3}+` that gives nothing back, and have `$` also
  /// before a line end.
  var regexForFiles: String {
    guard scanner == .cl100k else { return regexes.first ?? "" }
    return #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s"#
  }
}

/// The steps of a `tokenizer.json` around its model.
private enum PipelineWriter {
  private static func step(_ type: String, _ members: (String, JSON)...) -> JSON {
    .object([JSON.Member("type", .string(type))] + members.map { JSON.Member($0.0, $0.1) })
  }

  /// Null, a step by itself, or a sequence.
  private static func sequence(_ steps: [JSON], _ list: String) -> JSON {
    steps.count > 1 ? step("Sequence", (list, .array(steps))) : steps.first ?? .null
  }

  private static func replace(_ text: String, _ content: String) -> JSON {
    step("Replace", ("pattern", .object([JSON.Member("String", .string(text))])), ("content", .string(content)))
  }

  private static func byteLevel(usesRegex: Bool, addsPrefixSpace: Bool = false) -> JSON {
    step(
      "ByteLevel", ("add_prefix_space", .bool(addsPrefixSpace)), ("trim_offsets", .bool(true)),
      ("use_regex", .bool(usesRegex)))
  }

  static func normalizer(_ normalizer: TextNormalizer) -> JSON {
    let steps = normalizer.steps.map { one in
      switch one {
      case .nfc: step("NFC")
      case .prepend(let text): step("Prepend", ("prepend", .string(text)))
      case .replace(let text, let content): replace(text, content)
      }
    }
    return sequence(steps, "normalizers")
  }

  static func preTokenizer(_ kind: PreTokenizer, isByteLevel: Bool) -> JSON {
    guard isByteLevel else {
      guard kind.scanner == .metaspace else { return .null }
      return step(
        "Metaspace", ("replacement", .string("▁")), ("prepend_scheme", .string(kind.prefix.rawValue)),
        ("split", .bool(kind.splits)))
    }
    let digits = kind.splitsDigits ? [step("Digits", ("individual_digits", .bool(true)))] : []
    switch kind.scanner {
    case .gpt2, .smollm:
      return sequence(digits + [byteLevel(usesRegex: true, addsPrefixSpace: kind.addsPrefixSpace)], "pretokenizers")
    default:
      let split = step(
        "Split", ("pattern", .object([JSON.Member("Regex", .string(kind.regexForFiles))])),
        ("behavior", .string("Isolated")), ("invert", .bool(false)))
      return sequence(digits + (kind.regexes.isEmpty ? [] : [split]) + [byteLevel(usesRegex: false)], "pretokenizers")
    }
  }

  static func decoder(_ decoding: BytePairDescription.Decoding, fallsBack: Bool) -> JSON {
    switch decoding {
    case .bytes: return byteLevel(usesRegex: true)
    case .spaces(let strips):
      let strip = step("Strip", ("content", .string(" ")), ("start", .integer(1)), ("stop", .integer(0)))
      return sequence([replace("▁", " "), step("ByteFallback"), step("Fuse")] + (strips ? [strip] : []), "decoders")
    case .metaspace(let strips):
      let metaspace = step(
        "Metaspace", ("replacement", .string("▁")), ("prepend_scheme", .string(strips ? "always" : "never")),
        ("split", .bool(true)))
      return sequence((fallsBack ? [step("ByteFallback")] : []) + [metaspace], "decoders")
    }
  }
}
