import AutogradModels

/// What answers are computed by: so many sequences, each with a length of its own, that remember the tokens they were fed.
///
/// One thread at a time uses it.
public protocol SequenceEngine: AnyObject {
  var sequenceCount: Int { get }
  /// Tokens that one sequence holds at most.
  var contextSize: Int { get }

  /// Feeds tokens to sequences, each of which stands in one feed at most. The logits of a token depend on its own
  /// sequence alone, bit for bit, however its tokens are cut into feeds.
  ///
  /// Shapes: each row of logits [V].
  ///
  /// - Returns: The rows that the feeds ask for, in their order.
  func advance(_ feeds: [SequenceFeed]) throws -> [[Float]]

  /// Forgets all but the first tokens of a sequence.
  func truncate(_ sequence: Int, to length: Int)

  /// Gives an empty sequence the first tokens of another.
  func copyPrefix(of source: Int, to target: Int, count: Int)
}

/// Tokens for one sequence.
public struct SequenceFeed: Sendable, Equatable {
  /// Which rows of logits are wanted.
  public enum Rows: Sendable {
    case none, last, all
  }

  public var sequence: Int
  public var tokens: [Int32]
  public var rows: Rows

  public init(sequence: Int, tokens: [Int32], rows: Rows) {
    self.sequence = sequence
    self.tokens = tokens
    self.rows = rows
  }
}
