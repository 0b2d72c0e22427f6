/// How a family of models writes conversations: strings around what is said, as plain data.
///
/// Files bring templates as programs in a language of their own (Jinja). None of them is run: a file's template is
/// recognised by the hash of its text, and what stands here gives the same bytes (`ChatTemplate+All.swift`). One that is
/// not known has to be replaced by a named one.
///
/// In all strings `{bos}` and `{eos}` stand for the tokens that begin and end a text; a tokenizer without the first has
/// nothing there.
public struct ChatTemplate: Sendable, Equatable {
  /// What stands around what somebody says.
  struct Turn: Sendable, Equatable {
    var before: String
    /// Behind an answer this belongs to it: what a model says to end its turn.
    var end = ""
    var after = ""
    /// What follows unless the turn is the last.
    var between = ""

    init(_ before: String, end: String = "", after: String = "", between: String = "") {
      (self.before, self.end, self.after, self.between) = (before, end, after, between)
    }
  }

  /// Where a system message goes.
  enum SystemPlace: Sendable, Equatable {
    /// A turn like any other: `onlyFirst` where it can only be the first, `skipsEmpty` where one that says nothing is left
    /// out, `later` where those that are not the first are written otherwise.
    case turn(Turn, onlyFirst: Bool = false, skipsEmpty: Bool = false, later: Turn? = nil)
    /// In front of the first question, with what stands around it.
    case inFirstQuestion(Turn)
    /// In front of the last question, if that is the last message of all; nowhere otherwise.
    case inLastQuestion(Turn)
    case nowhere
  }

  /// What becomes of what is said.
  enum Trimming: Sendable, Equatable {
    case none
    case whole
    /// The system message is trimmed together with the question that it stands in.
    case questionWithSystem
    case answers
  }

  /// Its name: `chatml`.
  public let name: String
  var beginning = ""
  /// What a conversation without a system message gets; nil adds none.
  var defaultSystem: String?
  var system: SystemPlace
  var user: Turn
  var assistant: Turn
  var trimming = Trimming.none
  /// Whether questions and answers take turns, and a question is first.
  var alternates = false
  /// Whether answers carry their reasoning as Qwen 3 has it: after the last question alone, and there always.
  var hasReasoning = false
  /// What follows the last message of a conversation that does not ask for an answer.
  var ending = ""
  /// What asks for an answer.
  var opening: String
  /// Special tokens that the vocabulary must have, beside those that begin and end a text.
  public var requiredTokens: [String] = []

  /// A token of the vocabulary that no answer can do without: how a model ends its turn. Empty where the end is text.
  public var endOfTurn: String { assistant.end }

  /// Writes a conversation down.
  ///
  /// - Parameters:
  ///   - begin, end: The names of the tokens that begin and end a text; empty where there is none.
  ///   - asksForAnswer: Whether what asks for the next answer follows.
  ///   - count: Of how many messages, the last, answers are marked; nil of all.
  /// - Throws: `notConversation` where this template has no way to write it.
  public func render(
    _ messages: [ChatMessage], begin: String, end: String, asksForAnswer: Bool = false, learning count: Int? = nil
  ) throws(TextError) -> AnsweredText {
    guard let first = messages.first else { throw .notConversation("it has no messages") }
    var messages = messages[...], text = AnsweredText(), question: (system: String, turn: Turn)?
    func filled(_ string: String) -> String { ChatTemplate.filled(string, begin, end) }
    switch system {
    case .turn(_, let onlyFirst, _, _):
      if let defaultSystem, first.role != .system { messages.insert(ChatMessage(.system, defaultSystem), at: 0) }
      if onlyFirst { try requireFirst(messages) }
    case .inFirstQuestion(let turn):
      try requireFirst(messages)
      if first.role == .system { question = (messages.removeFirst().content, turn) }
    case .inLastQuestion(let turn):
      try requireFirst(messages)
      if first.role == .system {
        question = (messages.removeFirst().content, turn)
        if messages.last?.role != .user { question = nil }
      }
    case .nowhere:
      guard messages.allSatisfy({ $0.role != .system }) else {
        throw .notConversation("it has a system message, for which \(name) has no place")
      }
    }
    if alternates { try requireTurns(messages) }
    text.add(filled(beginning))
    let reasoning = hasReasoning ? Reasoning(of: Array(messages)) : nil
    for (index, message) in messages.enumerated() {
      let isLast = index == messages.count - 1
      switch message.role {
      case .system:
        guard case .turn(let turn, _, let skipsEmpty, let later) = system, !(skipsEmpty && message.content.isEmpty)
        else { continue }
        add(message.content, index > 0 ? later ?? turn : turn, isLast, isAnswer: false, to: &text, filled)
      case .user:
        var own: (system: String, turn: Turn)?
        if let found = question, isLast || system.isInFirst {
          own = found
          question = nil
        }
        let place = own.map { ($0.turn.before + $0.system + $0.turn.after) } ?? ""
        let said = trimming == .questionWithSystem ? PythonSpace.trimmed(place + message.content) : place + trimmed(message)
        text.add(filled(user.before) + said + filled(user.end + user.after + (isLast ? "" : user.between)))
      case .assistant:
        let said = reasoning?.answer(index) ?? trimmed(message)
        let isLearnt = messages.count - index <= count ?? .max
        add(said, assistant, isLast, isAnswer: true, isLearnt: isLearnt, to: &text, filled)
      }
    }
    text.add(filled(asksForAnswer ? opening : ending))
    return text
  }

