#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// A log: a file to which lines are added at the end.
///
/// Failure is an answer, not an error: a full disk must not stop what is being logged. Nothing is buffered,
/// so a killed process loses no line; nothing is synced, so a power loss may. One thread writes at a time.
public final class AppendFile: Sendable {
  private let file: Descriptor

  /// Opens the file, and makes it when it is missing. `/dev/null` and its kin will do.
  ///
  /// - Throws: `FileError`; folders, FIFOs and sockets are errors at once.
  init(_ path: String) throws(FileError) {
    let file = try Descriptor(path, O_WRONLY | O_APPEND | O_CREAT, for: .append)
    let status = try file.status(path, for: .append)
    guard status.isRegular || status.isCharacterDevice else { throw .notRegular(.append, path: path) }
    self.file = file
  }

  /// Adds bytes at the end: all of them or, as far as the system allows, none.
  ///
  /// What a full disk cut short is taken back, so that no later line is glued to half of this one.
  ///
  /// - Returns: Whether all bytes were written; the next call tries anew.
  public func write(_ bytes: Span<UInt8>) -> Bool {
    let written = file.writeAll(bytes)
    if written == bytes.count { return true }
    if written > 0 {
      let end = lseek(file.number, 0, SEEK_CUR)
      if end >= written { _ = ftruncate(file.number, end - off_t(written)) }
    }
    return false
  }
}
