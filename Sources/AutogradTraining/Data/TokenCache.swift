public import AutogradBase
public import AutogradText
import AutogradKernels

/// The tokens of a run's texts in a file, made once: `tokens.bin`, as nanoGPT has it, `tokens.json`, which says what they
/// were made of, and `tokenizer.json`, by which others can read them.
///
/// They are used again only where texts and tokenizer have the hashes that they had, and every block of tokens has its
/// own. So nothing has to be durable: what a loss of power leaves is found out, and made anew. A process that is killed
/// while it writes leaves a temporary file, which the next one removes.
public struct TokenCache: Sendable {
  public let folder: String
  private let files: any FileSystem

  static let tokensName = "tokens.bin", factsName = "tokens.json"
  public var tokensPath: String { folder + "/" + TokenCache.tokensName }
  private var factsPath: String { folder + "/" + TokenCache.factsName }
  private var tokenizerPath: String { folder + "/" + TokenVocabulary.tokenizerName }

  /// - Parameter folder: Of these three files alone; one process at a time may use it.
  public init(folder: String, fileSystem: any FileSystem = POSIXFileSystem()) {
    (self.folder, files) = (folder, fileSystem)
  }

  // MARK: Using again

  /// The tokens of these texts, where the folder has them and every block is as it was written.
  ///
  /// - Complexity: O(bytes of tokens), at the rate of SHA-256 on all threads.
  public func tokens(of survey: TextSurvey) -> TokenFile? {
    guard let facts = readFacts(), facts == TokenFileFacts(survey, blocks: facts.blocks) else { return nil }
    return try? file(facts, survey.pool)
  }

  /// The tokens of a text that is not there any more, by its hash, and the tokenizer that made them.
  func tokens(ofText sha256: String, _ pool: ThreadPool) -> (TokenFile, TokenFileFacts, (any Tokenizer)?)? {
    guard let facts = readFacts(), facts.textSHA256 == sha256, let file = try? file(facts, pool) else { return nil }
    let json = try? files.read(tokenizerPath, byteLimit: TokenVocabulary.byteLimit)
    return (file, facts, json.flatMap { try? readTokenizer($0) })
  }

  private func readFacts() -> TokenFileFacts? {
    guard let bytes = try? files.read(factsPath, byteLimit: TokenFileFacts.byteLimit) else { return nil }
    return try? TokenFileFacts(bytes)
  }

  private func file(_ facts: TokenFileFacts, _ pool: ThreadPool) throws(TextError) -> TokenFile? {
    let bytes: any RandomAccessFile
    do throws(FileError) {
      bytes = try files.openForReading(tokensPath)
    } catch {
      throw .file(error)
    }
    let file = TokenFile(
      bytes, path: tokensPath, facts.format, vocabularySize: facts.vocabularySize,
      blocks: facts.blocks)
    guard bytes.byteCount == file.count * facts.format.byteCount, file.count == facts.tokenCount else { return nil }
    let ranges = file.blockRanges
    let failures = file.blocks.map { _ in Place(false) }
    pool.forEach(file.blocks.count) { index in
      if (try? file.isIntact(ranges[index], file.blocks[index])) != true { failures[index].value.withLock { $0 = true } }
    }
    return failures.contains { $0.value.withLock { $0 } } ? nil : file
  }

  // MARK: Making

  /// Writes the tokens of these texts and opens them.
  ///
  /// - Parameter progress: As that of the survey; called while writing.
  /// - Throws: `noRoom` before anything is written; what reading and writing throws, in which case the unfinished file is
  ///   removed, and `interrupted`.
  public func make(
    _ survey: TextSurvey, progress: TextSurvey.Progress = { _, _ in true }
  ) throws(TextError) -> TokenFile {
    let temporary: (path: String, file: any WritableFile)
    do throws(FileError) {
      try files.createDirectory(folder)
      try files.removeTemporaries(in: folder)
      // Old tokens make room first.
      for path in [factsPath, tokensPath] where files.exists(path) { try files.remove(path) }
      if let free = files.freeByteCount(in: folder), free < survey.tokenByteCount {
        throw FileError.noSpace(.write, path: tokensPath)
      }
      temporary = try files.createTemporaryForWriting(in: folder)
    } catch {
      if case .noSpace = error, let free = files.freeByteCount(in: folder), free < survey.tokenByteCount {
        throw .noRoom(path: folder, byteCount: survey.tokenByteCount, free: free)
      }
      throw .file(error)
    }
    let blocks: [TokenFile.Block]
    do throws(TextError) {
      blocks = try survey.write(to: temporary.file, progress: progress)
      do throws(FileError) {
        try files.rename(temporary.path, to: tokensPath)
        try files.writeAtomically(survey.tokenizer.tokenizerJSON(), to: tokenizerPath)
        try files.writeAtomically(TokenFileFacts(survey, blocks: blocks).bytes, to: factsPath)
      } catch {
        throw .file(error)
      }
    } catch {
      try? files.remove(temporary.path)
      if case .file(let failure) = error { throw .file(failure.path == temporary.path ? failure.of(tokensPath) : failure) }
      throw error
    }
    let bytes: any RandomAccessFile
    do throws(FileError) {
      bytes = try files.openForReading(tokensPath)
    } catch {
      throw .file(error)
    }
    return TokenFile(
      bytes, path: tokensPath, survey.format, vocabularySize: survey.tokenizer.vocabularySize,
      blocks: blocks)
  }
}
