package import AutogradBase

/// A setting of a run, declared once, in `Setting.all`. Whoever reads, writes, explains or checks settings is a reader
/// of that list: the command's options and their help, checkpoints, the comparison of a resume.
package struct Setting: Sendable {
  /// Where a setting stands in files, and among which options.
  package enum Section: Sendable {
    /// Sizes: files keep them with the model.
    case model
    /// What a run is trained with, at the top of a record.
    case run
    /// In a record's object `training`.
    case training
    /// As `training`: when a run saves. No memory depends on it.
    case saving
  }

  /// What a resume may do with a setting.
  package enum Resume: Sendable {
    /// It decides what steps compute: an option that says something else contradicts the run.
    case mustStay
    /// It decides when a run ends, tells and saves, or what memory it takes.
    case mayChange
  }

  /// Its name in files; options write it with dashes.
  package let key: String
  /// Names that other programs have for it.
  package let aliases: [String]
  package let section: Section
  /// What it is in a sentence: "the number of steps".
  package let noun: String
  /// A line of help, without the default.
  package let help: String
  /// What stands for a value in help: `--max-iters <n>`.
  package let valueName: String
  /// One letter that does for the name.
  package let letter: Character?
  package let resume: Resume
  /// Whether a preset has a say in it.
  package let isInPreset: Bool
  /// Whether files may lack it, since it came later: it has its default then.
  let isOptionalInFiles: Bool
  package let type: any SettingValue.Type
  /// The default as help shows it; nil where there is none.
  package let defaultText: String?

  private let read: @Sendable (RunSettings) -> JSON
  private let write: @Sendable (inout RunSettings, JSON) -> Bool
  private let check: @Sendable (RunSettings) -> String?

  package var option: String { "--" + dashed }
  package var dashed: String { key.split(separator: "_").joined(separator: "-") }

  /// - Parameters:
  ///   - get: Its value; nil where it has none.
  ///   - shown: The default as help shows it, where that is no value.
  init<Value: SettingValue>(
    _ key: String, _ section: Section, _ noun: String, get: @escaping @Sendable (RunSettings) -> Value?,
    set: @escaping @Sendable (inout RunSettings, Value) -> Void, _ range: SettingRange<Value> = .any, help: String,
    valueName: String = "n", letter: Character? = nil, aliases: [String] = [], shown: String? = nil,
    resume: Resume = .mustStay, isInPreset: Bool = false, isOptionalInFiles: Bool = false
  ) {
    (self.key, self.aliases, self.section, self.noun) = (key, aliases, section, noun)
    (self.help, self.valueName, self.letter) = (help, valueName, letter)
    (self.resume, self.isInPreset, self.isOptionalInFiles) = (resume, isInPreset, isOptionalInFiles)
    type = Value.self
    read = { get($0)?.json ?? .null }
    write = { settings, json in
      guard let value = Value(json: json) else { return false }
      set(&settings, value)
      return true
    }
    check = { settings in
      get(settings).flatMap { value in range.problem(value).map { "\(noun) \($0), got \(value)" } }
    }
    defaultText = shown ?? get(TrainingPreset.standard.settings).map { value in
      let text = Setting.text(value.json)
      return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
  }

  init<Value: SettingValue>(
    _ key: String, _ section: Section, _ noun: String, _ path: WritableKeyPath<RunSettings, Value> & Sendable,
    _ range: SettingRange<Value> = .any, help: String, valueName: String = "n", letter: Character? = nil,
    aliases: [String] = [], shown: String? = nil, resume: Resume = .mustStay, isInPreset: Bool = false,
    isOptionalInFiles: Bool = false
  ) {
    self.init(
      key, section, noun, get: { $0[keyPath: path] }, set: { $0[keyPath: path] = $1 }, range, help: help,
      valueName: valueName, letter: letter, aliases: aliases, shown: shown, resume: resume, isInPreset: isInPreset,
      isOptionalInFiles: isOptionalInFiles)
  }

  // MARK: One value

  /// Null where it has none.
  package func value(in settings: RunSettings) -> JSON { read(settings) }

  /// - Returns: Whether the value is of the setting's type; its range is not asked.
  package func set(_ value: JSON, in settings: inout RunSettings) -> Bool { write(&settings, value) }

  /// What is wrong with the value, in words.
  func problem(in settings: RunSettings) -> String? { check(settings) }

  // MARK: In words

  /// As it would be given: `--max-iters 2000`, `--no-bias`, `no --init-from`.
  package func phrase(_ value: JSON) -> String {
    if let flag = value.boolValue { return flag ? option : "--no-\(dashed)" }
    return value.isNull ? "no \(option)" : "\(option) \(Setting.text(value))"
  }

  package static func text(_ value: JSON) -> String {
    value.stringValue?.escapedForDisplay ?? value.boolValue.map { $0 ? "yes" : "no" }
      ?? String(decoding: value.serialized(), as: UTF8.self)
  }
}

/// Settings that somebody gave, by key; what was not given is not there.
package struct GivenSettings: Sendable, Equatable {
  private var values: [String: JSON] = [:]

  package init() {}

  package subscript(key: String) -> JSON? {
    get { values[key] }
    set { values[key] = newValue }
  }

  package var keys: Set<String> { Set(values.keys) }

  package func contains(_ key: String) -> Bool { values[key] != nil }

  /// All of both.
  package static func + (a: GivenSettings, b: GivenSettings) -> GivenSettings {
    var result = a
    result.values.merge(b.values) { $1 }
    return result
  }
}
