#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// An exclusive lock on a file, held while this object lives; the kernel releases it when the process dies, however
/// it dies. The file stays, with the number of the process that held it last.
public final class FileLock: Sendable {
  /// What came of an attempt.
  public enum Attempt: Sendable {
    case held(FileLock)
    /// Another holds it: the process's number, where that could be read.
    case busy(holder: Int?)
  }

  private let file: Descriptor

  private init(_ file: consuming Descriptor) { self.file = file }

  /// Takes the lock, or tells at once who has it.
  public static func take(_ path: String) throws(FileError) -> Attempt {
    let file = try Descriptor(path, O_RDWR | O_CREAT, for: .lock)
    guard try file.status(path, for: .lock).isRegular else { throw .notRegular(.lock, path: path) }
    while flock(file.number, LOCK_EX | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK {
        var bytes: [UInt8] = []
        bytes.append(addingCapacity: 20) { _ = file.readAll(into: &$0, from: 0) }
        return .busy(holder: Int(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)))
      }
      guard errno == EINTR else { throw fileError(errno, .lock, path) }
    }
    // The number is a courtesy: a disk that is too full for it does not matter.
    if ftruncate(file.number, 0) == 0 { _ = file.writeAll(Array("\(getpid())\n".utf8).span) }
    return .held(FileLock(file))
  }
}
