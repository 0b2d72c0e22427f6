import AutogradBase
import AutogradFormats
import AutogradModels
import AutogradText

/// What a stored model is, for people in 80 columns and for programs as JSON.
///
/// A part that cannot be read is told in words and keeps nothing else from being shown: who inspects wants to know what is
/// wrong.
struct ModelReport {
  private let path: String
  private let summary: TensorSummary
  /// Nil where there are tensors and nothing else.
  private let parts: Parts?
  /// Of an adapter: what it is, by labels.
  private var adapter: [(label: String, key: String, value: String)] = []

  private struct Parts {
    let configuration: Part<DecoderConfiguration>
    let tokenizer: Part<any Tokenizer>
    let card: ModelCard
  }

  /// Something, or why it is not there.
  private enum Part<Value> {
    case read(Value)
    case refused(String)

    init(_ body: () throws(LanguageModelError) -> Value) {
      do throws(LanguageModelError) {
        self = .read(try body())
      } catch {
        self = .refused("\(error)")
      }
    }
  }

  private static let columns = 80

  /// - Throws: Where the tensors cannot be listed.
  init(_ model: any StoredModel, path: String) throws(LanguageModelError) {
    self.path = path
    summary = try model.summary()
    parts = Parts(
      configuration: Part { () throws(LanguageModelError) in try model.configuration() },
      tokenizer: Part { () throws(LanguageModelError) in try model.tokenizer() }, card: try model.card())
  }

  /// An adapter, and the model that it names as its base, where that is there.
  ///
  /// - Throws: Where it is none.
  init(_ directory: AdapterDirectory, path: String) throws(LanguageModelError) {
    let configuration = try directory.configuration(), base = try directory.base(), model = try? openModel(path)
    if let model { try self.init(model, path: path) } else { self.init(try directory.summary(), path: path) }
    adapter = [
      ("adapter", "rank", "rank \(configuration.rank), counts \(configuration.scale)"),
      ("over", "targets", "\(configuration.targets)"),
      ("base", "base", (base.path ?? "not named") + (model == nil ? ", which is not here" : "")),
    ]
    if let hash = base.sha256 { adapter.append(("base SHA-256", "base_sha256", hash)) }
  }

  init(_ summary: TensorSummary, path: String) { (self.path, self.summary, parts) = (path, summary, nil) }

  // MARK: For people

  func show() {
    for line in adapter { show(line.label, line.value) }
    if let parts { show(parts) }
    showTensors()
    for (key, value) in summary.metadata {
      Console.showLine("metadata \(key.escapedForDisplay): \(value.escapedForDisplay)")
    }
    let bytes = summary.tensors.reduce(0) { $0 + $1.byteCount }
    Console.showLine("\(summary.tensors.count) tensors, \(numberCount.grouped) numbers, \(bytes.bytes)")
  }

  private var numberCount: Int { summary.tensors.reduce(0) { $0 + $1.elementCount } }

  private func show(_ parts: Parts) {
    switch parts.configuration {
    case .read(let configuration):
      showWrapped("\(configuration)")
      show("parameters", Self.parameterCount(configuration).grouped)
    case .refused(let reason): show("model", reason)
    }
    switch parts.tokenizer {
    case .read(let tokenizer): show("tokenizer", Self.phrase(tokenizer))
    case .refused(let reason): show("tokenizer", reason)
    }
    let card = parts.card
    if let name = card.name { show("name", name) }
    if let base = card.baseModel { show("made from", base) }
    if let licence = card.licensePhrase { show("licence", licence + (card.licenseLink.map { ", \($0)" } ?? "")) }
    if let template = card.chatTemplate {
      show("chat template", "\(template.utf8.count) bytes, SHA-256 \(Self.hash(template).prefix(12))")
    }
  }

  private func show(_ label: String, _ value: String) {
    showWrapped(label.padded(to: 15) + value.escapedForDisplay, indent: 15)
  }

