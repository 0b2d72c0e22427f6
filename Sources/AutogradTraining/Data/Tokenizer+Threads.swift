public import AutogradKernels
public import AutogradText
import Synchronization

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
    let pieces = bounds.dropLast().map { _ in Place([Int32]()) }, hasFailed = Place(false)
    let cuts = bounds
    pool.forEach(pieces.count) { piece in
      var tokens: [Int32] = []
      let part = text.span.extracting(cuts[piece]..<cuts[piece + 1])
      guard (try? encode(part: part, isFirst: piece == 0, into: &tokens)) != nil else {
        return hasFailed.value.withLock { $0 = true }
      }
      pieces[piece].value.withLock { $0 = tokens }
    }
    // Where in the text it is, only the whole knows.
    if hasFailed.value.withLock({ $0 }) { return try encode(text) }
    var tokens: [Int32] = []
    tokens.reserveCapacity(pieces.reduce(0) { $0 + $1.value.withLock(\.count) })
    for piece in pieces { piece.value.withLock { tokens += $0 } }
    return tokens
  }
}
