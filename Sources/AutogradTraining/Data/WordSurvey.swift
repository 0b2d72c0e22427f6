import AutogradBase
public import AutogradKernels
public import AutogradText

/// The words of texts, counted by all threads: what a byte-pair vocabulary is made of.
///
/// Memory grows with distinct words, not with the texts: each is kept once.
public struct WordSurvey: Sendable {
  public private(set) var words = WordCounts()
  /// Bytes of all texts.
  public let byteCount: Int
  /// Bytes of the documents: what JSON has around them left out.
  public private(set) var textByteCount = 0

  /// The most that distinct words may take.
  public static let byteLimit = 512 << 20

  /// Reads everything that was named.
  ///
  /// - Parameters:
  ///   - paths: As `DataSource.named` takes them, of texts; `-` is standard input, one plain text.
  ///   - preTokenizer: What cuts texts into words.
  ///   - progress: Called with the bytes that are done and with all; false interrupts.
  /// - Throws: What is wrong with the texts; `tooManyWords`, `interrupted`.
  public init(
    _ paths: [String], _ preTokenizer: PreTokenizer, pool: ThreadPool = .shared,
    progress: TextSurvey.Progress = { _, _ in true }
  ) throws(TextError) {
    var inputs: [TextInput] = []
    for path in paths {
      guard case .texts(let training, let validation) = try RunTexts.source(path) else {
        throw .notTexts(path: path, "it holds tokens already, and a vocabulary is made of text")
      }
      inputs += training + (validation ?? [])
    }
    try self.init(inputs, preTokenizer, pool: pool, progress: progress)
  }

  init(
    _ inputs: [TextInput], _ preTokenizer: PreTokenizer, pool: ThreadPool, pieceLength: Int = TextPiece.length,
    progress: TextSurvey.Progress = { _, _ in true }
  ) throws(TextError) {
    let pieces = TextPiece.pieces(of: inputs, length: pieceLength), all = inputs.reduce(0) { $0 + $1.textByteCount }
    let pass = TextPass(byteCounts: pieces.map(\.byteCount), pool: pool)
    let tables = (0..<pass.width).map { _ in Place(WordCounts()) }, common = Place(WordCounts())
    byteCount = all
    var lines = (input: 0, count: 0), total = 0
    try pass.run(
      { piece, place in
        var found = Found()
        for stretch in pieces[piece].stretches where found.error == nil {
          tables[place].value.withLock { words in found.add(inputs[stretch.input], stretch, preTokenizer, &words) }
        }
        // Small tables stay in caches; so they also take no more than this for each thread.
        tables[place].value.withLock { words in
          if words.byteCount > 8 << 20 {
            common.value.withLock { $0.add(words) }
            words = WordCounts()
          }
        }
        return found
      },
      collect: { piece, found throws(TextError) in
        let input = pieces[piece].stretches[0].input
        if input != lines.input { lines = (input, 0) }
        if let error = found.error { throw error.moved(characters: 0, lines: lines.count) }
        lines.count += found.lineCount
        total += found.byteCount
        guard common.value.withLock({ $0.byteCount }) <= WordSurvey.byteLimit else {
          throw .tooManyWords(byteLimit: WordSurvey.byteLimit)
        }
      }, progress: { progress($0, all) })
    textByteCount = total
    words = common.value.withLock { $0 }
    for table in tables { table.value.withLock { words.add($0) } }
    if words.count == 0 { throw .emptyText }
  }

  /// What was found in a piece beside its words.
  private struct Found: Sendable {
    var lineCount = 0
    var byteCount = 0
    var error: TextError?

    mutating func add(
      _ input: TextInput, _ stretch: TextPiece.Stretch, _ preTokenizer: PreTokenizer, _ words: inout WordCounts
    ) {
      do throws(TextError) {
        if input.kind == .plain {
          let (range, bytes) = try input.words(stretch.range, preTokenizer)
          do throws(TextError) {
            try preTokenizer.count(bytes.span, in: &words)
          } catch {
            guard case .invalidUTF8(_, let place) = error else { throw error }
            throw .invalidUTF8(path: input.path, byteOffset: place + range.lowerBound)
          }
          byteCount += bytes.count
        } else {
          lineCount += try input.forEachDocument(in: input.part(stretch.range)) { document, _, _ throws(TextError) in
            try preTokenizer.count(document, in: &words)
            byteCount += document.count
          }
        }
      } catch {
        self.error = error
      }
    }
  }
}

extension TextInput {
  /// The words of a plain text that begin in a range, as far as they are cut there: from the first place at or behind its
  /// beginning where no word goes on to the first one at or behind its end.
  fileprivate func words(
    _ asked: Range<Int>, _ preTokenizer: PreTokenizer
  ) throws(TextError) -> (range: Range<Int>, bytes: [UInt8]) {
    // A cut is found by what stands around it: some bytes before the range are read, too.
    let context = 64, origin = max(start, asked.lowerBound - context)
    var bytes = try bytes(origin..<min(byteCount, asked.upperBound + 4096))
    var first = 0, last: Int?
    if asked.lowerBound > start {
      guard let cut = try firstCut(&bytes, origin, from: asked.lowerBound, preTokenizer), cut < asked.upperBound else {
        return (asked.lowerBound..<asked.lowerBound, [])
      }
      first = cut - origin
    }
    if asked.upperBound < byteCount { last = try firstCut(&bytes, origin, from: asked.upperBound, preTokenizer) }
    let end = (last ?? byteCount) - origin
    return (origin + first..<origin + end, Array(bytes[first..<end]))
  }

  /// The first cut at or behind `offset`; reads on until there is one, or the text ends.
  private func firstCut(
    _ bytes: inout [UInt8], _ origin: Int, from offset: Int, _ preTokenizer: PreTokenizer
  ) throws(TextError) -> Int? {
    var searched = offset - origin
    while true {
      // At the end of what was read a cut may look as one that is none, unless the text ends there.
      let end = origin + bytes.count, room = end == byteCount ? 0 : 64
      if let cut = preTokenizer.firstCut(in: bytes.span, from: searched), cut < bytes.count - room { return origin + cut }
      if end == byteCount { return nil }
      searched = max(searched, bytes.count - 128)
      bytes += try self.bytes(end..<min(byteCount, end + max(4096, bytes.count)))
    }
  }
}
