import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork

/// Of which tokens that are fed the logits are wanted.
public enum LogitRows: Sendable {
  case none
  /// Of the last one: what comes next.
  case last
  case all
}

/// Tokens that a text goes on with.
public struct SequenceFeed: Sendable {
  /// Which text, counted from 0.
  public var sequence: Int
  /// At least one.
  public var tokens: ArraySlice<Int32>
  public var logits: LogitRows

  public init(sequence: Int = 0, tokens: ArraySlice<Int32>, logits: LogitRows = .last) {
    (self.sequence, self.tokens, self.logits) = (sequence, tokens, logits)
  }
}

/// Texts that a model continues, each with the keys and values of its tokens: feeding a token costs one pass over the
/// weights and one over its own text, and several texts share the pass over the weights.
///
/// Logits are those of the model's full pass over each text, bit for bit (in a cache of type `bf16`, of attention over
/// rounded keys and values): they depend neither on how texts are cut into calls and chunks nor on what is fed beside them,
/// nor on threads.
///
/// ```swift
/// let session = try DecoderSession(model, sequences: 2)
/// var logits = try session.advance([.init(sequence: 0, tokens: prompt[...]), .init(sequence: 1, tokens: other[...])])
/// logits = try session.advance([.init(sequence: 0, tokens: [next])])
/// ```
///
/// All memory is taken when it is made, and no call takes more. One thread at a time.
public final class DecoderSession<Scalar: TensorScalar> {
  public typealias Feed = SequenceFeed

  public let model: any LanguageModel<Scalar>
  /// What was found to be needed, and taken.
  public let plan: SessionPlan
  /// Tokens of a pass, at most.
  public let chunk: Int
  private let tape: Tape<Scalar>
  private let cache: KeyValueCache<Scalar>

  /// Takes memory for `sequences` texts of up to `contextSize` tokens.
  ///
  /// - Parameters:
  ///   - contextSize: Nil takes the model's, or as much as three quarters of the memory that is left hold.
  ///   - cacheType: Nil for what the tape's products take: bfloat16 where they multiply pairs of it, else the layers'.
  ///   - chunk: Tokens of a pass at most: longer feeds are cut.
  ///   - tape: Runs the model, at its precision; one of its own unless given, since nothing may run on it meanwhile.
  /// - Throws: `session` where the context is longer than the model's, where memory does not hold it, or where keys and
  ///   values cannot be kept so.
  public init(
    _ model: any LanguageModel<Scalar>, sequences: Int = 1, contextSize: Int? = nil, cacheType: CacheType? = nil,
    chunk: Int = 512, tape: Tape<Scalar>? = nil
  ) throws(LanguageModelError) {
    let tape = tape ?? Tape()
    let shape = try DecoderSession.shape(model, sequences, contextSize, cacheType, chunk, tape)
    plan = shape.plan(model, tape)
    self.model = model
    self.chunk = chunk
    self.tape = tape
    cache = KeyValueCache(shape.cache, type: cacheType, tape: tape)
    guard tape.reserve(plan.steps), cache.reserve(), model.reserveTables(positions: shape.cache.capacity) else {
      throw .session(.refused(plan.newBytes))
    }
  }

  /// What such a session would take.
  ///
  /// - Throws: As `init`, but for memory.
  public static func plan(
    _ model: any LanguageModel<Scalar>, sequences: Int = 1, contextSize: Int? = nil, cacheType: CacheType? = nil,
    chunk: Int = 512, tape: Tape<Scalar>? = nil
  ) throws(LanguageModelError) -> SessionPlan {
    let tape = tape ?? Tape(), size = contextSize ?? model.configuration.contextLength
    try check(model, sequences, size, cacheType, chunk, tape)
    return SessionShape(model, sequences: sequences, contextSize: size, type: cacheType, chunk: chunk).plan(model, tape)
  }

  public var sequenceCount: Int { cache.sequenceCount }
  /// Tokens of each text, at most.
  public var contextSize: Int { cache.capacity }
  /// What keys and values are kept in.
  public var cacheType: CacheType { cache.type }
  /// How many tokens a text has.
  public func length(of sequence: Int) -> Int { cache.lengths[sequence] }

  /// Forgets what a text has behind its first `length` tokens, at once; 0 forgets it all.
  ///
  /// - Precondition: The text has as many.
  public func truncate(_ sequence: Int, to length: Int) { cache.truncate(sequence, to: length) }

  /// Makes a text of the first `count` tokens of another, without computing them.
  ///
  /// - Precondition: The other has as many.
  public func copyPrefix(of source: Int, to target: Int, count: Int) {
    cache.copyPrefix(of: source, to: target, count: count)
  }

  // MARK: Going on

