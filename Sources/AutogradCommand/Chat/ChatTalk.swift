import AutogradBase
import AutogradModels
import AutogradText

/// A conversation by lines: with somebody at a terminal, or with what is written into the standard input.
///
/// Answers go to the standard output, all else to standard error, so that a program reads answers alone.
struct ChatTalk {
  private static let byteLimit = 1 << 24

  var conversation: Conversation
  var hasQuit = false
  /// Whether something that was asked for could not be done.
  private(set) var hasFailed = false
  /// A question that a file ended with, and nobody has answered.
  private var openQuestion: String?
  private var input = ChatInput()
  private let weights: String

  /// - Parameter weights: The form of the model's weights, in words.
  init(_ conversation: Conversation, weights: String) { (self.conversation, self.weights) = (conversation, weights) }

  mutating func run() throws {
    guard Interrupts.watch() else {
      throw InputError(
        sentence: "the system gives no pipe, by which Ctrl-C is noticed; end other programs", exit: .inputOutput)
    }
    if Console.talks { note("/help tells what a line may begin with; /quit ends.") }
    var wasInterrupted = false
    while Console.isWritable, !hasQuit {
      if let question = openQuestion {
        openQuestion = nil
        answer(question)
        continue
      }
      switch try input.next() {
      case .end:
        if Console.talks { Console.showLine("") }
        return
      case .interrupt:
        if Console.talks { Console.showLine("") }
        if wasInterrupted { return }
        note("Ctrl-C once more ends the conversation, as /quit does.")
      case .line(let bytes): take(bytes, mayCommand: true)
      case .lines(let bytes): take(bytes, mayCommand: false)
      }
      wasInterrupted = input.last == .interrupt
    }
  }

  private func note(_ sentence: String) { Console.writeError(sentence) }

  private mutating func fail(_ error: any Error) {
    hasFailed = true
    let hint = if case GenerationError.tooLong = error { " (/reset, --ctx-size, --context-shift)" } else { "" }
    note("error: " + (hint.isEmpty ? sentence(of: error) : "\(error)" + hint))
  }

  private mutating func take(_ bytes: [UInt8], mayCommand: Bool) {
    if let offset = UTF8Sequence.firstInvalidOffset(in: bytes.span) {
      return fail(TextError.invalidUTF8(path: nil, byteOffset: offset))
    }
    let text = String(decoding: bytes, as: UTF8.self)
    if mayCommand, text.hasPrefix("/") { return obey(text) }
    if text.contains(where: { !$0.isWhitespace }) { answer(text) }
  }

  private mutating func obey(_ line: String) {
    let words = line.split(separator: " ", maxSplits: 1), name = words[0]
    guard let verb = ChatVerb.all.first(where: { $0.name == name }) else {
      let names = ChatVerb.all.map(\.name).joined(separator: " ")
      return fail(InputError(sentence: "\(String(name).quotedForMessage) is none of \(names)"))
    }
    var argument = words.count > 1 ? words[1] : ""
    while argument.last?.isWhitespace == true { argument.removeLast() }
    while argument.first?.isWhitespace == true { argument.removeFirst() }
    do {
      guard try verb.run(&self, String(argument)) else {
        return fail(InputError(sentence: "write it like this: \(verb.example)"))
      }
    } catch {
      fail(error)
    }
  }

  // MARK: Answers

  private mutating func answer(_ question: String) {
    let interrupts = Interrupts.count
    do {
      let hasAnswered = try conversation.ask(
        question,
        leavesOut: { Console.writeError("The context is full: \($0.grouped) tokens of the conversation are left out.") },
        isCancelled: { Interrupts.count != interrupts }
      ) { text in
        Console.show(Console.isTerminal ? text.escapedForTerminal : text)
        return Console.isWritable
      }
      Console.showLine("")
      if Interrupts.count != interrupts {
        Interrupts.forget()
        if !hasAnswered { note("Nothing was answered, and the question is forgotten.") }
      }
    } catch {
      fail(error)
    }
  }

  func showStatistics() throws {
    let session = conversation.session, count = try conversation.tokenCount()
    for line in conversation.report?.lines(session.memory, weights) ?? [] { note(line) }
    note("context".padded(to: 11) + "\(count.grouped) of \(session.contextSize.grouped) tokens")
  }

  // MARK: Files

  /// Writes the conversation as one line of training data.
  ///
  /// - Throws: Also where a file stands there that is no conversation: it is not replaced.
  func save(_ path: String) throws {
    let files = POSIXFileSystem()
    if files.exists(path), (try? read(path)) == nil {
      throw InputError(sentence: "\(path.escapedForDisplay) is there already, and holds no conversation; choose another name")
    }
    try files.writeAtomically(ChatMessage.json(conversation.messages).serialized() + [UInt8(ascii: "\n")], to: path)
    note("\(conversation.messages.count) messages are in \(path.escapedForDisplay).")
  }

  /// Goes on with the conversation of a file; a question at its end is answered next.
  mutating func load(_ path: String) throws {
    let messages = try read(path)
    openQuestion = try conversation.take(messages)
    note("Going on after \(messages.count) messages.")
  }

  private func read(_ path: String) throws -> [ChatMessage] {
    let bytes = try POSIXFileSystem().read(path, byteLimit: Self.byteLimit), reason: String
    do {
      return try ChatMessage.list(of: try JSON(parsing: bytes))
    } catch TextError.notDocument(let problem) {
      reason = problem
    } catch {
      reason = "\(error)"
    }
    throw InputError(sentence: "\(path.escapedForDisplay) holds no conversation: \(reason); /save writes one")
  }
}

/// Lines of the standard input, single or several between marks.
struct ChatInput {
  enum Next: Equatable {
    case line([UInt8])
    /// What stood between two marks.
    case lines([UInt8])
    case end, interrupt
  }

  private static let mark = Array("\"\"\"".utf8)

  private var input = StandardInput()
  /// What came last.
  private(set) var last = Next.end

  mutating func next() throws(FileError) -> Next {
    last = try read()
    return last
  }

  private mutating func read() throws(FileError) -> Next {
    var lines: [UInt8]?
    while true {
      if Console.talks { Console.show(Console.bold(lines == nil ? "> " : "… ")) }
      switch try input.lineOrInterrupt() {
      case .interrupt: return .interrupt
      case .end: return lines.map(Next.lines) ?? .end
      case .text(let whole):
        // Whoever's lines end in two characters did not mean to say the first of them.
        let line = whole.last == UInt8(ascii: "\r") ? Array(whole.dropLast()) : Array(whole)
        let isFirst = lines == nil
        if isFirst, !line.starts(with: Self.mark) { return .line(line) }
        let content = isFirst ? line.dropFirst(Self.mark.count) : line[...]
        let isLast = content.suffix(Self.mark.count).elementsEqual(Self.mark)
        let part = isLast ? content.dropLast(Self.mark.count) : content
        // The marks may stand on lines of their own.
        if lines?.isEmpty == false, !(isLast && part.isEmpty) { lines?.append(UInt8(ascii: "\n")) }
        lines = (lines ?? []) + part
        if isLast { return .lines(lines ?? []) }
      }
    }
  }
}
