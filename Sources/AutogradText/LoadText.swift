public import AutogradBase

/// Reads a text file as bytes that are valid UTF-8 and at least one.
///
/// A byte order mark at the beginning is no part of the text and is left out; line ends stay as they are.
///
/// - Parameter byteLimit: Larger files are refused before they are read; 4 GiB unless told.
/// - Throws: `TextError`, with the path in every sentence: a file that is missing, a folder, a FIFO, too
///   large, empty or not UTF-8.
/// - Complexity: O(bytes); one array of the file's size.
public func loadText(
  path: String, fileSystem: some FileSystem = POSIXFileSystem(), byteLimit: Int = 4 << 30
) throws(TextError) -> [UInt8] {
  let bytes: [UInt8]
  do throws(FileError) {
    bytes = try fileSystem.read(path, byteLimit: byteLimit)
  } catch {
    throw .file(error)
  }
  return try text(of: bytes, path: path)
}

/// The text that bytes from outside hold: without the byte order mark that some editors put in front.
///
/// - Parameter path: What the bytes come from, for the sentence.
/// - Throws: Unless they are valid UTF-8, and at least one character.
package func text(of bytes: [UInt8], path: String) throws(TextError) -> [UInt8] {
  let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
  guard bytes.starts(with: mark) else {
    try requireText(bytes, path: path)
    return bytes
  }
  let text = Array(bytes[mark.count...])
  do throws(TextError) {
    try requireText(text, path: path)
  } catch {
    guard case .invalidUTF8(_, let offset) = error else { throw error }
    throw .invalidUTF8(path: path, byteOffset: offset + mark.count)
  }
  return text
}

/// Throws unless a file's bytes are a text: valid UTF-8, and at least one.
package func requireText(_ bytes: [UInt8], path: String) throws(TextError) {
  if bytes.isEmpty { throw .emptyFile(path: path) }
  if let offset = UTF8Sequence.firstInvalidOffset(in: bytes.span) {
    throw .invalidUTF8(path: path, byteOffset: offset)
  }
}
