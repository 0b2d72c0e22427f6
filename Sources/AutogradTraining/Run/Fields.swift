import AutogradBase

/// A record that cannot be read, in words.
package struct RecordProblem: Error {
  let sentence: String
}

/// Takes values out of a JSON object; errors name the key.
struct Fields {
  private let json: JSON

  init(_ json: JSON) { self.json = json }

  private func value<Value>(_ key: String, _ kind: String, _ take: (JSON) -> Value?) throws(RecordProblem) -> Value {
    guard let found = json[key] else { throw RecordProblem(sentence: "the key \"\(key)\" is missing") }
    guard let value = take(found) else { throw RecordProblem(sentence: "\"\(key)\" must be \(kind)") }
    return value
  }

  func object(_ key: String) throws(RecordProblem) -> Fields {
    Fields(try value(key, "an object") { $0.objectValue == nil ? nil : $0 })
  }

  func optionalObject(_ key: String) throws(RecordProblem) -> Fields? {
    if json[key] == nil || json[key]?.isNull == true { return nil }
    return try object(key)
  }

  /// None where the key is missing.
  func optionalObjects(_ key: String) throws(RecordProblem) -> [Fields] {
    if json[key] == nil { return [] }
    return try value(key, "a list of objects") { json in
      guard let values = json.arrayValue, values.allSatisfy({ $0.objectValue != nil }) else { return nil }
      return values.map { Fields($0) }
    }
  }

  func has(_ key: String) -> Bool { json[key] != nil }

  func missingOrNumber(_ key: String) throws(RecordProblem) -> Double? { json[key] == nil ? nil : try number(key) }

  func string(_ key: String) throws(RecordProblem) -> String { try value(key, "a string", \.stringValue) }

  func optionalString(_ key: String) throws(RecordProblem) -> String? {
    json[key] == nil || json[key]?.isNull == true ? nil : try string(key)
  }

  /// - Parameter most: Far above what a run comes to, far below what sums overflow at.
  func count(_ key: String, least: Int = 0, most: Int = 1 << 60) throws(RecordProblem) -> Int {
    try value(key, "a whole number of at least \(least)") { json in
      json.intValue.flatMap { (least...most).contains($0) ? $0 : nil }
    }
  }

  /// As `JSON.exact` writes it.
  func number(_ key: String) throws(RecordProblem) -> Double {
    try value(key, "a number") { $0.doubleValue ?? $0.stringValue.flatMap { Double($0) } }
  }

  func optionalNumber(_ key: String) throws(RecordProblem) -> Double? {
    json[key]?.isNull == true ? nil : try number(key)
  }

  func read(_ setting: Setting, into settings: inout RunSettings) throws(RecordProblem) {
    let found = json[setting.key]
    if setting.isOptionalInFiles, found?.isNull ?? true { return }
    _ = try value(setting.key, setting.type.form) { setting.set($0, in: &settings) ? $0 : nil }
    if let problem = setting.problem(in: settings) { throw RecordProblem(sentence: problem) }
  }

  func numbers(_ key: String) throws(RecordProblem) -> [Double] {
    try value(key, "a list of numbers") { json in
      guard let values = json.arrayValue else { return nil }
      let numbers = values.compactMap { $0.doubleValue ?? $0.stringValue.flatMap { Double($0) } }
      return numbers.count == values.count ? numbers : nil
    }
  }
}

extension JSON {
  /// A number, or its name where JSON has none for it: NaN and the infinities.
  static func exact(_ value: Double) -> JSON { value.isFinite ? .number(value) : .string("\(value)") }

  static func optional(_ value: Double?) -> JSON { value.map(exact) ?? .null }

  static func count(_ value: Int) -> JSON { .integer(Int64(value)) }
}