  /// Breaks a text between words into lines that fit; a word that does not fit has a line of its own.
  private func showWrapped(_ text: String, indent: Int = 2) {
    var line = "", isFirst = true
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
      if !line.isEmpty, line.count + 1 + word.count > Self.columns {
        Console.showLine(line)
        line = String(repeating: " ", count: indent) + word
        isFirst = false
      } else {
        line += (line.isEmpty && isFirst ? "" : " ") + word
        isFirst = false
      }
    }
    Console.showLine(line)
  }

  private func showTensors() {
    let rows = summary.tensors.map { entry in
      // Whatever the file calls its tensors, a terminal must not obey it.
      (name: entry.name.escapedForDisplay, type: entry.encoding.name,
       shape: "[" + entry.shape.map(String.init).joined(separator: ", ") + "]", bytes: entry.byteCount.bytes)
    }
    let types = rows.map(\.type.count).max() ?? 0, shapes = max(14, rows.map(\.shape.count).max() ?? 0)
    let room = max(16, Self.columns - types - shapes - 14), names = min(room, rows.map(\.name.count).max() ?? 0)
    for row in rows {
      Console.showLine(
        row.name.shortened(to: names).padded(to: names + 2) + row.type.padded(to: types + 2) + row.shape.padded(to: shapes + 2)
          + row.bytes)
    }
  }

  // MARK: For programs

  var object: [JSON.Member] {
    var members = [JSON.Member("path", .string(path))]
    if !adapter.isEmpty {
      members.append(JSON.Member("adapter", .object(adapter.map { JSON.Member($0.key, .string($0.value)) })))
    }
    if let parts { members += object(parts) }
    let tensors = summary.tensors.map { entry in
      JSON.object([
        JSON.Member("name", .string(entry.name)), JSON.Member("type", .string(entry.encoding.name)),
        JSON.Member("shape", .array(entry.shape.map { .integer(Int64($0)) })),
        JSON.Member("bytes", .integer(Int64(entry.byteCount))),
      ])
    }
    let metadata = summary.metadata.map { JSON.Member($0.key, .string($0.value)) }
    return members + [
      JSON.Member("metadata", .object(metadata)), JSON.Member("numbers", .integer(Int64(numberCount))),
      JSON.Member("bytes", .integer(Int64(summary.tensors.reduce(0) { $0 + $1.byteCount }))),
      JSON.Member("tensors", .array(tensors)),
    ]
  }

  private func object(_ parts: Parts) -> [JSON.Member] {
    func optional(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
    var members: [JSON.Member] = []
    switch parts.configuration {
    case .read(let configuration):
      members += [
        JSON.Member("family", .string(configuration.family.modelType)),
        JSON.Member("configuration", configuration.json),
        JSON.Member("parameters", .integer(Int64(Self.parameterCount(configuration)))),
      ]
    case .refused(let reason): members.append(JSON.Member("error", .string(reason)))
    }
    switch parts.tokenizer {
    case .read(let tokenizer):
      let special = tokenizer.specialTokens.map { token in
        JSON.object([
          JSON.Member("id", .integer(Int64(token.id))), JSON.Member("name", .string(token.name)),
          JSON.Member("role", .string(token.role.rawValue)),
        ])
      }
      members.append(
        JSON.Member(
          "tokenizer",
          .object([
            JSON.Member("tokens", .integer(Int64(tokenizer.vocabularySize))), JSON.Member("special", .array(special)),
          ])))
    case .refused(let reason):
      members.append(JSON.Member("tokenizer", .object([JSON.Member("error", .string(reason))])))
    }
    let card = parts.card
    return members + [
      JSON.Member("name", optional(card.name)), JSON.Member("base_model", optional(card.baseModel)),
      JSON.Member("license", optional(card.license)), JSON.Member("license_name", optional(card.licenseName)),
      JSON.Member("license_link", optional(card.licenseLink)), JSON.Member("chat_template", optional(card.chatTemplate)),
    ]
  }

  // MARK: Words

  private static func parameterCount(_ configuration: DecoderConfiguration) -> Int {
    configuration.tensors.reduce(0) { $0 + Int($1.count) }
  }

  private static func phrase(_ tokenizer: any Tokenizer) -> String {
    let special = tokenizer.specialTokens
    let shown = special.prefix(6).map { $0.role == .padding ? "\($0.name) (padding)" : $0.name }.joined(separator: " ")
    if special.isEmpty { return "\(tokenizer.vocabularySize.grouped) tokens" }
    return "\(tokenizer.vocabularySize.grouped) tokens, \(special.count) of them special: \(shown)"
      + (special.count > 6 ? " …" : "")
  }

  private static func hash(_ text: String) -> String {
    var hash = SHA256()
    hash.update(Array(text.utf8))
    return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

extension String {
  /// Its beginning and its end, where it has more characters.
  fileprivate func shortened(to count: Int) -> String {
    guard self.count > count, count > 2 else { return self }
    return String(prefix((count - 1) / 2)) + "…" + String(suffix(count - 1 - (count - 1) / 2))
  }
}
