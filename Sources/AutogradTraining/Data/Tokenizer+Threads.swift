public import AutogradKernels
public import AutogradText

extension Tokenizer {
  /// Turns a long text into ids by all threads: the ids that `encode(_:)` gives.
  ///
  /// It is cut into pieces of about half a megabyte where the tokenizer allows cuts; without them one thread does it all.
  ///
  /// - Throws: As `encode(_:)`, with places of the whole text.
  /// - Complexity: O(bytes); the ids once more while they are put together.
  public func encode(_ text: [UInt8], pool: ThreadPool) throws(TextError) -> [Int32] {
    var bounds = [0], place = TextPiece.length
    while cutsTexts, place < text.count, let cut = firstCut(in: text.span, from: place), cut < text.count {
      bounds.append(cut)
      place = cut + TextPiece.length
    }
    if bounds.count == 1 || pool.threadCount == 1 { return try encode(text) }
    bounds.append(text.count)
    let cuts = bounds, assembly = Place(Assembly(byteCount: text.count))
    pool.forEach(pool.threadCount) { _ in
      while case (let piece, var tokens)? = assembly.value.withLock({ $0.next(of: cuts.count - 1) }) {
        let part = text.span.extracting(cuts[piece]..<cuts[piece + 1])
        let isDone = (try? encode(part: part, isFirst: piece == 0, into: &tokens)) != nil
        assembly.value.withLock { isDone ? $0.add(tokens, piece) : $0.fail() }
      }
    }
    // Where in the text it fails, only the whole knows.
    if let tokens = assembly.value.withLock({ $0.finished() }) { return tokens }
    return try encode(text)
  }
}

/// Puts the ids of pieces together in order, whoever has them first; their memory serves for the next ones.
private struct Assembly {
  private var tokens: [Int32] = []
  private var nextPiece = 0
  private var hasFailed = false
  private var early: [Int: [Int32]] = [:]
  private var nextToAdd = 0
  private var free: [[Int32]] = []

  /// About three bytes are a token.
  init(byteCount: Int) { tokens.reserveCapacity(byteCount / 3) }

  /// The next piece that nobody has, and room for its ids.
  mutating func next(of count: Int) -> (piece: Int, room: [Int32])? {
    guard nextPiece < count, !hasFailed else { return nil }
    nextPiece += 1
    return (nextPiece - 1, free.popLast() ?? [])
  }

  mutating func add(_ ids: [Int32], _ piece: Int) {
    early[piece] = ids
    while var ready = early.removeValue(forKey: nextToAdd) {
      tokens += ready
      nextToAdd += 1
      ready.removeAll(keepingCapacity: true)
      free.append(ready)
    }
  }

  mutating func fail() { hasFailed = true }

  /// All ids; nil where a piece failed.
  mutating func finished() -> [Int32]? {
    defer { tokens = [] }
    return hasFailed ? nil : tokens
  }
}
