public import AutogradBase

extension ChatMessage {
  /// The messages of a conversation as OpenAI, TRL and mlx-lm have it: `{"messages": [{"role": …, "content": …}, …]}`.
  ///
  /// - Parameter key: Under which the list stands.
  /// - Throws: `notDocument`, with the number of the message that is none.
  public static func list(of json: JSON, key: String = "messages") throws(TextError) -> [ChatMessage] {
    guard let values = json[key]?.arrayValue else {
      throw .notDocument(json[key] == nil ? "the object has no \"\(key)\"" : "\"\(key)\" is no list")
    }
    var messages: [ChatMessage] = []
    for (index, value) in values.enumerated() {
      do throws(TextError) {
        messages.append(try ChatMessage(json: value))
      } catch {
        guard case .notDocument(let reason) = error else { throw error }
        throw .notDocument("\(key == "messages" ? "" : "\"\(key)\", ")message \(index + 1): \(reason)")
      }
    }
    return messages
  }

  /// - Throws: `notDocument`.
  init(json: JSON) throws(TextError) {
    guard json.objectValue != nil else { throw .notDocument("it is no object") }
    let name = try json.text("role")
    guard let role = ChatRole(rawValue: name) else {
      let roles = ChatRole.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      throw .notDocument("its role is \(name.quotedForMessage), and known are \(roles)")
    }
    self.init(role, try json.text("content"))
  }

  /// A conversation as one line of training data has it.
  public static func json(_ messages: [ChatMessage]) -> JSON {
    let values = messages.map { message in
      JSON.object([JSON.Member("role", .string(message.role.rawValue)), JSON.Member("content", .string(message.content))])
    }
    return .object([JSON.Member("messages", .array(values))])
  }
}

extension JSON {
  /// The string under a key.
  ///
  /// - Throws: `notDocument`.
  func text(_ key: String) throws(TextError) -> String {
    guard let value = self[key] else { throw .notDocument("the object has no \"\(key)\"") }
    guard let text = value.stringValue else { throw .notDocument("\"\(key)\" is no string") }
    return text
  }
}
