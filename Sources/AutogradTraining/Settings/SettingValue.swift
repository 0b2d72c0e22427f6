package import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork

/// A type that a setting can have: how its values are read from a word and from a file, and written.
package protocol SettingValue: Sendable, Equatable {
  /// What a file has to hold, in words.
  static var form: String { get }
  /// All values, where each has a name.
  static var names: [String] { get }
  /// Whether a mention alone says yes: `--bias`, `--no-bias`.
  static var isFlag: Bool { get }
  /// Reads a value as a person writes it.
  init?(word: String)
  /// Reads a value as `json` writes it.
  init?(json: JSON)
  var json: JSON { get }
}

extension SettingValue {
  package static var names: [String] { [] }
  package static var isFlag: Bool { false }
}

extension Int: SettingValue {
  package static var form: String { "a whole number" }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let value = json.intValue else { return nil }
    self = value
  }
  package var json: JSON { .integer(Int64(self)) }
}

/// JSON has no numbers above 2⁶³ − 1 that every reader takes: in quotes.
extension UInt64: SettingValue {
  package static var form: String { "a whole number in quotes" }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let value = json.stringValue.flatMap({ UInt64($0) }) else { return nil }
    self = value
  }
  package var json: JSON { .string("\(self)") }
}

extension Double: SettingValue {
  package static var form: String { "a number" }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let value = json.doubleValue ?? json.stringValue.flatMap({ Double($0) }) else { return nil }
    self = value
  }
  package var json: JSON { .exact(self) }
}

extension Bool: SettingValue {
  package static var form: String { "true or false" }
  package static var isFlag: Bool { true }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let value = json.boolValue else { return nil }
    self = value
  }
  package var json: JSON { .bool(self) }
}

extension String: SettingValue {
  package static var form: String { "a string" }
  package init?(word: String) { self = word }
  package init?(json: JSON) {
    guard let value = json.stringValue else { return nil }
    self = value
  }
  package var json: JSON { .string(self) }
}

/// One of a few names.
package protocol SettingChoice: SettingValue, RawRepresentable<String>, CaseIterable {}

extension SettingChoice {
  package static var form: String { "a known name" }
  package static var names: [String] { allCases.map(\.rawValue) }
  package init?(word: String) { self.init(rawValue: word) }
  package init?(json: JSON) {
    guard let value = json.stringValue.flatMap({ Self(rawValue: $0) }) else { return nil }
    self = value
  }
  package var json: JSON { .string(rawValue) }
}

extension OptimizerKind: SettingChoice {}
extension LearningRateSchedule.Decay: SettingChoice {}
extension MatmulPrecision: SettingChoice {}
extension NonFinitePolicy: SettingChoice {}
extension WeightType: SettingChoice {}

extension GenerationWeights: SettingChoice {}
extension BaseProducts: SettingChoice {}

extension FrozenWeights: SettingValue {
  package static var form: String { "names of weights, which may have a *" }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let word = json.stringValue else { return nil }
    self.init(word)
  }
  package var json: JSON { .string(description) }
}

extension AdapterTargets: SettingValue {
  package static var form: String { "all, attention, mlp or names of weights" }
  package init?(word: String) { self.init(word) }
  package init?(json: JSON) {
    guard let word = json.stringValue else { return nil }
    self.init(word)
  }
  package var json: JSON { .string(description) }
}

/// By its name.
extension ModelFamily: SettingValue {
  package static var form: String { "a known name" }
  package static var names: [String] { all.map(\.modelType) }
  package init?(word: String) {
    guard let family = ModelFamily.named(word) else { return nil }
    self = family
  }
  package init?(json: JSON) {
    guard let family = json.stringValue.flatMap({ ModelFamily.named($0) }) else { return nil }
    self = family
  }
  package var json: JSON { .string(modelType) }
}

/// What a setting's values must fulfil, and how to say so: "must be at least 1".
package struct SettingRange<Value: SettingValue>: Sendable {
  /// What is wrong with a value, in words that follow the setting's name; nil where nothing is.
  let problem: @Sendable (Value) -> String?

  /// Any value will do.
  static var any: Self { Self { _ in nil } }
}

extension SettingRange<Int> {
  /// - Parameter most: Far above what anybody means, far below where sums and products of settings overflow.
  static func from(_ least: Int, upTo most: Int = SettingRange<Int>.most) -> Self {
    Self { $0 < least ? "must be at least \(least)" : $0 > most ? "must be at most \(most)" : nil }
  }

  static func within(_ range: ClosedRange<Int>) -> Self {
    Self { range.contains($0) ? nil : "must lie between \(range.lowerBound) and \(range.upperBound)" }
  }

  /// More steps than any run has: with `mostAccumulated` batches in each, their number is below 2⁶³.
  static var most: Int { 1_000_000_000_000 }
  static var mostAccumulated: Int { 1_000_000 }
}

extension SettingRange<Double> {
  static var positive: Self { Self { $0 > 0 && $0.isFinite ? nil : "must be a number above 0" } }
  static var notNegative: Self { Self { $0 >= 0 && $0.isFinite ? nil : "must be a number of at least 0" } }
  /// From 0 to below 1.
  static var belowOne: Self { Self { $0 >= 0 && $0 < 1 ? nil : "must be at least 0 and below 1" } }
}
