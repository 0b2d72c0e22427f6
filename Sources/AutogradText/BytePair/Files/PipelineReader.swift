import AutogradBase

/// What the steps of a `tokenizer.json` around its model are, as kinds that are known.
enum PipelineReader {
  static func isUnset(_ value: JSON?) -> Bool { value == nil || value == .null || value == .string("") }

  /// A step of a type, or the steps of a sequence of them.
  private static func steps(_ json: JSON?, _ list: String, depth: Int = 0) -> [JSON] {
    guard let json, !json.isNull else { return [] }
    guard json["type"] == .string("Sequence"), let inner = json[list]?.arrayValue, depth < 8 else { return [json] }
    return inner.flatMap { steps($0, list, depth: depth + 1) }
  }

  private static func type(_ json: JSON) -> String { json["type"]?.stringValue ?? "" }

  /// How a sentence calls a step that is not known.
  private static func name(_ json: JSON) -> String { type(json).isEmpty ? "without a type" : type(json).quotedForMessage }

  // MARK: Normaliser

  static func normalizer(_ json: JSON?) throws(TextError) -> TextNormalizer {
    var found: [TextNormalizer.Step] = []
    for step in steps(json, "normalizers") {
      switch type(step) {
      case "NFC": found.append(.nfc)
      case "Prepend":
        guard let prefix = step["prepend"]?.stringValue else { throw .notBytePair("its normalizer Prepend says no string") }
        if !prefix.isEmpty { found.append(.prepend(prefix)) }
      case "Replace":
        guard let pattern = step["pattern"]?["String"]?.stringValue, let content = step["content"]?.stringValue,
          !pattern.isEmpty
        else { throw .notBytePair("its normalizer Replace has a pattern that is no string") }
        found.append(.replace(pattern, with: content))
      default:
        throw .notBytePair("its normalizer is \(name(step)), and NFC, Prepend and Replace are known")
      }
    }
    return TextNormalizer(found)
  }

  // MARK: Pre-tokenizer

  static func preTokenizer(_ json: JSON?) throws(TextError) -> (preTokenizer: PreTokenizer, isByteLevel: Bool) {
    var rest = steps(json, "pretokenizers")[...]
    if rest.isEmpty { return (.none, false) }
    if rest.count == 1, type(rest[0]) == "Metaspace" { return (try metaspace(rest[0]), false) }
    var splitsDigits = false
    if let first = rest.first, type(first) == "Digits" {
      guard first["individual_digits"] == .bool(true) else {
        throw .notBytePair("its pre_tokenizer Digits keeps digits together")
      }
      splitsDigits = true
      rest = rest.dropFirst()
    }
    var regex: String?
    if let first = rest.first, type(first) == "Split" {
      regex = try splitRegex(first)
      rest = rest.dropFirst()
    }
    guard rest.count == 1, let last = rest.last, type(last) == "ByteLevel" else {
      let other = steps(json, "pretokenizers").first { !["Digits", "Split", "ByteLevel"].contains(type($0)) }
      throw .notBytePair(
        other.map { "its pre_tokenizer is \(name($0)), and ByteLevel, Split, Digits and Metaspace are known" }
          ?? "its pre_tokenizer has steps in an order that is not known")
    }
    let usesOwn = last["use_regex"] != .bool(false), addsSpace = last["add_prefix_space"] != .bool(false)
    var found = PreTokenizer.none
    if usesOwn, regex != nil { throw .notBytePair("its pre_tokenizer splits twice") }
    if let own = usesOwn ? PreTokenizer.gpt2.regexes[0] : regex { found = try known(own, splitsDigits: splitsDigits) }
    if splitsDigits, !usesOwn, regex == nil { throw .notBytePair("its pre_tokenizer splits nothing but digits") }
    if addsSpace {
      guard found == .gpt2 else { throw .notBytePair("its pre_tokenizer puts a space before every part of a text") }
      found.addsPrefixSpace = true
    }
    return (found, true)
  }

  /// The kind that a regular expression is known as.
  private static func known(_ regex: String, splitsDigits: Bool) throws(TextError) -> PreTokenizer {
    let found = PreTokenizer.all.first { kind in
      kind.splitsDigits == splitsDigits && !kind.regexes.isEmpty
        && (kind.regexes + [kind.regexForFiles]).contains { $0.hasSameBytes(as: regex) }
    }
    if let found { return found }
    let names = PreTokenizer.all.filter { !$0.regexes.isEmpty }.map(\.name).joined(separator: ", ")
    throw .notBytePair(
      "its pre_tokenizer cuts by \(regex.quotedForMessage)\(splitsDigits ? " and digits" : ""), and the expressions of \(names) "
        + "are known")
  }

  private static func splitRegex(_ step: JSON) throws(TextError) -> String {
    guard let regex = step["pattern"]?["Regex"]?.stringValue else {
      throw .notBytePair("its pre_tokenizer Split cuts by a string")
    }
    let behavior = step["behavior"]?.stringValue ?? "", isInverted = step["invert"] == .bool(true)
    // What an expression of ours matches is all there is: to remove the rest removes nothing.
    guard behavior == "Isolated" && !isInverted || behavior == "Removed" && isInverted else {
      throw .notBytePair("its pre_tokenizer Split has the behavior \(behavior.quotedForMessage), and Isolated is known")
    }
    return regex
  }

