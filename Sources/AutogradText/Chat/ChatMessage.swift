/// Who says something in a conversation.
public enum ChatRole: String, Sendable, CaseIterable {
  case system, user, assistant
}

/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
  public let role: ChatRole
  public let content: String

  public init(_ role: ChatRole, _ content: String) { (self.role, self.content) = (role, content) }

  public static func == (a: ChatMessage, b: ChatMessage) -> Bool {
    a.role == b.role && a.content.utf8.elementsEqual(b.content.utf8)
  }
}

/// A text of which some bytes are answers: what a model is to learn, where the rest is what it answers.
public struct AnsweredText: Sendable, Equatable {
  /// UTF-8; names of special tokens stand in it as text.
  public internal(set) var bytes: [UInt8] = []
  /// In order, none of them empty; the token that ends a turn belongs to its answer.
  public internal(set) var answers: [Range<Int>] = []

  public init() {}

  /// The same text again, from its bytes.
  package init(_ text: Span<UInt8>, _ answers: [Range<Int>]) {
    bytes.reserveCapacity(text.count)
    for index in text.indices { bytes.append(text[index]) }
    self.answers = answers
  }

  mutating func add(_ text: String) { bytes += text.utf8 }

  /// Adds what somebody asks to be learnt, where `isAnswer` says so.
  mutating func add(_ text: String, isAnswer: Bool) {
    let start = bytes.count
    bytes += text.utf8
    guard isAnswer, bytes.count > start else { return }
    if let last = answers.last, last.upperBound == start {
      answers[answers.count - 1] = last.lowerBound..<bytes.count
    } else {
      answers.append(start..<bytes.count)
    }
  }
}

/// Python's idea of white space, by which templates trim what is said.
enum PythonSpace {
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// The text without white space at either end.
  static func trimmed(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }), let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }

  /// The text without line feeds at either end.
  static func withoutLineFeeds(_ text: String, atBeginning: Bool = true, atEnd: Bool = true) -> String {
    var scalars = text.unicodeScalars[...]
    while atBeginning, scalars.first == "\n" { scalars.removeFirst() }
    while atEnd, scalars.last == "\n" { scalars.removeLast() }
    return String(scalars)
  }
}

extension String {
  /// The text without white space at its end, as Python knows it.
  package var withoutSpaceAtEnd: String {
    var scalars = unicodeScalars[...]
    while let last = scalars.last, PythonSpace.isSpace(last) { scalars.removeLast() }
    return String(scalars)
  }

  /// The same for its beginning.
  package var withoutSpaceAtBeginning: String {
    String(unicodeScalars.drop(while: PythonSpace.isSpace))
  }
}
