public import AutogradBase

/// Tokens in a file, little-endian, read where they are needed: `train.bin` as nanoGPT writes it, or llm.c's `.bin`.
///
/// What is read later may have changed meanwhile: a file that became shorter or was written to, and a number that is no
/// token of the vocabulary, are errors when they are met.
public struct TokenFile: TokenSource {
  /// How a token stands in the file.
  public enum Format: String, Sendable, CaseIterable {
    case uint16, int32

    public var byteCount: Int { self == .uint16 ? 2 : 4 }

    /// The smaller one, where it has room for every token.
    public static func fitting(vocabularySize: Int) -> Format { vocabularySize <= 1 << 16 ? .uint16 : .int32 }

    /// The bytes of tokens as they stand in a file.
    ///
    /// - Precondition: They fit the format.
    package func bytes(of tokens: [Int32]) -> [UInt8] {
      switch self {
      case .uint16: TextBytes.uint16(tokens)
      case .int32: tokens.flatMap { token in (0..<4).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) } }
      }
    }
  }

  /// Some of the tokens in a row, and the hash of their bytes.
  public struct Block: Sendable, Equatable {
    public let count: Int
    public let sha256: [UInt8]

    public init(count: Int, sha256: [UInt8]) { (self.count, self.sha256) = (count, sha256) }
  }

  public let path: String
  public let format: Format
  public let vocabularySize: Int
  public let count: Int
  /// In order, all tokens together; empty where nobody took hashes. With them a change is found by its place.
  public let blocks: [Block]
  /// Where the first token stands.
  public let start: Int
  private let file: any RandomAccessFile
  private let version: FileVersion?

  /// Opens a file without a header; no token is read yet.
  ///
  /// - Throws: `file` where it cannot be opened, `notTokens` where its size is no multiple of a token's.
  public init(_ path: String, _ format: Format = .uint16, vocabularySize: Int) throws(TextError) {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try POSIXFileSystem().openForReading(path)
    } catch {
      throw .file(error)
    }
    guard file.byteCount.isMultiple(of: format.byteCount) else {
      throw .notTokens(
        path: path,
        "it has \(file.byteCount) bytes, which are no whole number of \(format.rawValue) tokens; name its format")
    }
    self.init(file, path: path, format, vocabularySize: vocabularySize)
  }

  /// Opens a file as its beginning says: one of llm.c's, or else one without a header, of uint16.
  ///
  /// - Parameter staysOpen: Whether it is held open; of thousands none can be, and each is opened as it is read.
  /// - Throws: `file`; `notTokens` where the size is not that of its tokens.
  public static func opened(
    _ path: String, vocabularySize: Int, staysOpen: Bool = true
  ) throws(TextError) -> TokenFile {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = staysOpen ? try POSIXFileSystem().openForReading(path) : try ReopenedFile(path)
    } catch {
      throw .file(error)
    }
    return try opened(file, path: path, vocabularySize: vocabularySize)
  }

  package static func opened(
    _ file: any RandomAccessFile, path: String, vocabularySize: Int
  ) throws(TextError) -> TokenFile {
    let beginning: [UInt8]
    do throws(FileError) {
      beginning = try file.read(0..<min(file.byteCount, TokenFileHeader.byteCount))
    } catch {
      throw .file(error)
    }
    if file.byteCount == 0 { throw .emptyFile(path: path) }
    guard let header = try TokenFileHeader(beginning, fileByteCount: file.byteCount, path: path) else {
      guard file.byteCount.isMultiple(of: 2) else {
        throw .notTokens(path: path, "it has \(file.byteCount) bytes, which are no whole number of uint16 tokens; get it again")
      }
      return TokenFile(file, path: path, .uint16, vocabularySize: vocabularySize)
    }
    return TokenFile(
      file, path: path, header.format, start: TokenFileHeader.byteCount, count: header.count,
      vocabularySize: vocabularySize)
  }

  /// Takes a file that is open.
  ///
  /// - Parameters:
  ///   - start: Where the first token stands: behind a header.
  ///   - count: Unless given, as many as the blocks have, or as there is room for.
  public init(
    _ file: any RandomAccessFile, path: String, _ format: Format, start: Int = 0, count: Int? = nil,
    vocabularySize: Int, blocks: [Block] = []
  ) {
    (self.file, self.path, self.format, self.vocabularySize) = (file, path, format, vocabularySize)
    (self.start, self.blocks) = (start, blocks)
    self.count = count
      ?? (blocks.isEmpty ? max(0, file.byteCount - start) / format.byteCount : blocks.reduce(0) { $0 + $1.count })
    version = try? file.version()
  }

  /// The same tokens with hashes.
  package func with(_ blocks: [Block]) -> TokenFile {
    TokenFile(file, path: path, format, start: start, count: count, vocabularySize: vocabularySize, blocks: blocks)
  }

  public var byteCount: Int { file is FileInMemory ? count * format.byteCount : 0 }

  public func willRead(_ range: Range<Int>) { file.willRead(bytes(of: range)) }

  private func bytes(of range: Range<Int>) -> Range<Int> {
    start + range.lowerBound * format.byteCount..<start + range.upperBound * format.byteCount
  }

  public func read(
    _ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int
  ) throws(TextError) {
    let isSame: Bool
    do throws(FileError) {
      // INVARIANT: any four bytes are an Int32.
      var bytes = unsafe destination.mutableBytes
      // Smaller tokens lie at the beginning of their place for now.
      try file.read(self.bytes(of: range), into: &bytes, at: 4 * place)
      isSame = try version == file.version()
    } catch {
      throw .file(error)
    }
    if !isSame { throw .changed(path: path, byteOffset: firstChange()) }
    var foreign: (index: Int, token: Int32)?
    // From the last on: token i lies in the word i / 2, which no later one needs.
    for index in (0..<range.count).reversed() {
      let token: Int32 =
        switch format {
        case .int32: Int32(littleEndian: destination[place + index])
        case .uint16:
          Int32(UInt32(bitPattern: Int32(littleEndian: destination[place + index / 2])) >> (16 * (index & 1)) & 0xFFFF)
        }
      if token < 0 || token >= vocabularySize { foreign = (index, token) }
      destination[place + index] = token
    }
    if let (index, token) = foreign {
      throw .notTokens(
        path: path,
        "token \(range.lowerBound + index) is \(token), and the vocabulary has \(vocabularySize); name its format, "
          + "or make it by the model's tokenizer")
    }
  }

  /// Some of the tokens, in an array.
  package func tokens(_ range: Range<Int>) throws(TextError) -> [Int32] {
    var tokens = [Int32](repeating: 0, count: range.count), room = tokens.mutableSpan
    try read(range, into: &room, at: 0)
    return tokens
  }

  // MARK: Blocks

  /// The tokens of each block.
  package var blockRanges: [Range<Int>] {
    var first = 0
    return blocks.map { block in
      defer { first += block.count }
      return first..<first + block.count
    }
  }

  /// The bytes of some tokens as they are in the file.
  package func rawBytes(_ range: Range<Int>) throws(TextError) -> [UInt8] {
    do throws(FileError) {
      return try file.read(bytes(of: range))
    } catch {
      throw .file(error)
    }
  }

  /// Whether a block's bytes have its hash.
  package func isIntact(_ range: Range<Int>, _ block: Block) throws(TextError) -> Bool {
    var hash = SHA256()
    hash.update(try rawBytes(range))
    return hash.finalize() == block.sha256
  }

  /// Where the first block begins that differs from its hash; nil where none does.
  private func firstChange() -> Int? {
    for (range, block) in zip(blockRanges, blocks) where (try? isIntact(range, block)) != true {
      return bytes(of: range).lowerBound
    }
    return nil
  }
}
