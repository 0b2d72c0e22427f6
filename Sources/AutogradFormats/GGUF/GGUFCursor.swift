import AutogradBase

/// Reads a GGUF file's header from front to back, in pieces, and believes no length before it is checked.
struct GGUFCursor {
  private let file: any RandomAccessFile
  /// A piece of the file, and where it begins there.
  private var piece: [UInt8] = []
  private var pieceStart = 0
  /// The byte of the file that is read next.
  private(set) var position = 0
  /// No byte from here on is read.
  private let end: Int
  private let isCut: Bool

  private static let pieceByteCount = 1 << 18

  init(_ file: any RandomAccessFile, byteLimit: Int) {
    self.file = file
    end = min(file.byteCount, byteLimit)
    isCut = file.byteCount > byteLimit
  }

  /// How many bytes can still be read.
  var remaining: Int { end - position }

  /// Sees to it that the next bytes stand in `piece`.
  ///
  /// - Parameter what: What they belong to, for messages.
  private mutating func require(_ count: Int, _ what: @autoclosure () -> String) throws(GGUFError) {
    guard count <= remaining else {
      if isCut { throw .headerTooLarge(byteLimit: end) }
      throw .endsInside(what: what(), at: position)
    }
    if position + count <= pieceStart + piece.count { return }
    let range = position..<min(end, position + max(count, GGUFCursor.pieceByteCount))
    do throws(FileError) {
      piece = try file.read(range)
    } catch {
      throw .file(error)
    }
    pieceStart = position
  }

  /// A whole number, lowest byte first.
  mutating func integer<Value: FixedWidthInteger>(
    _ type: Value.Type, _ what: @autoclosure () -> String
  ) throws(GGUFError) -> Value {
    let width = Value.bitWidth / 8
    try require(width, what())
    let start = position - pieceStart
    var value: Value = 0
    for index in 0..<width { value |= Value(truncatingIfNeeded: piece[start + index]) << Value(8 * index) }
    position += width
    return value
  }

  /// The next bytes; valid until the next call.
  mutating func bytes(_ count: Int, _ what: @autoclosure () -> String) throws(GGUFError) -> ArraySlice<UInt8> {
    try require(count, what())
    let start = position - pieceStart
    position += count
    return piece[start..<start + count]
  }
}
