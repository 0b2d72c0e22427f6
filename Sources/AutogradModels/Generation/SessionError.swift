public import AutogradBase
public import AutogradEngine

/// What a session cannot do.
public enum SessionError: Error, Sendable, Equatable {
  /// A context of `asked` tokens where the model has at most `most`.
  case context(asked: Int, most: Int)
  case sequences(Int)
  case chunk(Int)
  /// Keys and values cannot be kept so.
  case cacheType(CacheType, reason: String)
  /// More memory than there is; the largest context that would fit, if one does.
  case memory(needed: Int, limit: MemoryLimit, largestContext: Int?)
  /// The system refused what a limit seemed to leave.
  case refused(Int)
  case unknownSequence(Int, count: Int)
  case fedTwice(Int)
  case noTokens(sequence: Int)
  /// A text has `length` tokens and `count` more do not fit.
  case full(sequence: Int, length: Int, count: Int, contextSize: Int)
  case tokenOutside(Int32, sequence: Int, vocabularySize: Int)

  static let mostSequences = 1 << 16

  /// Whether memory is what is missing.
  public var isOfMemory: Bool {
    switch self {
    case .memory, .refused: true
    default: false
    }
  }
}

extension SessionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .context(let asked, let most):
      "a context of \(asked) tokens must lie between 1 and \(most), the model's"
    case .sequences(let count): "a session keeps 1 to \(SessionError.mostSequences) texts, not \(count)"
    case .chunk(let count): "a pass takes at least 1 token, not \(count)"
    case .cacheType(let type, let reason): "keys and values cannot be kept as \(type.rawValue): \(reason)"
    case .memory(let needed, let limit, let largest):
      "not enough memory: a session needs \(needed.megabytes), but \(limit) of \(limit.bytes.megabytes) leaves "
        + "\(limit.remaining.megabytes); "
        + (largest.map { "a context of \($0) tokens would fit" } ?? "take fewer texts or a smaller model")
    case .refused(let bytes): "not enough memory: the system refused \(bytes.megabytes) for a session; take a smaller context"
    case .unknownSequence(let sequence, let count): "there is no text \(sequence) in a session of \(count), counted from 0"
    case .fedTwice(let sequence): "text \(sequence) was fed twice at once: give its tokens together"
    case .noTokens(let sequence): "text \(sequence) was fed no tokens"
    case .full(let sequence, let length, let count, let size):
      "text \(sequence) has \(length) tokens; \(count) more do not fit into a context of \(size)"
    case .tokenOutside(let token, let sequence, let size):
      "token \(token) for text \(sequence) is outside the vocabulary: tokens run from 0 to \(size - 1)"
    }
  }
}
