import AutogradEngine
public import AutogradModels

/// A decoder's session, as answers are computed by it.
public final class DecoderEngine: SequenceEngine {
  private let session: DecoderSession<Float>

  public init(_ session: DecoderSession<Float>) { self.session = session }

  public var sequenceCount: Int { session.sequenceCount }
  public var contextSize: Int { session.contextSize }

  public func advance(_ feeds: [SequenceFeed]) throws -> [[Float]] {
    try session.advance(
      feeds.map { feed in
        let rows: LogitRows =
          switch feed.rows {
          case .none: .none
          case .last: .last
          case .all: .all
          }
        return DecoderSession<Float>.Feed(sequence: feed.sequence, tokens: feed.tokens[...], logits: rows)
      })
  }

  public func truncate(_ sequence: Int, to length: Int) { session.truncate(sequence, to: length) }

  public func copyPrefix(of source: Int, to target: Int, count: Int) {
    session.copyPrefix(of: source, to: target, count: count)
  }
}
