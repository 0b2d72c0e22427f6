import AutogradEngine

/// What decodes sequences whose past it keeps.
protocol SequenceDecoder {
  var contextSize: Int { get }
  var sequenceCount: Int { get }
  var memory: SessionMemory { get }

  /// Takes a sequence back to its first tokens; O(1).
  func truncate(_ sequence: Int, to length: Int)

  /// Gives a sequence, which is empty, the first tokens of another.
  func copyPrefix(of source: Int, to target: Int, count: Int)

  /// Goes on with several sequences at once, each of them given once.
  ///
  /// - Returns: The logits after the last token of each feed that asks for them, in order.
  func advance(feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]]
}

/// Tokens that a sequence goes on with.
struct SequenceFeed {
  var sequence: Int
  var tokens: ArraySlice<Int32>
  var wantsLogits: Bool
}

extension DecoderSession: SequenceDecoder {
  var memory: SessionMemory {
    var memory = SessionMemory()
    (memory.weightBytes, memory.cacheBytes) = (plan.weightBytes, plan.cacheBytes)
    (memory.workingBytes, memory.cacheType) = (plan.newBytes - plan.cacheBytes, cacheType)
    return memory
  }

  func advance(feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]] {
    let logits = try advance(
      feeds.map { Feed(sequence: $0.sequence, tokens: $0.tokens, logits: $0.wantsLogits ? .last : .none) })
    // Of a model in Float the cast costs nothing.
    return logits as? [[Float]] ?? logits.map { $0.map { Float($0) } }
  }
}
