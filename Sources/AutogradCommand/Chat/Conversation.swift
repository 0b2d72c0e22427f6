import AutogradModels
import AutogradText

/// A conversation with a model: what was said, and what is said next.
struct Conversation {
  private let form: AnswerForm
  let session: TextSession
  /// Whether a conversation may grow beyond the context, and how many of its first tokens stay then; nil keeps what stands
  /// before the first question.
  private let keepsShifting: Bool
  private let keptTokens: Int?
  private(set) var messages: [ChatMessage] = []
  var options = GenerationOptions()
  /// What the last answer took; nil before the first.
  private(set) var report: GenerationReport?
  private var answerCount: UInt32 = 0

  init(_ form: AnswerForm, _ session: TextSession, keepsShifting: Bool, keptTokens: Int?) {
    (self.form, self.session, self.keepsShifting, self.keptTokens) = (form, session, keepsShifting, keptTokens)
  }

  var system: String? { messages.first.flatMap { $0.role == .system ? $0.content : nil } }

  /// Says to the model what comes before all else; nothing, where the text is empty.
  ///
  /// - Throws: Where the template has no place for it; nothing is changed then.
  mutating func setSystem(_ text: String) throws {
    var changed = messages
    if system != nil { changed.removeFirst() }
    if !text.isEmpty { changed.insert(ChatMessage(.system, text), at: 0) }
    _ = try tokens(changed.last?.role == .user ? changed : changed + [ChatMessage(.user, "?")])
    messages = changed
  }

  /// Forgets all but the system message.
  mutating func reset() { messages = system.map { [ChatMessage(.system, $0)] } ?? [] }

  /// Goes on with another conversation.
  ///
  /// - Returns: The question that it ends with, if it does; the conversation then ends before it.
  /// - Throws: Where the template has no way to write it; nothing is changed then.
  mutating func take(_ others: [ChatMessage]) throws -> String? {
    let question = others.last.flatMap { $0.role == .user ? $0.content : nil }
    _ = try tokens(question == nil ? others + [ChatMessage(.user, "?")] : others)
    messages = question == nil ? others : Array(others.dropLast())
    return question
  }

  /// The tokens of the conversation with a question that may follow.
  func tokenCount() throws -> Int { messages.isEmpty ? 0 : try tokens(messages).count }

  /// Asks a question, and hands the answer to `body` as it comes, until that returns false.
  ///
  /// - Parameters:
  ///   - leavesOut: Called first, with how many tokens of the conversation the context has no room for.
  ///   - isCancelled: Asked before each token; true ends the answer.
  /// - Returns: Whether anything was answered; where not, the question is not remembered either.
  mutating func ask(
    _ question: String, leavesOut: (Int) -> Void, isCancelled: () -> Bool, _ body: (String) -> Bool
  ) throws -> Bool {
    let asked = messages + [ChatMessage(.user, question)], tokens = try tokens(asked)
    var options = options
    options.stream = answerCount
    if keepsShifting {
      let kept = try keptTokens ?? openingCount()
      options.keptTokens = kept
      let count = session.leftOutCount(ofLength: tokens.count, keptTokens: kept)
      if count > 0 { leavesOut(count) }
    } else if let most = options.maximumTokens {
      // An answer that is cut off is better than none.
      options.maximumTokens = max(1, min(most, session.contextSize - tokens.count))
    }
    let generation = try session.begin(tokens, options: options)
    var answer = ""
    while let (_, piece) = try generation.next(isCancelled: isCancelled) {
      answer += piece.text
      if !body(piece.text) { generation.cancel() }
    }
    report = generation.reports[0]
    answerCount += 1
    if answer.isEmpty, report?.finish == .cancelled { return false }
    messages = asked + [ChatMessage(.assistant, answer)]
    return true
  }

  private func tokens(_ messages: [ChatMessage]) throws -> [Int32] {
    try form.tokens(askingAfter: messages, session.tokenizer)
  }

  /// How many tokens stand before the first question: those that conversations with different ones share.
  private func openingCount() throws -> Int {
    let opening = system.map { [ChatMessage(.system, $0)] } ?? []
    let (one, other) = (try tokens(opening + [ChatMessage(.user, "a")]), try tokens(opening + [ChatMessage(.user, "1")]))
    return zip(one, other).prefix { $0 == $1 }.count
  }
}
