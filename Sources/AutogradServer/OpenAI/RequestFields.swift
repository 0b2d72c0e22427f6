import AutogradBase

/// The members of a request's object, each of which is taken once: what nobody takes is refused by name.
///
/// `null` is as good as nothing.
struct RequestFields {
  private var members: [JSON.Member]

  /// - Throws: `APIError` where the bytes are no JSON object, or a larger or deeper one than is allowed.
  init(_ bytes: [UInt8], _ limits: ServerLimits) throws(APIError) {
    let json: JSON
    do {
      json = try JSON(
        parsing: bytes,
        limits: JSON.Limits(
          maximumDepth: limits.jsonDepth, maximumValues: limits.jsonValues, maximumKeys: limits.jsonKeys,
          maximumBytes: limits.bodyBytes))
    } catch {
      throw APIError(nil, "the body is not what it should be: \(error)", code: "invalid_json")
    }
    guard case .object(let members) = json else { throw APIError(nil, "the body must be a JSON object, and is \(json.shown)") }
    self.members = members
  }

  /// Takes a member; nil where it is missing or null.
  mutating func take(_ name: String) -> JSON? {
    guard let index = members.firstIndex(where: { $0.key.hasSameBytes(as: name) }) else { return nil }
    let value = members.remove(at: index).value
    return value.isNull ? nil : value
  }

  mutating func string(_ name: String) throws(APIError) -> String? {
    guard let value = take(name) else { return nil }
    guard let text = value.stringValue else { throw APIError(name, "\(name) must be a string, got \(value.shown)") }
    return text
  }

  mutating func flag(_ name: String) throws(APIError) -> Bool? {
    guard let value = take(name) else { return nil }
    guard let flag = value.boolValue else { throw APIError(name, "\(name) must be true or false, got \(value.shown)") }
    return flag
  }

  mutating func integer(_ name: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = take(name) else { return nil }
    guard let number = value.intValue, range.contains(number) else {
      let most =
        range.upperBound == .max
        ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
      throw APIError(name, "\(name) must be a whole number \(most), got \(value.shown)")
    }
    return number
  }

  mutating func number(_ name: String, _ range: ClosedRange<Double>) throws(APIError) -> Double? {
    guard let value = take(name) else { return nil }
    guard let number = value.doubleValue, range.contains(number) else {
      throw APIError(
        name, "\(name) must be a number from \(range.lowerBound.short) to \(range.upperBound.short), got \(value.shown)")
    }
    return number
  }

  /// Refuses what is left, unless it asks for what happens anyway.
  func finish() throws(APIError) {
    for member in members where !member.value.isNull {
      guard let field = UnsupportedField.all.first(where: { $0.name == member.key }) else {
        let name = member.key.quotedForMessage
        throw APIError(name.withoutQuotes, "the field \(name) is not known here; leave it out")
      }
      guard field.isIdle(member.value) else {
        throw APIError(field.name, "\(field.name) is not supported here: \(field.advice)")
      }
    }
  }
}

/// A field of OpenAI's that is not supported, but may say what happens without it.
private struct UnsupportedField: Sendable {
  let name: String
  let advice: String
  /// Whether a value asks for nothing.
  var isIdle: @Sendable (JSON) -> Bool = { _ in false }

  static let all: [UnsupportedField] = [
    UnsupportedField(name: "best_of", advice: "leave it out, ask for n answers and choose") { $0 == .integer(1) },
    UnsupportedField(name: "suffix", advice: "texts are only continued at their end") { $0 == .string("") },
    UnsupportedField(name: "user", advice: "nobody is told apart; leave it out") { $0 == .string("") },
    UnsupportedField(name: "metadata", advice: "nothing is kept; leave it out") { $0 == .object([]) },
    UnsupportedField(name: "store", advice: "nothing is kept; leave it out") { $0 == .bool(false) },
    UnsupportedField(name: "tools", advice: "models here call none; leave it out") { $0 == .array([]) },
    UnsupportedField(name: "tool_choice", advice: "models here call no tools; leave it out") { $0 == .string("none") },
    UnsupportedField(name: "functions", advice: "models here call none; leave it out") { $0 == .array([]) },
    UnsupportedField(name: "function_call", advice: "models here call none; leave it out") { $0 == .string("none") },
    UnsupportedField(name: "parallel_tool_calls", advice: "models here call no tools; leave it out") {
      $0.boolValue != nil
    },
    UnsupportedField(name: "response_format", advice: "answers are plain text; leave it out") {
      $0 == .object([JSON.Member("type", .string("text"))])
    },
    UnsupportedField(name: "modalities", advice: "answers are plain text; leave it out") {
      $0 == .array([.string("text")])
    },
    UnsupportedField(name: "audio", advice: "answers are plain text; leave it out"),
    UnsupportedField(name: "prediction", advice: "leave it out; answers are the same"),
    UnsupportedField(name: "reasoning_effort", advice: "write it into the messages, if the model knows it"),
    UnsupportedField(name: "service_tier", advice: "there is one; leave it out") {
      $0 == .string("auto") || $0 == .string("default")
    },
    UnsupportedField(name: "verbosity", advice: "write it into the messages"),
    UnsupportedField(name: "web_search_options", advice: "nothing is looked up; leave it out"),
  ]
}

extension JSON {
  /// A value as a sentence shows it, cut short.
  var shown: String {
    switch self {
    case .null: "null"
    case .bool(let flag): "\(flag)"
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .string(let text): text.unicodeScalars.count > 40 ? "a string" : text.quotedForMessage
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension Double {
  /// Without a point where it is whole.
  fileprivate var short: String { Int(exactly: self).map { "\($0)" } ?? "\(self)" }
}

extension String {
  fileprivate var withoutQuotes: String { String(dropFirst().dropLast()) }
}
