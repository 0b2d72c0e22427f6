import AutogradBase

/// A key of a family's config.json and what it says, both ways.
package struct ConfigurationKey: Sendable {
  /// The first is written; the others are read where it is missing.
  let names: [String]
  let isRequired: Bool
  /// Takes a value over; what is wrong with it otherwise, as it follows the key's name.
  let read: @Sendable (JSON, inout DecoderConfiguration) -> String?
  /// What to write; nil writes nothing.
  let write: @Sendable (DecoderConfiguration) -> JSON?
  /// Whether a value that was read is written again as it was.
  let isCarried: Bool

  package init(
    _ names: [String], isRequired: Bool = false, isCarried: Bool = false,
    read: @escaping @Sendable (JSON, inout DecoderConfiguration) -> String?,
    write: @escaping @Sendable (DecoderConfiguration) -> JSON?
  ) {
    (self.names, self.isRequired, self.isCarried) = (names, isRequired, isCarried)
    (self.read, self.write) = (read, write)
  }

  package typealias Place<Value> = WritableKeyPath<DecoderConfiguration, Value> & Sendable

  /// A size that must be there.
  package static func size(_ names: String..., at place: Place<Int>) -> ConfigurationKey {
    ConfigurationKey(names, isRequired: true) { json, configuration in
      guard let value = json.intValue else { return "must be a whole number" }
      configuration[keyPath: place] = value
      return nil
    } write: { .integer(Int64($0[keyPath: place])) }
  }

  /// A number within bounds.
  package static func number(
    _ name: String, from least: Double = 0, to most: Double, at place: Place<Double>
  ) -> ConfigurationKey {
    ConfigurationKey([name]) { json, configuration in
      guard let value = json.doubleValue, least <= value, value <= most else {
        return "must be a number from \(least.short) to \(most.short)"
      }
      configuration[keyPath: place] = value
      return nil
    } write: { .number($0[keyPath: place]) }
  }

  /// Yes or no.
  package static func flag(_ name: String, at place: Place<Bool>) -> ConfigurationKey {
    flag(name, yes: true, no: false, at: place)
  }

  /// One of two choices.
  package static func flag<Choice: Equatable & Sendable>(
    _ name: String, yes: Choice, no: Choice, at place: Place<Choice>
  ) -> ConfigurationKey {
    ConfigurationKey([name]) { json, configuration in
      guard let value = json.boolValue else { return "must be true or false" }
      configuration[keyPath: place] = value ? yes : no
      return nil
    } write: { .bool($0[keyPath: place] == yes) }
  }

  /// One of several choices; the first name of a choice is written.
  package static func choice<Choice: Equatable & Sendable>(
    _ name: String, _ choices: [(name: String, choice: Choice)], at place: Place<Choice>
  ) -> ConfigurationKey {
    ConfigurationKey([name]) { json, configuration in
      guard let value = json.stringValue else { return "must be a string" }
      guard let found = choices.first(where: { $0.name == value }) else {
        let names = choices.map { "\"\($0.name)\"" }.joined(separator: ", ")
        return "is \(value.quotedForMessage), which this version cannot compute; it has \(names)"
      }
      configuration[keyPath: place] = found.choice
      return nil
    } write: { configuration in
      choices.first { $0.choice == configuration[keyPath: place] }.map { .string($0.name) }
    }
  }

  /// A key that changes what is computed, and of which only these values are known. It need not be written.
  package static func only(_ name: String, _ values: JSON...) -> ConfigurationKey {
    ConfigurationKey([name]) { json, _ in
      if values.contains(json) { return nil }
      let known = values.isEmpty ? "" : "; it has \(values.map(\.short).joined(separator: ", "))"
      return "is \(json.short), which this version cannot compute\(known)"
    } write: { _ in nil }
  }

  /// A key that is written so and says nothing when it is read.
  package static func written(
    _ name: String, _ value: @escaping @Sendable (DecoderConfiguration) -> JSON
  ) -> ConfigurationKey {
    ConfigurationKey([name], read: { _, _ in nil }, write: value)
  }

  /// A key for others: written as it was read, or so.
  package static func carried(_ name: String, otherwise value: JSON) -> ConfigurationKey {
    ConfigurationKey([name], isCarried: true, read: { _, _ in nil }, write: { _ in value })
  }
}

extension JSON {
  /// As it would stand in a file, cut off.
  var short: String {
    let text = String(decoding: serialized(), as: UTF8.self)
    return text.count <= 40 ? text.escapedForDisplay : text.prefix(40).description.escapedForDisplay + "…"
  }
}

extension Double {
  /// Without the point where it is whole.
  fileprivate var short: String { self == rounded() && abs(self) < 1e9 ? "\(Int(self))" : "\(self)" }
}
