import AutogradBase
import AutogradKernels
import AutogradText

/// Files of tokens, read once by all threads: every token is one of the vocabulary, and every block has a hash by which a
/// later change is found.
struct TokenFileSurvey {
  struct File {
    let tokens: TokenFile
    let byteCount: Int
    fileprivate(set) var documentCount = 0
  }

  private(set) var files: [File] = []
  /// Of the one file, or over those of several.
  let sha256: String

  var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// Tokens in a block.
  private static let blockLength = 1 << 18

  /// - Parameter endOfText: Counted, to know the documents.
  /// - Throws: `notTokens` with the first token that is none, and its place.
  init(
    _ files: [TokenFile], endOfText: Int32?, pool: ThreadPool, progress: TextSurvey.Progress
  ) throws(TextError) {
    struct Piece: Sendable {
      let file: Int
      let range: Range<Int>
    }
    struct Found: Sendable {
      let file: Int
      var block = TokenFile.Block(count: 0, sha256: [])
      var documentCount = 0
      var raw: [UInt8] = []
      var error: TextError?
    }
    let length = TokenFileSurvey.blockLength
    let pieces = files.enumerated().flatMap { index, file in
      stride(from: 0, to: file.count, by: length).map { Piece(file: index, range: $0..<min(file.count, $0 + length)) }
    }
    let all = files.reduce(0) { $0 + $1.count * $1.format.byteCount }
    let hashes = Place(files.map { _ in SHA256() })
    var blocks = files.map { _ in [TokenFile.Block]() }, documents = files.map { _ in 0 }
    try TextPass(byteCounts: pieces.map { $0.range.count * files[$0.file].format.byteCount }, pool: pool).run(
      { number, _ in
        let piece = pieces[number], file = files[piece.file]
        var found = Found(file: piece.file)
        do throws(TextError) {
          let tokens = try file.tokens(piece.range)
          found.documentCount = endOfText.map { end in tokens.count { $0 == end } } ?? 0
          found.raw = try file.rawBytes(piece.range)
          var hash = SHA256()
          hash.update(found.raw)
          found.block = TokenFile.Block(count: piece.range.count, sha256: hash.finalize())
        } catch {
          found.error = error
        }
        return found
      },
      alongside: { round in hashes.value.withLock { hashes in for found in round { hashes[found.file].update(found.raw) } } },
      collect: { _, found throws(TextError) in
        if let error = found.error { throw error }
        blocks[found.file].append(found.block)
        documents[found.file] += found.documentCount
      }, progress: { progress($0, all) })
    for (index, file) in files.enumerated() {
      self.files.append(
        File(
          tokens: file.with(blocks[index]), byteCount: file.count * file.format.byteCount,
          documentCount: max(documents[index], file.count > 0 ? 1 : 0)))
    }
    let own = hashes.value.withLock { $0.map { hexadecimal($0.finalize()) } }
    sha256 = own.count == 1 ? own[0] : Digest.of(JSON.array(own.map { .string($0) }).serialized())
  }
}
