public import AutogradBase

/// Reads a text file as bytes that are valid UTF-8 and at least one.
///
/// Nothing is changed: line ends and a byte order mark stay as they are.
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
  try requireText(bytes, path: path)
  return bytes
}

/// Throws unless a file's bytes are a text: valid UTF-8, and at least one.
package func requireText(_ bytes: [UInt8], path: String) throws(TextError) {
  if bytes.isEmpty { throw .emptyFile(path: path) }
  if let offset = UTF8Sequence.firstInvalidOffset(in: bytes.span) {
    throw .invalidUTF8(path: path, byteOffset: offset)
  }
}
