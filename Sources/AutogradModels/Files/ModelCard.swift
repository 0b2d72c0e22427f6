import AutogradBase
import AutogradFormats

/// What stands beside a model, and is not computed: its name, under which licence it may be used, how a conversation is
/// written.
///
/// Folders of the hub say it in the front matter of `README.md`, in `LICENSE` and in `chat_template.jinja`; GGUF files
/// under `general.*` and `tokenizer.chat_template`. What is read from one is written into the other.
public struct ModelCard: Sendable, Equatable {
  public var name: String?
  /// As the hub spells it: `apache-2.0`; `other` has a name and a link beside.
  public var license: String?
  public var licenseName: String?
  public var licenseLink: String?
  /// The text of `LICENSE`.
  public var licenseText: [UInt8]?
  /// What the model was made from.
  public var baseModel: String?
  public var languages: [String] = []
  /// How messages become a text, as a Jinja template.
  public var chatTemplate: String?

  public init() {}

  /// Whether there is nothing to say.
  public var isEmpty: Bool { self == ModelCard() }

  /// The licence in words; nil where nothing is known.
  public var licensePhrase: String? {
    if let license, license != "other" { return license }
    return licenseName ?? license ?? (licenseText == nil ? nil : "in LICENSE")
  }

  /// What a model that was made from this one says: the same licence, and whose child it is.
  public func inherited(by name: String? = nil) -> ModelCard {
    var card = self
    card.baseModel = self.name ?? baseModel
    card.name = name
    return card
  }
}

// MARK: GGUF

extension ModelCard {
  init(_ metadata: GGUFMetadata) {
    name = metadata["general.name"]?.stringValue
    license = metadata["general.license"]?.stringValue
    licenseName = metadata["general.license.name"]?.stringValue
    licenseLink = metadata["general.license.link"]?.stringValue
    baseModel = metadata["general.base_model.0.name"]?.stringValue
    if let list = metadata["general.languages"]?.stringsValue { languages = list.indices.map { list.string($0) } }
    chatTemplate = metadata["tokenizer.chat_template"]?.stringValue
  }

  /// What a GGUF file says of it, but for the template, which stands with the tokenizer there.
  var ggufKeys: [GGUFMetadata.Entry] {
    var keys: [GGUFMetadata.Entry] = []
    func add(_ key: String, _ value: String?) { if let value { keys.append(.init(key, .string(value))) } }
    add("general.name", name)
    let isText = license == nil && licenseText != nil
    add("general.license", isText ? "other" : license)
    add("general.license.name", licenseName ?? (isText ? firstLineOfLicense : nil))
    add("general.license.link", licenseLink)
    if let baseModel {
      keys.append(.init("general.base_model.count", .uint32(1)))
      add("general.base_model.0.name", baseModel)
    }
    if !languages.isEmpty { keys.append(.init("general.languages", .array(.strings(GGUFStrings(languages))))) }
    return keys
  }

  private var firstLineOfLicense: String? {
    guard let licenseText else { return nil }
    let lines = licenseText.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
    let words = lines.lazy.map { String(decoding: $0, as: UTF8.self).split(separator: " ").joined(separator: " ") }
    return words.first { !$0.isEmpty }
  }
}

// MARK: Folders

extension ModelCard {
  /// The names that a licence's text has in folders of the hub.
  private static let licenseFiles = ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING"]
  private static let byteLimit = 4_000_000

  /// What the files of a folder say; nothing where there are none.
  init(folder: String, _ fileSystem: any FileSystem) {
    func bytes(_ name: String) -> [UInt8]? {
      try? fileSystem.read(folder + "/" + name, byteLimit: ModelCard.byteLimit)
    }
    func text(_ name: String) -> String? { bytes(name).flatMap { String(validating: $0, as: UTF8.self) } }
    if let readme = text("README.md") { readFrontMatter(readme) }
    licenseText = ModelCard.licenseFiles.lazy.compactMap { bytes($0) }.first
    let configuration = bytes("tokenizer_config.json").flatMap { try? JSON(parsing: $0) }
    let template = configuration?["chat_template"]
    let ordinary = template?.arrayValue?.first { $0["name"] == .string("default") }?["template"]
    chatTemplate = text("chat_template.jinja") ?? template?.stringValue ?? ordinary?.stringValue
  }

  /// Reads the lines `key: value` between the first two lines `---`, and lists under a key; the rest of YAML is passed
  /// over.
  private mutating func readFrontMatter(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.hasSuffix("\r") ? line.dropLast() : line
    }
    guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else { return }
    var values: [String: [String]] = [:], key = ""
    for line in lines[1..<end] {
      let trimmed = line.drop { $0 == " " }
      if trimmed.hasPrefix("- ") {
        values[key, default: []].append(ModelCard.unquoted(trimmed.dropFirst(2)))
      } else if line.first != " ", let colon = line.firstIndex(of: ":") {
        key = String(line[..<colon])
        let value = ModelCard.unquoted(line[line.index(after: colon)...])
        values[key] = value.isEmpty ? [] : [value]
      }
    }
    license = values["license"]?.first
    licenseName = values["license_name"]?.first
    licenseLink = values["license_link"]?.first
    baseModel = values["base_model"]?.first
    languages = values["language"] ?? []
    name = values["model_name"]?.first
  }

  private static func unquoted(_ text: Substring) -> String {
    let words = text.split(separator: " ").joined(separator: " ")
    guard let quote = words.first, quote == "\"" || quote == "'", words.count > 1, words.last == quote else { return words }
    return String(words.dropFirst().dropLast())
  }

  /// The names that `files` may have.
  static let fileNames = ["README.md", "LICENSE", "chat_template.jinja"]

  /// The files of a folder that say it; none where there is nothing to say.
  public func files() -> [(name: String, bytes: [UInt8])] {
    var files: [(name: String, bytes: [UInt8])] = []
    let matter = frontMatter
    if !matter.isEmpty {
      let lines = ["---"] + matter + ["---", "", "# \(name ?? "Model")"]
      let origin = baseModel.map { ["", "Made from \($0)" + (licensePhrase.map { ", under its licence (\($0))." } ?? ".")] }
      files.append(("README.md", Array((lines + (origin ?? []) + [""]).joined(separator: "\n").utf8)))
    }
    if let licenseText { files.append(("LICENSE", licenseText)) }
    if let chatTemplate { files.append(("chat_template.jinja", Array(chatTemplate.utf8))) }
    return files
  }

  private var frontMatter: [String] {
    var lines: [String] = []
    func add(_ key: String, _ value: String?) { if let value { lines.append("\(key): \(ModelCard.quoted(value))") } }
    add("license", license ?? (licenseText == nil ? nil : "other"))
    add("license_name", licenseName)
    add("license_link", licenseLink ?? (license == nil && licenseText != nil ? "LICENSE" : nil))
    add("base_model", baseModel)
    if !languages.isEmpty { lines += ["language:"] + languages.map { "- \(ModelCard.quoted($0))" } }
    add("model_name", name)
    return lines
  }

  /// As YAML takes any text: bare where that is harmless.
  private static func quoted(_ value: String) -> String {
    let isPlain = value.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "_"): true
      default: false
      }
    }
    // A bare "no" is a truth value to YAML, and a bare 1.0 a number.
    let isWord = value.utf8.first.map { $0 >= UInt8(ascii: "A") } ?? false
    if isPlain, isWord, !["no", "yes", "on", "off", "true", "false", "null", "y", "n"].contains(value.lowercased()) {
      return value
    }
    return String(decoding: JSON.string(value).serialized(), as: UTF8.self)
  }
}