  private func add(
    _ said: String, _ turn: Turn, _ isLast: Bool, isAnswer: Bool, isLearnt: Bool = true, to text: inout AnsweredText,
    _ filled: (String) -> String
  ) {
    let said = isAnswer || trimming != .whole ? said : PythonSpace.trimmed(said)
    text.add(filled(turn.before))
    text.add(said + filled(turn.end), isAnswer: isAnswer && isLearnt)
    text.add(filled(turn.after + (isLast ? "" : turn.between)))
  }

  private func trimmed(_ message: ChatMessage) -> String {
    switch trimming {
    case .none: message.content
    case .whole, .questionWithSystem: PythonSpace.trimmed(message.content)
    case .answers: message.role == .assistant ? PythonSpace.trimmed(message.content) : message.content
    }
  }

  private func requireFirst(_ messages: ArraySlice<ChatMessage>) throws(TextError) {
    guard messages.dropFirst().allSatisfy({ $0.role != .system }) else {
      throw .notConversation("it has a system message behind others, for which \(name) has no place")
    }
  }

  private func requireTurns(_ messages: ArraySlice<ChatMessage>) throws(TextError) {
    for (index, message) in messages.enumerated() where (message.role == .user) != (index % 2 == 0) {
      throw .notConversation(
        "questions and answers do not take turns, a question first, as \(name) wants it; message \(index + 1) is of the "
          + "\(message.role.rawValue)")
    }
  }

  /// A template's string with the tokens that it asks for.
  private static func filled(_ string: String, _ begin: String, _ end: String) -> String {
    string.contains("{") ? string.replacing("{bos}", with: begin).replacing("{eos}", with: end) : string
  }
}

extension ChatTemplate.SystemPlace {
  fileprivate var isInFirst: Bool {
    if case .inFirstQuestion = self { true } else { false }
  }
}

/// Answers with their reasoning between `<think>` and `</think>`, as Qwen 3 writes them: answers to the last question
/// have it, empty if need be, and those before have lost it.
private struct Reasoning {
  private let messages: [ChatMessage]
  private let lastQuestion: Int

  init(of messages: [ChatMessage]) {
    self.messages = messages
    let last = messages.lastIndex { message in
      message.role == .user
        && !(message.content.utf8.starts(with: "<tool_response>".utf8) && message.content.hasSuffix("</tool_response>"))
    }
    lastQuestion = last ?? messages.count - 1
  }

  func answer(_ index: Int) -> String {
    let whole = messages[index].content, end = "</think>"
    var reasoning = "", answer = whole
    if let first = whole.firstRange(of: end), let last = whole.ranges(of: end).last {
      let thought = PythonSpace.withoutLineFeeds(String(whole[..<first.lowerBound]), atBeginning: false)
      let begin = thought.ranges(of: "<think>").last?.upperBound ?? thought.startIndex
      reasoning = PythonSpace.withoutLineFeeds(String(thought[begin...]), atEnd: false)
      answer = PythonSpace.withoutLineFeeds(String(whole[last.upperBound...]), atEnd: false)
    }
    guard index > lastQuestion, index == messages.count - 1 || !reasoning.isEmpty else { return answer }
    return "<think>\n" + PythonSpace.withoutLineFeeds(reasoning) + "\n</think>\n\n"
      + PythonSpace.withoutLineFeeds(answer, atEnd: false)
  }
}