  /// Feeds texts, each with tokens of its own, in passes of at most `chunk` tokens.
  ///
  /// - Returns: Logits [V] of the tokens that are asked for, in the order of the feeds and of their tokens.
  /// - Throws: `session` where a feed cannot be; nothing was fed then.
  /// - Complexity: one pass over the weights for each chunk; for each token and layer, its text's keys and values.
  public func advance(_ feeds: [Feed]) throws(LanguageModelError) -> [[Scalar]] {
    try check(feeds)
    var logits: [[Scalar]] = [], first = 0, taken = 0
    while first < feeds.count {
      var parts: [Part] = [], room = chunk
      while first < feeds.count, room > 0 {
        let feed = feeds[first], begin = feed.tokens.startIndex + taken
        let tokens = feed.tokens[begin..<min(begin + room, feed.tokens.endIndex)]
        let isLast = tokens.endIndex == feed.tokens.endIndex
        parts.append(Part(sequence: feed.sequence, tokens: tokens, logits: isLast || feed.logits == .all ? feed.logits : .none))
        room -= tokens.count
        (first, taken) = isLast ? (first + 1, 0) : (first, taken + tokens.count)
      }
      logits += run(parts)
    }
    return logits
  }

  private typealias Part = Feed

  /// One pass.
  private func run(_ parts: [Part]) -> [[Scalar]] {
    let pass = cache.pass(parts.map { ($0.sequence, $0.tokens.count) }), ids = parts.flatMap(\.tokens)
    var rows: [Int32] = [], row: Int32 = 0
    for part in parts {
      let past = row + Int32(part.tokens.count)
      switch part.logits {
      case .none: break
      case .last: rows.append(past - 1)
      case .all: rows += row..<past
      }
      row = past
    }
    let logits = tape.step { tape in
      tape.inference {
        var logits: [[Scalar]] = []
        model.forEachLogits(tape.tokens(ids.span, shape: [1, ids.count]), pass, of: rows, tape) { all, row in
          logits.append(all.row(row))
        }
        return logits
      }
    }
    cache.complete(pass)
    return logits
  }
}

// MARK: What cannot be

extension DecoderSession {
  private func check(_ feeds: [Feed]) throws(LanguageModelError) {
    var seen = Set<Int>()
    for feed in feeds {
      let sequence = feed.sequence
      guard 0..<sequenceCount ~= sequence else { throw .session(.unknownSequence(sequence, count: sequenceCount)) }
      guard seen.insert(sequence).inserted else { throw .session(.fedTwice(sequence)) }
      guard !feed.tokens.isEmpty else { throw .session(.noTokens(sequence: sequence)) }
      let length = length(of: sequence), count = feed.tokens.count
      guard length + count <= contextSize else {
        throw .session(.full(sequence: sequence, length: length, count: count, contextSize: contextSize))
      }
      let vocabularySize = model.configuration.vocabularySize
      for token in feed.tokens where token < 0 || token >= vocabularySize {
        throw .session(.tokenOutside(token, sequence: sequence, vocabularySize: vocabularySize))
      }
    }
  }

  private static func check(
    _ model: any LanguageModel<Scalar>, _ sequences: Int, _ contextSize: Int, _ type: CacheType?, _ chunk: Int,
    _ tape: Tape<Scalar>
  ) throws(LanguageModelError) {
    let most = model.configuration.contextLength
    guard 1...most ~= contextSize else { throw .session(.context(asked: contextSize, most: most)) }
    guard 1...SessionError.mostSequences ~= sequences else { throw .session(.sequences(sequences)) }
    guard chunk >= 1 else { throw .session(.chunk(chunk)) }
    if let type, let reason = type.problem(on: tape) { throw .session(.cacheType(type, reason: reason)) }
  }

  /// The shape of a session that fits into memory.
  private static func shape(
    _ model: any LanguageModel<Scalar>, _ sequences: Int, _ contextSize: Int?, _ type: CacheType?, _ chunk: Int,
    _ tape: Tape<Scalar>
  ) throws(LanguageModelError) -> SessionShape {
    let asked = contextSize ?? model.configuration.contextLength
    try check(model, sequences, asked, type, chunk, tape)
    func shape(_ size: Int) -> SessionShape {
      SessionShape(model, sequences: sequences, contextSize: size, type: type, chunk: chunk)
    }
    guard let limit = MemoryLimit.all().first else { return shape(asked) }
    let room = contextSize == nil ? limit.remaining / 4 * 3 : limit.remaining
    func need(_ size: Int) -> Int { shape(size).plan(model, tape).newBytes }
    let needed = need(asked)
    if needed <= room { return shape(asked) }
    var fitting = 0, tooMuch = asked
    while tooMuch - fitting > max(1, fitting / 64) {
      let middle = (fitting + tooMuch) / 2
      if need(middle) <= room { fitting = middle } else { tooMuch = middle }
    }
    if contextSize == nil, fitting > 0 { return shape(fitting) }
    throw .session(.memory(needed: needed, limit: limit, largestContext: fitting > 0 ? fitting : nil))
  }
}