  private static func metaspace(_ step: JSON) throws(TextError) -> PreTokenizer {
    guard step["replacement"]?.stringValue == "▁" else {
      throw .notBytePair("its pre_tokenizer Metaspace has another sign for spaces than \"▁\"")
    }
    var found = PreTokenizer.metaspace
    found.splits = step["split"] != .bool(false)
    if let scheme = step["prepend_scheme"]?.stringValue {
      guard let prefix = PreTokenizer.Prefix(rawValue: scheme) else {
        throw .notBytePair("its pre_tokenizer Metaspace has the prepend_scheme \(scheme.quotedForMessage)")
      }
      found.prefix = prefix
    } else {
      found.prefix = step["add_prefix_space"] == .bool(false) ? .never : .always
    }
    return found
  }

  // MARK: Decoder

  static func decoding(_ json: JSON?) throws(TextError) -> BytePairDescription.Decoding {
    let all = steps(json, "decoders"), kinds = all.map(type).filter { $0 != "Fuse" }
    guard !all.isEmpty else { throw .notBytePair("it has no decoder: its tokens would stand with spaces between them") }
    switch kinds {
    case ["ByteLevel"]: return .bytes
    case ["Metaspace"], ["ByteFallback", "Metaspace"], ["Metaspace", "ByteFallback"]:
      let step = all.first { type($0) == "Metaspace" } ?? .null
      let isNever = step["prepend_scheme"] == .string("never")
        || step["prepend_scheme"] == nil && step["add_prefix_space"] == .bool(false)
      return .metaspace(stripsFirstToken: !isNever)
    case ["Replace", "ByteFallback"], ["Replace", "ByteFallback", "Strip"]:
      guard all[0]["pattern"]?["String"] == .string("▁"), all[0]["content"] == .string(" ") else {
        throw .notBytePair("its decoder replaces something other than \"▁\" by a space")
      }
      guard kinds.count == 3 else { return .spaces(stripsFirstSpace: false) }
      let strip = all.first { type($0) == "Strip" } ?? .null
      guard strip["content"] == .string(" "), strip["start"] == .integer(1), strip["stop"] == .integer(0) else {
        throw .notBytePair("its decoder strips something other than one space in front")
      }
      return .spaces(stripsFirstSpace: true)
    default:
      throw .notBytePair(
        "its decoder is \(kinds.map(\.quotedForMessage).joined(separator: ", ")), and ByteLevel, Metaspace and Llama's are known")
    }
  }

  // MARK: Post-processor

  /// What is put before and behind a text.
  static func surroundings(
    _ json: JSON?, _ added: AddedTokenReader, _ vocabulary: SpelledTokens
  ) throws(TextError) -> (beginning: [Int32], end: [Int32]) {
    var result: (beginning: [Int32], end: [Int32]) = ([], [])
    for step in steps(json, "processors") {
      switch type(step) {
      case "ByteLevel": break
      case "TemplateProcessing":
        let own = try template(step, added, vocabulary)
        result = (own.beginning + result.beginning, result.end + own.end)
      case "RobertaProcessing", "BertProcessing":
        guard let first = step["cls"]?.arrayValue?.last?.intValue, let last = step["sep"]?.arrayValue?.last?.intValue,
          let first = Int32(exactly: first), let last = Int32(exactly: last)
        else { throw .notBytePair("its post_processor says no tokens") }
        result = ([first] + result.beginning, result.end + [last])
      default: throw .notBytePair("its post_processor is \(name(step)), and ByteLevel and TemplateProcessing are known")
      }
    }
    return result
  }

  private static func template(
    _ step: JSON, _ added: AddedTokenReader, _ vocabulary: SpelledTokens
  ) throws(TextError) -> (beginning: [Int32], end: [Int32]) {
    guard let items = step["single"]?.arrayValue else { throw .notBytePair("its post_processor has no template for a text") }
    var before: [Int32] = [], after: [Int32] = [], texts = 0
    for item in items {
      if item["Sequence"]?["id"] == .string("A") {
        texts += 1
      } else if let name = item["SpecialToken"]?["id"]?.stringValue {
        let listed = step["special_tokens"]?[name]?["ids"]?.arrayValue?.map { $0.intValue.flatMap { Int32(exactly: $0) } ?? -1 }
        let ids = listed ?? [vocabulary.id(name) ?? added.id(name) ?? -1]
        guard ids.allSatisfy({ $0 >= 0 }) else {
          throw .notBytePair("its post_processor adds \(name.quotedForMessage), which is no token of it")
        }
        if texts == 0 { before += ids } else { after += ids }
      } else {
        throw .notBytePair("its post_processor has a template with something else than tokens and the text")
      }
    }
    guard texts == 1 else { throw .notBytePair("its post_processor has a template with the text \(texts) times in it") }
    return (before, after)
  }
}
