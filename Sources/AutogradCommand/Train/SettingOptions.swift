import ArgumentParser
import AutogradBase
import AutogradTraining

/// A part of the list of settings, in the order of help.
protocol SettingPart: Sendable {
  static var settings: [Setting] { get }
}

enum ModelPart: SettingPart {
  static let settings = Setting.model
}

enum TrainingPart: SettingPart {
  static let settings = Setting.run + Setting.training
}

enum AdapterPart: SettingPart {
  static let settings = Setting.adapter
}

enum SavingPart: SettingPart {
  static let settings = Setting.saving
}

/// Options for a part of the settings, made from their declarations: no setting has a property of its own.
///
/// The parser finds options by mirroring a value of their type, and decodes what it found under the same labels. So
/// this type shows it a mirror with an option for each setting.
struct SettingOptions<Part: SettingPart>: ParsableArguments, CustomReflectable {
  /// What the command line gives.
  private(set) var given = GivenSettings()

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for setting in Part.settings { given[setting.key] = try setting.type.decode(Key(setting), container) }
  }

  var customMirror: Mirror {
    Mirror(self, children: Part.settings.map { (label: $0.key, value: $0.type.option($0)) })
  }
}

private struct Key: CodingKey {
  let stringValue: String
  let intValue: Int? = nil

  init(_ setting: Setting) { stringValue = setting.key }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// A setting's value on the command line.
private struct Argument<Value: SettingValue>: ExpressibleByArgument {
  let value: Value

  init?(argument: String) {
    guard let value = Value(word: argument) else { return nil }
    self.value = value
  }

  static var allValueStrings: [String] { Value.names }
}

extension SettingValue {
  /// What the parser finds behind a label: an option, or a flag and its opposite.
  fileprivate static func option(_ setting: Setting) -> Any {
    let text = setting.helpLine, name = NameSpecification.Element.customLong(setting.dashed)
    if isFlag {
      return Flag<Bool?>(
        name: NameSpecification(arrayLiteral: name), inversion: .prefixedNo, help: ArgumentHelp(stringLiteral: text))
    }
    let names = [name] + (setting.letter.map { [.customShort($0)] } ?? [])
    return Option<Argument<Self>?>(
      name: NameSpecification(names), help: ArgumentHelp(stringLiteral: text).named(setting.valueName))
  }

  fileprivate static func decode(_ key: Key, _ container: KeyedDecodingContainer<Key>) throws -> JSON? {
    if isFlag { return try container.decode(Flag<Bool?>.self, forKey: key).wrappedValue?.json }
    return try container.decode(Option<Argument<Self>?>.self, forKey: key).wrappedValue?.value.json
  }
}

extension Setting {
  /// "Steps (2000); also --iters."
  var helpLine: String {
    let others = aliases.map { "; also --" + $0.split(separator: "_").joined(separator: "-") }.joined()
    return help + (defaultText.map { " (\($0))" } ?? "") + others + "."
  }
}

extension ArgumentHelp {
  fileprivate func named(_ valueName: String) -> ArgumentHelp {
    var result = self
    result.valueName = valueName
    return result
  }
}
