public import AutogradBase

/// A file of text that is read in pieces, each whatever its place in the file says: so threads can share the work.
///
/// Its contents must stay: whoever reads a piece finds out when they have changed since it was opened.
public struct TextInput: Sendable {
  /// What a file holds.
  public enum Kind: String, Sendable {
    /// One document.
    case plain
    /// A JSON object in each line, which holds a document: see `LineKind`.
    case lines
  }

  /// How messages call it.
  public let path: String
  public let kind: Kind
  /// All its bytes, a byte order mark at the beginning among them.
  public let byteCount: Int
  /// Where its text begins, behind a byte order mark.
  public let start: Int
  /// What its lines hold, where it has lines.
  public let lineKind: LineKind
  private let version: FileVersion?
  /// Held open where it could not be opened again by its path.
  private let held: (any RandomAccessFile)?

  /// Opens a file and looks at its beginning.
  ///
  /// - Throws: `file`.
  public init(_ path: String, kind: Kind) throws(TextError) {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try POSIXFileSystem().openForReading(path)
    } catch {
      throw .file(error)
    }
    try self.init(file, path: path, kind: kind, isHeld: false)
  }

  /// Takes a file that is open already.
  public init(_ file: any RandomAccessFile, path: String, kind: Kind, isHeld: Bool = true) throws(TextError) {
    (self.path, self.kind, held) = (path, kind, isHeld ? file : nil)
    byteCount = file.byteCount
    do throws(FileError) {
      version = try file.version()
      let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
      let isMarked = byteCount >= 3 ? try file.read(0..<3) == mark : false
      start = isMarked ? 3 : 0
      lineKind = kind == .lines ? try TextInput.lineKind(file, from: start) : .text
    } catch {
      throw .file(error)
    }
  }

  /// What the first line that is not empty holds; texts where it holds nothing that is known, which whoever reads it tells.
  private static func lineKind(_ file: any RandomAccessFile, from start: Int) throws(FileError) -> LineKind {
    var place = start, line: [UInt8] = []
    while place < file.byteCount, line.count < longestLine {
      let bytes = try file.read(place..<min(file.byteCount, place + 1 << 16))
      place += bytes.count
      for part in bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false).prefix(1) {
        line += part
      }
      guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { continue }
      guard isBlank(line[...]) else { break }
      (place, line) = (place - bytes.count + end + 1, [])
    }
    return (try? JSON(parsing: line)).flatMap(LineKind.of) ?? .text
  }

  /// A line of nothing holds no document; files often end in one.
  static func isBlank(_ line: ArraySlice<UInt8>) -> Bool { line.allSatisfy { " \t\r".utf8.contains($0) } }

  /// Whether a part of each of its documents is an answer.
  public var hasAnswers: Bool { kind == .lines && lineKind.hasAnswers }

  /// Whether its documents come in pairs, of which the first is preferred.
  public var hasPairs: Bool { kind == .lines && lineKind.documentsPerLine == 2 }

  /// Takes a file without a name of its own, which is held open: one plain text.
  package static func held(_ file: any RandomAccessFile, path: String) throws(FileError) -> TextInput {
    do throws(TextError) {
      return try TextInput(file, path: path, kind: .plain)
    } catch {
      guard case .file(let failure) = error else { fatalError("\(error)") }
      throw failure
    }
  }

  /// Bytes of text.
  public var textByteCount: Int { byteCount - start }

  /// A part of it, cut where characters or lines begin.
  package struct Part: Sendable {
    /// What was read.
    package var bytes: [UInt8] = []
    /// Where that begins in the file.
    package var origin = 0
    /// Of the bytes, those that were asked for.
    package var asked = 0..<0
    /// Of the bytes, those that belong to the part: from its first whole character or line, or from where the text may be
    /// cut, to where the next part's begin.
    package var own = 0..<0
    /// Whether a text begins with the part.
    package var isFirst = true

    package init() {}

    init(bytes: [UInt8], origin: Int, asked: Range<Int>, own: Range<Int>, isFirst: Bool = true) {
      (self.bytes, self.origin, self.asked, self.own, self.isFirst) = (bytes, origin, asked, own, isFirst)
    }
  }

  /// Reads the characters or lines that begin in a range of the file's bytes. All ranges of a partition together give
  /// the whole text, and an error of one is that of the whole text at the same place.
  ///
  /// - Parameter tokenizer: Who is to encode the parts of one text. Unless characters are encoded alone, each begins where
  ///   the tokenizer allows a cut: a part without such a place is empty, and the one before it is so much longer.
  /// - Throws: `file`, `changed`, `notDocument` where a line is longer than any.
  package func part(_ range: Range<Int>, for tokenizer: (any Tokenizer)? = nil) throws(TextError) -> Part {
    let part: Part, isSame: Bool
    do throws(FileError) {
      let file = if let held { held } else { try POSIXFileSystem().openForReading(path) }
      if file.byteCount < byteCount {
        throw FileError.truncated(path: path, byteCount: file.byteCount, expected: byteCount)
      }
      isSame = try file.version() == version
      if kind == .lines {
        part = try lines(range, file)
      } else if let tokenizer, !tokenizer.encodesCharactersAlone {
        var cutter = try TextCutter(tokenizer, file, byteCount: byteCount, range, start: start)
        part = try cutter.part()
      } else {
        part = try characters(range, file)
      }
    } catch {
      throw .file(error)
    }
    if !isSame { throw .changed(path: path, byteOffset: nil) }
    return part
  }

  /// Some of the file's bytes, wherever characters begin.
  ///
  /// - Throws: `file`, `changed`.
  package func bytes(_ range: Range<Int>) throws(TextError) -> [UInt8] {
    let bytes: [UInt8], isSame: Bool
    do throws(FileError) {
      let file = if let held { held } else { try POSIXFileSystem().openForReading(path) }
      bytes = try file.read(range)
      isSame = try file.version() == version
    } catch {
      throw .file(error)
    }
    if !isSame { throw .changed(path: path, byteOffset: nil) }
    return bytes
  }

  private func characters(_ range: Range<Int>, _ file: any RandomAccessFile) throws(FileError) -> Part {
    let bytes = try file.read(range.lowerBound..<min(byteCount, range.upperBound + 3))
    // A character's bytes after the first are at most three. More of them in a row are an error wherever one looks.
    func skipped(_ offset: Int) -> Int {
      let place = offset - range.lowerBound
      return bytes[place...].prefix(3).prefix { $0 & 0xC0 == 0x80 }.count
    }
    let first = range.lowerBound > start ? skipped(range.lowerBound) : 0
    let end = range.upperBound < byteCount ? range.count + skipped(range.upperBound) : range.count
    return Part(bytes: bytes, origin: range.lowerBound, asked: 0..<range.count, own: first..<max(first, end))
  }

  /// Longer lines are no documents that anybody wrote.
  static let longestLine = 64 << 20

  private func lines(_ range: Range<Int>, _ file: any RandomAccessFile) throws(FileError) -> Part {
    let origin = max(start, range.lowerBound - 1), newline = UInt8(ascii: "\n")
    var bytes = try file.read(origin..<range.upperBound), first = 0
    let asked = range.lowerBound - origin..<bytes.count
    if range.lowerBound > start {
      guard let end = bytes.dropLast().firstIndex(of: newline) else {
        // The line that goes through here began before.
        return Part(bytes: bytes, origin: origin, asked: asked, own: 0..<0)
      }
      first = end + 1
    }
    while bytes.last != newline, origin + bytes.count < byteCount {
      let more = try file.read(origin + bytes.count..<min(byteCount, origin + bytes.count + 1 << 16))
      let end = more.firstIndex(of: newline).map { $0 + 1 } ?? more.count
      bytes += more[..<end]
      if end < more.count || bytes.count > range.count + TextInput.longestLine { break }
    }
    return Part(bytes: bytes, origin: origin, asked: asked, own: first..<bytes.count)
  }
}
