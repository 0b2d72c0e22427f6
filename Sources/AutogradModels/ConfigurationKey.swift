import AutogradBase

/// A key of a family's config.json and what it says, both ways; or several keys that say one thing together.
package struct ConfigurationKey: Sendable {
  /// All that it knows; of one key, the first is written and the others are read where it is missing.
  let names: [String]
  /// Takes values over from the whole file; what is wrong with one otherwise, in words.
  let read: @Sendable (JSON, inout DecoderConfiguration) -> String?
  /// What to write.
  let write: @Sendable (DecoderConfiguration) -> [JSON.Member]
  /// Whether a value that was read is written again as it was.
  let isCarried: Bool

  /// One key.
  ///
  /// - Parameters:
  ///   - read: Takes a value over that is there and not null (a required one may be null); what is wrong with it
  ///     otherwise, as it follows the key's name.
  ///   - write: Nil writes nothing.
  package init(
    _ names: [String], isRequired: Bool = false, isCarried: Bool = false,
    read: @escaping @Sendable (JSON, inout DecoderConfiguration) -> String?,
    write: @escaping @Sendable (DecoderConfiguration) -> JSON?
  ) {
    (self.names, self.isCarried) = (names, isCarried)
    self.read = { json, configuration in
      guard let name = names.first(where: { json[$0] != nil }), let value = json[name] else {
        return isRequired ? "the key \"\(names[0])\" is missing" : nil
      }
      if value.isNull, !isRequired { return nil }
      return read(value, &configuration).map { "\"\(name)\" \($0)" }
    }
    self.write = { configuration in write(configuration).map { [JSON.Member(names[0], $0)] } ?? [] }
  }

  /// Several keys that say one thing together.
  package init(
    together names: [String], read: @escaping @Sendable (JSON, inout DecoderConfiguration) -> String?,
    write: @escaping @Sendable (DecoderConfiguration) -> [JSON.Member]
  ) {
    (self.names, self.read, self.write, isCarried) = (names, read, write, false)
  }

  package typealias Place<Value> = WritableKeyPath<DecoderConfiguration, Value> & Sendable

  /// A size.
  package static func size(_ names: String..., at place: Place<Int>, isRequired: Bool = true) -> ConfigurationKey {
    ConfigurationKey(names, isRequired: isRequired) { json, configuration in
      guard let value = json.intValue else { return "must be a whole number" }
      configuration[keyPath: place] = value
      return nil
    } write: { .integer(Int64($0[keyPath: place])) }
  }

  /// A number within bounds.
  package static func number(
    _ name: String, from least: Double = 0, to most: Double, at place: Place<Double>, writesZero: Bool = true
  ) -> ConfigurationKey {
    ConfigurationKey([name]) { json, configuration in
      guard let value = json.doubleValue, least <= value, value <= most else {
        return "must be a number from \(least.short) to \(most.short)"
      }
      configuration[keyPath: place] = value
      return nil
    } write: { configuration in
      let value = configuration[keyPath: place]
      return value == 0 && !writesZero ? nil : .number(value)
    }
  }

  /// A number above 0, or null for none.
  package static func positive(_ name: String, at place: Place<Double?>) -> ConfigurationKey {
    ConfigurationKey(orNull: name) { json, configuration in
      if json.isNull {
        configuration[keyPath: place] = nil
        return nil
      }
      guard let value = json.doubleValue, value > 0 else { return "must be null or a number above 0" }
      configuration[keyPath: place] = value
      return nil
    } write: { $0[keyPath: place].map { .number($0) } ?? .null }
  }

  /// One optional key, whose null means something, too.
  package init(
    orNull name: String,
    read: @escaping @Sendable (JSON, inout DecoderConfiguration) -> String?,
    write: @escaping @Sendable (DecoderConfiguration) -> JSON?
  ) {
    self.init(together: [name]) { json, configuration in
      json[name].flatMap { read($0, &configuration) }.map { "\"\(name)\" \($0)" }
    } write: { configuration in write(configuration).map { [JSON.Member(name, $0)] } ?? [] }
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

  /// Whether these biases are there.
  package static func flag(_ name: String, biases: DecoderConfiguration.Biases) -> ConfigurationKey {
    ConfigurationKey([name]) { json, configuration in
      guard let value = json.boolValue else { return "must be true or false" }
      if value { configuration.biases.formUnion(biases) } else { configuration.biases.subtract(biases) }
      return nil
    } write: { .bool($0.biases.isSuperset(of: biases)) }
  }

  /// One of several choices; the first name of a choice is written.
  package static func choice<Choice: Equatable & Sendable>(
    _ name: String, _ choices: [(name: String, choice: Choice)], at place: Place<Choice>
  ) -> ConfigurationKey {
    ConfigurationKey([name]) { json, configuration in
      guard let value = json.stringValue else { return "must be a string" }
      guard let found = choices.first(where: { $0.name == value }) else {
        return "is \(value.quotedForMessage), which this version cannot compute; it has \(listed(choices.map(\.name)))"
      }
      configuration[keyPath: place] = found.choice
      return nil
    } write: { configuration in
      choices.first { $0.choice == configuration[keyPath: place] }.map { .string($0.name) }
    }
  }

  /// `"a", "b"`
  static func listed(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }

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
