import ArgumentParser
import AutogradBase
import AutogradText

struct TokenizerInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a vocabulary is: its kind, sizes, special tokens, longest tokens.")

  @Argument(help: ArgumentHelp("A vocabulary's file, or a folder.", valueName: "path"))
  var path: String

  @Option(help: ArgumentHelp("Of the longest tokens, show so many.", valueName: "n"))
  var longest = 10

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard longest >= 0 else { throw ValidationError("--longest must be at least 0, got \(longest)") }
  }

  mutating func run() throws { try reportingErrors { try inspect() } }

  private func inspect() throws {
    let tokenizer = try loadVocabulary(at: path)
    var report = Report()
    report.addVocabulary(tokenizer)
    let hasTemplate = TokenizerFormat.hasChatTemplate(at: path)
    report.add("chat_template", hasTemplate ? "yes" : "none", .bool(hasTemplate))
    addLongest(of: tokenizer, to: &report)
    report.show(json: json)
  }

  private func addLongest(of tokenizer: any Tokenizer, to report: inout Report) {
    let special = Set(tokenizer.specialTokens.map(\.id))
    let ids = (0..<Int32(tokenizer.vocabularySize)).filter { !special.contains($0) }
    let lengths = ids.map { (id: $0, length: tokenizer.bytes(of: $0).count) }
    let sample = lengths.sorted { $0.length != $1.length ? $0.length > $1.length : $0.id < $1.id }.prefix(longest)
    let texts = sample.map { (id: $0.id, text: String(decoding: tokenizer.bytes(of: $0.id), as: UTF8.self)) }
    for (id, text) in texts { report.addLine("token \(id)", text.quotedForMessage) }
    report.add(
      "longest",
      .array(
        texts.map { .object([JSON.Member("id", .integer(Int64($0.id))), JSON.Member("text", .string($0.text))]) }))
  }
}

extension Report {
  /// What a vocabulary is.
  mutating func addVocabulary(_ tokenizer: any Tokenizer) {
    func number(_ value: Int) -> JSON { .integer(Int64(value)) }
    for (index, fact) in tokenizer.facts.enumerated() {
      add(fact.key, fact.value.stringValue?.escapedForDisplay ?? fact.value.intValue?.grouped ?? "", fact.value)
      if index == 0 { add("tokens", tokenizer.vocabularySize.grouped, number(tokenizer.vocabularySize)) }
    }
    let special = tokenizer.specialTokens
    add(
      "special_tokens",
      .array(
        special.map {
          .object([
            JSON.Member("id", .integer(Int64($0.id))), JSON.Member("name", .string($0.name)),
            JSON.Member("role", .string($0.role.rawValue)),
          ])
        }))
    addLine("special", special.count.grouped)
    for token in special where token.role != .other {
      addLine(token.role.words, "\(token.name.escapedForDisplay) (\(token.id))")
    }
  }
}

extension SpecialToken.Role {
  /// As people say it.
  fileprivate var words: String {
    switch self {
    case .beginningOfText: "begins a text"
    case .endOfText: "ends a text"
    case .padding: "padding"
    case .other: "other"
    }
  }
}
