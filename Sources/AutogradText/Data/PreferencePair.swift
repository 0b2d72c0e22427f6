import AutogradBase

/// A line of preference pairs: two answers to one prompt, of which one was chosen.
///
/// As TRL has them with an explicit prompt: three strings, or three lists of messages. Where some are lists, a string
/// is what the user asks, or what the assistant answers. Lists beside a prompt in a string may also be whole
/// conversations, as UltraFeedback has them: their prompt is what they have in common.
///
/// Source: TRL, "Dataset formats and types".
struct PreferencePair {
  /// Something that somebody says, or turns of a conversation.
  private enum Part {
    case text(String)
    case messages([ChatMessage])

    init(_ json: JSON, _ key: String) throws(TextError) {
      if json[key]?.arrayValue != nil {
        self = .messages(try ChatMessage.list(of: json, key: key))
        return
      }
      guard let text = json[key]?.stringValue else {
        throw .notDocument("\"\(key)\" is neither a string nor a list of messages")
      }
      self = .text(text)
    }

    func messages(_ role: ChatRole) -> [ChatMessage] {
      switch self {
      case .text(let text): [ChatMessage(role, text)]
      case .messages(let messages): messages
      }
    }
  }

  private let prompt, chosen, rejected: Part

  /// - Throws: `notDocument`.
  init(json: JSON) throws(TextError) {
    prompt = try Part(json, "prompt")
    chosen = try Part(json, "chosen")
    rejected = try Part(json, "rejected")
  }

  /// The chosen document and the rejected one.
  var contents: (LineContent, LineContent) {
    get throws(TextError) {
      if case .text(let question) = prompt, case .text(let chosen) = chosen, case .text(let rejected) = rejected {
        return (.pair(prompt: question, completion: chosen), .pair(prompt: question, completion: rejected))
      }
      let chosen = chosen.messages(.assistant), rejected = rejected.messages(.assistant)
      if case .text = prompt, chosen.first?.role != .assistant || rejected.first?.role != .assistant {
        return try wholeConversations(chosen, rejected)
      }
      let prompt = prompt.messages(.user)
      return (.continuation(prompt: prompt, answer: chosen), .continuation(prompt: prompt, answer: rejected))
    }
  }

  /// Conversations that begin with their prompt.
  private func wholeConversations(
    _ chosen: [ChatMessage], _ rejected: [ChatMessage]
  ) throws(TextError) -> (LineContent, LineContent) {
    let shared = zip(chosen, rejected).prefix { $0 == $1 }.count
    guard shared > 0, shared < chosen.count, shared < rejected.count else {
      throw .notDocument(
        "\"chosen\" and \"rejected\" begin with their prompt, and "
          + (shared == 0 ? "their prompts differ" : "one goes no further than the other"))
    }
    func content(_ whole: [ChatMessage]) -> LineContent {
      .continuation(prompt: Array(whole[..<shared]), answer: Array(whole[shared...]))
    }
    return (content(chosen), content(rejected))
  }
}
