import AutogradEngine

/// What decodes sequences whose past it keeps. One thread at a time uses it.
package protocol SequenceDecoder {
  var contextSize: Int { get }
  var sequenceCount: Int { get }
  var memory: SessionMemory { get }

  /// Takes a sequence back to its first tokens; O(1).
  func truncate(_ sequence: Int, to length: Int)

  /// Gives a sequence, which is empty, the first tokens of another.
  func copyPrefix(of source: Int, to target: Int, count: Int)

  /// Goes on with several sequences at once, each of them given once. The logits of a token depend on its own sequence
  /// alone, bit for bit, however its tokens are cut into feeds.
  ///
  /// - Returns: The logits [V] that the feeds ask for, in order.
  func advance(feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]]
}

extension DecoderSession: SequenceDecoder {
  package var memory: SessionMemory {
    var memory = SessionMemory()
    (memory.weightBytes, memory.cacheBytes) = (plan.weightBytes, plan.cacheBytes)
    (memory.workingBytes, memory.cacheType) = (plan.newBytes - plan.cacheBytes, cacheType)
    return memory
  }

  package func advance(feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]] {
    let logits = try advance(feeds)
    // Of a model in Float the cast costs nothing.
    return logits as? [[Float]] ?? logits.map { $0.map { Float($0) } }
  }
}
