import AutogradBase

/// How questions and answers become text.
///
/// With a template everything is a conversation: a prompt and its completion are a question and its answer. Without one, a
/// completion follows its prompt as it stands, an instruction is written as Alpaca's authors wrote theirs, and both end in
/// the token that ends a text; conversations cannot be written then.
public struct AnswerForm: Sendable {
  public let template: ChatTemplate?
  /// The names of the tokens that begin and end a text; empty where there is none.
  public let begin, end: String

  /// - Throws: `templateNeeds` where the vocabulary lacks a token that the template is made of.
  public init(_ template: ChatTemplate?, _ tokenizer: any Tokenizer) throws(TextError) {
    func name(_ role: SpecialToken.Role) -> String { tokenizer.specialTokens.first { $0.role == role }?.name ?? "" }
    self.init(template, begin: name(.beginningOfText), end: name(.endOfText))
    let names = tokenizer.specialTokens.map { ExactString($0.name) }
    for token in template?.requiredTokens ?? [] where !names.contains(ExactString(token)) {
      throw .templateNeeds(template: template?.name ?? "", token: token)
    }
  }

  /// For a new vocabulary of characters, which has one special token.
  public static func characters(_ template: ChatTemplate?) throws(TextError) -> AnswerForm {
    if let template, let token = template.requiredTokens.first {
      throw .templateNeeds(template: template.name, token: token)
    }
    return AnswerForm(template, begin: "", end: CharacterTokenizer.endOfTextName)
  }

  init(_ template: ChatTemplate?, begin: String, end: String) {
    (self.template, self.begin, self.end) = (template, begin, end)
  }

  /// Writes what a line says.
  ///
  /// - Throws: `noTemplate` of a conversation, `notConversation`, `noEndOfText`.
  func write(_ content: LineContent) throws(TextError) -> AnsweredText {
    switch content {
    case .text(let text):
      var result = AnsweredText()
      result.add(text)
      return result
    case .messages(let messages):
      guard let template else { throw .noTemplate }
      guard messages.contains(where: { $0.role == .assistant }) else {
        throw .notConversation("nobody answers in it: it has no message of the assistant")
      }
      return try render(messages, template)
    case .pair(let prompt, let completion): return try write(prompt, completion)
    case .continuation(let prompt, let answer):
      guard let template else { throw .noTemplate }
      guard answer.contains(where: { $0.role == .assistant }) else {
        throw .notConversation("nobody answers its prompt: what follows has no message of the assistant")
      }
      return try render(prompt + answer, template, learning: answer.count)
    case .instruction(let instruction, let input, let output):
      guard template == nil else { return try write(input.isEmpty ? instruction : instruction + "\n\n" + input, output) }
      let more = input.isEmpty ? ("", "") : (", paired with an input that provides further context", "### Input:\n\(input)\n\n")
      return try write(
        """
        Below is an instruction that describes a task\(more.0). Write a response that appropriately completes the request.

        ### Instruction:
        \(instruction)

        \(more.1)### Response:

        """, output)
    }
  }

  /// The tokens of a conversation up to where its next answer begins.
  ///
  /// - Throws: `noTemplate`, `notConversation`, what the vocabulary lacks.
  public func tokens(askingAfter messages: [ChatMessage], _ tokenizer: any Tokenizer) throws(TextError) -> [Int32] {
    guard let template else { throw .noTemplate }
    let text = try template.render(messages, begin: begin, end: end, asksForAnswer: true)
    return try tokenizer.encode(text.bytes, specialTokens: .recognised)
  }

  /// What ends an answer beside the token that ends a text; empty where nothing does.
  public var endOfAnswer: String {
    guard let end = template?.endOfTurn, !end.contains("{eos}") else { return "" }
    return end
  }

  /// What ends an answer: tokens, where the template's end of a turn is one of the vocabulary's, or else a text.
  public func ends(_ tokenizer: any Tokenizer) -> (tokens: [Int32], text: String) {
    let text = endOfAnswer
    if text.isEmpty { return ([], "") }
    let token = tokenizer.specialTokens.first { $0.name.hasSameBytes(as: text) }
    return token.map { ([$0.id], "") } ?? ([], text)
  }

  /// - Parameter count: Of how many messages, the last, answers are learnt; nil of all.
  private func render(
    _ messages: [ChatMessage], _ template: ChatTemplate, learning count: Int? = nil
  ) throws(TextError) -> AnsweredText {
    if template.endOfTurn.contains("{eos}"), end.isEmpty { throw .noEndOfText }
    return try template.render(messages, begin: begin, end: end, learning: count)
  }

  private func write(_ question: String, _ answer: String) throws(TextError) -> AnsweredText {
    if let template { return try render([ChatMessage(.user, question), ChatMessage(.assistant, answer)], template) }
    if end.isEmpty { throw .noEndOfText }
    var result = AnsweredText()
    result.add(question)
    result.add(answer + end, isAnswer: true)
    return result
  }
}
