import AutogradBase

/// Finds the part of a long text that begins in a range, where a tokenizer allows cuts.
struct TextCutter {
  private let tokenizer: any Tokenizer
  private let file: any RandomAccessFile
  private let byteCount: Int
  private let range: Range<Int>
  private let isFirst: Bool
  /// Where `bytes` begin in the file: some bytes before the range, by which a cut is decided.
  private let origin: Int
  private var bytes: [UInt8]

  /// - Parameters:
  ///   - byteCount: Of the file.
  ///   - start: Where its text begins.
  init(
    _ tokenizer: any Tokenizer, _ file: any RandomAccessFile, byteCount: Int, _ range: Range<Int>, start: Int
  ) throws(FileError) {
    (self.tokenizer, self.file, self.byteCount, self.range) = (tokenizer, file, byteCount, range)
    isFirst = range.lowerBound <= start
    origin = max(start, range.lowerBound - cutContext)
    bytes = try file.read(origin..<min(byteCount, range.upperBound + cutContext))
  }

  /// - Complexity: O(bytes of the part): where there are no cuts, those of the whole text.
  mutating func part() throws(FileError) -> TextInput.Part {
    let asked = range.lowerBound - origin..<range.upperBound - origin
    guard let first = isFirst ? asked.lowerBound : try cut(from: asked.lowerBound, before: asked.upperBound) else {
      return TextInput.Part(bytes: bytes, origin: origin, asked: asked, own: 0..<0)
    }
    let isLast = range.upperBound == byteCount
    let end = isLast ? asked.upperBound : try cut(from: asked.upperBound, before: Int.max) ?? byteCount - origin
    return TextInput.Part(bytes: bytes, origin: origin, asked: asked, own: first..<end, isFirst: isFirst)
  }

  /// The first cut at `start` or behind it; nil where there is none before `limit`. Reads on as far as that takes.
  private mutating func cut(from start: Int, before limit: Int) throws(FileError) -> Int? {
    var place = start
    while true {
      let isWhole = origin + bytes.count == byteCount
      // What is nearer to the end is decided by bytes that are not there yet.
      let certain = isWhole ? bytes.count : bytes.count - cutContext
      if let found = tokenizer.cutsTexts ? tokenizer.firstCut(in: bytes.span, from: place) : nil, found < certain {
        return found < limit ? found : nil
      }
      place = max(place, certain)
      if isWhole || place >= limit { return nil }
      let first = origin + bytes.count
      let count = tokenizer.cutsTexts ? max(TextCutter.blockLength, bytes.count / 2) : byteCount
      bytes += try file.read(first..<min(byteCount, first + count))
    }
  }

  private static let blockLength = 64 << 10
}
