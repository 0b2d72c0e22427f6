#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// A new file that is written in pieces, in any order. It is closed with its last reference.
public protocol WritableFile: Sendable {
  /// Writes bytes at a place, behind the end, too. Any thread may write any place that no other writes.
  func write(_ bytes: RawSpan, at offset: Int) throws(FileError)
}

/// A file of the machine.
final class POSIXWritableFile: WritableFile {
  private let descriptor: Descriptor
  private let path: String

  init(_ path: String) throws(FileError) {
    descriptor = try Descriptor(path, O_WRONLY | O_CREAT | O_EXCL, for: .write)
    self.path = path
  }

  func write(_ bytes: RawSpan, at offset: Int) throws(FileError) {
    let written = descriptor.writeAll(bytes, at: offset)
    if written < bytes.byteCount { throw fileError(errno, .write, path) }
  }
}
