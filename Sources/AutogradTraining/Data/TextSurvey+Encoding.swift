import AutogradBase
import AutogradText
import Synchronization

extension TextSurvey {
  /// Two bytes where that is enough, as nanoGPT and llm.c have it: their files can be read, and ours can be read by them.
  /// One byte would do for most character vocabularies, but nothing else reads that.
  public var format: TokenFile.Format { .fitting(vocabularySize: tokenizer.vocabularySize) }

  /// What the tokens take.
  public var tokenByteCount: Int { tokenCount * format.byteCount }

  /// Tokens in memory.
  ///
  /// - Throws: What reading the texts again throws; `changed` where they are not what they were.
  public func tokensInMemory(progress: Progress = { _, _ in true }) throws(TextError) -> TokenFile {
    let memory = MemoryFile(byteCount: tokenByteCount)
    _ = try write(to: memory, progress: progress)
    return TokenFile(
      memory.contents, path: "the text's tokens", format, vocabularySize: tokenizer.vocabularySize)
  }

  /// Goes over the texts again and writes their tokens, each piece where the survey says, by all threads.
  ///
  /// - Returns: The blocks of the file, in order: one for each piece.
  /// - Throws: What reading and writing throws; `changed`, `interrupted`.
  func write(to file: any WritableFile, progress: Progress) throws(TextError) -> [TokenFile.Block] {
    let format = format, inputs = inputs, pieces = pieces, tokenizer = tokenizer, endOfText = endOfText, form = form
    var offset = 0
    let counts = tokenCounts
    let offsets = counts.map { count in
      defer { offset += count * format.byteCount }
      return offset
    }
    var blocks: [TokenFile.Block] = []
    let all = byteCount
    try TextPass(byteCounts: pieces.map(\.byteCount), pool: pool).run(
      { piece, _ in
        Result<TokenFile.Block, TextError> { () throws(TextError) in
          let tokens = try TextSurvey.tokens(of: pieces[piece], inputs, form, tokenizer, endOfText)
          guard tokens.count == counts[piece] else {
            let stretch = pieces[piece].stretches[0]
            throw .changed(path: inputs[stretch.input].path, byteOffset: stretch.range.lowerBound)
          }
          let bytes = format.bytes(of: tokens)
          var hash = SHA256()
          hash.update(bytes)
          do throws(FileError) {
            // INVARIANT: bytes are bytes, and they outlive the call.
            try file.write(unsafe bytes.span.bytes, at: offsets[piece])
          } catch {
            throw .file(error)
          }
          return TokenFile.Block(count: tokens.count, sha256: hash.finalize())
        }
      }, collect: { _, found throws(TextError) in blocks.append(try found.get()) }, progress: { progress($0, all) })
    return blocks
  }

  /// The tokens of a piece, those that end documents among them.
  private static func tokens(
    of piece: TextPiece, _ inputs: [TextInput], _ form: AnswerForm?, _ tokenizer: any Tokenizer, _ endOfText: Int32?
  ) throws(TextError) -> [Int32] {
    var tokens: [Int32] = []
    for stretch in piece.stretches {
      let part = try inputs[stretch.input].part(stretch.range, for: tokenizer)
      _ = try inputs[stretch.input].forEachDocument(in: part, form) { text, isLast, answers throws(TextError) in
        if let answers {
          _ = try AnsweredText(text, answers).encode(by: tokenizer, into: &tokens)
          return
        }
        try tokenizer.encode(part: text, isFirst: part.isFirst, into: &tokens)
        if isLast, let endOfText { tokens.append(endOfText) }
      }
    }
    return tokens
  }
}

/// A file in memory, to be written and then read.
private final class MemoryFile: WritableFile {
  private let bytes: Mutex<[UInt8]>

  init(byteCount: Int) { bytes = Mutex([UInt8](repeating: 0, count: byteCount)) }

  func write(_ new: RawSpan, at offset: Int) {
    bytes.withLock { bytes in
      for index in 0..<new.byteCount {
        bytes[offset + index] = unsafe new.unsafeLoadUnaligned(fromByteOffset: index, as: UInt8.self)
      }
    }
  }

  var contents: FileInMemory { FileInMemory(path: "the text's tokens", bytes: bytes.withLock { $0 }) }
}
