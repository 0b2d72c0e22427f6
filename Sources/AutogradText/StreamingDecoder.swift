import AutogradBase

/// Turns ids into text one at a time, and never gives half a character.
///
/// Bytes that begin a character wait until it is whole; bytes that no continuation makes valid become U+FFFD
/// at once. All answers together, with that of `finish`, are `String(decoding: decode(ids), as: UTF8.self)`.
public struct StreamingDecoder: Sendable {
  private let tokenizer: any Tokenizer
  private var waiting: [UInt8] = []
  private var isFirst: Bool

  /// - Parameter continuesText: Whether text came before, so that the first token keeps a space that it begins with.
  public init(_ tokenizer: any Tokenizer, continuesText: Bool = false) {
    self.tokenizer = tokenizer
    isFirst = !continuesText
  }

  /// Takes the next token.
  ///
  /// - Returns: The characters that are whole now; empty while one is not.
  /// - Precondition: `token` is in the vocabulary; otherwise stops and prints it.
  public mutating func push(_ token: Int32) -> String {
    waiting += tokenizer.bytes(of: token, isFirst: isFirst)
    isFirst = false
    var text = ""
    var offset = 0
    reading: while offset < waiting.count {
      switch UTF8Sequence.read(waiting.span, at: offset) {
      case .scalar(let scalar, let byteCount):
        text.unicodeScalars.append(scalar)
        offset += byteCount
      case .malformed(let byteCount):
        text.unicodeScalars.append("\u{FFFD}")
        offset += byteCount
      case .truncated:
        break reading
      }
    }
    waiting.removeFirst(offset)
    return text
  }

  /// Ends the text.
  ///
  /// - Returns: U+FFFD when a character was left unfinished, otherwise nothing.
  public mutating func finish() -> String {
    defer { waiting = [] }
    return waiting.isEmpty ? "" : "\u{FFFD}"
  }
}
