import AutogradBase

/// Tokens in a file without a header, little-endian, read where they are needed: `train.bin` as nanoGPT writes it.
///
/// What is read later may have changed meanwhile: a file that became shorter, and a number that is no token of the
/// vocabulary, are errors when they are met.
public struct TokenFile: TokenSource {
  /// How a token stands in the file.
  public enum Format: String, Sendable, CaseIterable {
    case uint16, int32

    var byteCount: Int { self == .uint16 ? 2 : 4 }
  }

  public let path: String
  public let format: Format
  public let vocabularySize: Int
  public let count: Int
  private let file: any RandomAccessFile

  /// Opens a file; no token is read yet.
  ///
  /// - Throws: `file` where it cannot be opened, `notTokens` where its size is no multiple of a token's.
  public init(_ path: String, _ format: Format = .uint16, vocabularySize: Int) throws(TextError) {
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
    (self.path, self.format, self.vocabularySize) = (path, format, vocabularySize)
    count = file.byteCount / format.byteCount
  }

  public func read(
    _ range: Range<Int>, into destination: inout MutableSpan<Int32>, at place: Int
  ) throws(TextError) {
    let size = format.byteCount
    do throws(FileError) {
      // INVARIANT: any four bytes are an Int32.
      var bytes = unsafe destination.mutableBytes
      // Smaller tokens lie at the beginning of their place for now.
      try file.read(range.lowerBound * size..<range.upperBound * size, into: &bytes, at: 4 * place)
    } catch {
      throw .file(error)
    }
    // From the last on: token i lies in the word i / 2, which no later one needs.
    for index in (0..<range.count).reversed() {
      let token: Int32 =
        switch format {
        case .int32: Int32(littleEndian: destination[place + index])
        case .uint16:
          Int32(UInt32(bitPattern: Int32(littleEndian: destination[place + index / 2])) >> (16 * (index & 1)) & 0xFFFF)
        }
      guard token >= 0, token < vocabularySize else {
        throw .notTokens(
          path: path,
          "token \(range.lowerBound + index) is \(token), and the vocabulary has \(vocabularySize); name its format, "
            + "or make it by the model's tokenizer")
      }
      destination[place + index] = token
    }
  }
}
