import AutogradBase

/// What the lines of a JSONL file hold, recognised by the keys of its first: all lines of a file hold the same.
public struct LineKind: Sendable {
  /// What its lines are, in words: "conversations".
  public let name: String
  /// The keys that such a line has; others beside them are passed over.
  public let keys: [String]
  /// Whether a part of each document is an answer.
  public let hasAnswers: Bool
  /// Documents that a line holds: 2 where it holds a pair, of which the first is preferred.
  public let documentsPerLine: Int
  private let take: @Sendable (JSON) throws(TextError) -> [LineContent]

  private init(
    _ name: String, _ keys: [String], hasAnswers: Bool,
    _ take: @escaping @Sendable (JSON) throws(TextError) -> LineContent
  ) {
    (self.name, self.keys, self.hasAnswers, documentsPerLine) = (name, keys, hasAnswers, 1)
    self.take = { json throws(TextError) in [try take(json)] }
  }

  private init(
    pairs name: String, _ keys: [String], _ take: @escaping @Sendable (JSON) throws(TextError) -> [LineContent]
  ) { (self.name, self.keys, hasAnswers, documentsPerLine, self.take) = (name, keys, true, 2, take) }

  /// Every kind, those with more to say first: a line of several kinds is of the first. mlx-lm has this order, too.
  public static let all = [preference, conversation, completion, instruction, text]

  /// `{"text": …}`: a document.
  public static let text = LineKind("texts", ["text"], hasAnswers: false) { json throws(TextError) in
    .text(try json.text("text"))
  }

  /// `{"messages": [{"role": …, "content": …}, …]}`, as OpenAI, TRL and mlx-lm have it.
  public static let conversation = LineKind("conversations", ["messages"], hasAnswers: true) { json throws(TextError) in
    .messages(try ChatMessage.list(of: json))
  }

  /// `{"prompt": …, "completion": …}`.
  public static let completion = LineKind("prompts with completions", ["prompt", "completion"], hasAnswers: true) {
    json throws(TextError) in .pair(prompt: try json.text("prompt"), completion: try json.text("completion"))
  }

  /// `{"instruction": …, "input": …, "output": …}`, as Alpaca has it; the input may be missing.
  public static let instruction = LineKind("instructions", ["instruction", "output"], hasAnswers: true) {
    json throws(TextError) in
    let input = json["input"].map { $0.isNull } ?? true ? "" : try json.text("input")
    return .instruction(try json.text("instruction"), input: input, output: try json.text("output"))
  }

  /// `{"prompt": …, "chosen": …, "rejected": …}`, as TRL has it: see `PreferencePair`.
  public static let preference = LineKind(pairs: "preference pairs", ["prompt", "chosen", "rejected"]) {
    json throws(TextError) in
    let (chosen, rejected) = try PreferencePair(json: json).contents
    return [chosen, rejected]
  }

  /// The kind of a line; nil where it has the keys of none.
  static func of(_ json: JSON) -> LineKind? { all.first { kind in kind.keys.allSatisfy { json[$0] != nil } } }

  /// What a line of this kind says: `documentsPerLine` documents.
  ///
  /// - Throws: `notDocument` where it lacks a key, or something else stands under it.
  func contents(of json: JSON) throws(TextError) -> [LineContent] {
    if let missing = keys.first(where: { json[$0] == nil }) {
      guard let other = LineKind.of(json), other != self else { throw .notDocument("the object has no \"\(missing)\"") }
      throw .notDocument("the line holds \(other.name), and those before hold \(name); put them into files of their own")
    }
    return try take(json)
  }
}

extension LineKind: Equatable {
  public static func == (a: LineKind, b: LineKind) -> Bool { a.keys == b.keys }
}

/// What a line says, before anybody writes it as a text.
enum LineContent: Sendable {
  case text(String)
  case messages([ChatMessage])
  case pair(prompt: String, completion: String)
  /// Of what follows the prompt alone something is learnt.
  case continuation(prompt: [ChatMessage], answer: [ChatMessage])
  case instruction(String, input: String, output: String)
}

extension LineContent {
  /// All that it says, one thing below the other, as nobody writes it: for counting words.
  var words: AnsweredText {
    let texts =
      switch self {
      case .text(let text): [text]
      case .messages(let messages): messages.map(\.content)
      case .pair(let prompt, let completion): [prompt, completion]
      case .continuation(let prompt, let answer): (prompt + answer).map(\.content)
      case .instruction(let instruction, let input, let output): [instruction, input, output]
      }
    var result = AnsweredText()
    result.add(texts.joined(separator: "\n"))
    return result
  }
}
