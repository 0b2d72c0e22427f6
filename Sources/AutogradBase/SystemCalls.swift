#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// The system's words for an error number, in the language of the process.
func errorText(_ errorNumber: Int32) -> String {
  // INVARIANT: strerror never returns NULL; its text stays valid until this thread's next call, and is copied here.
  unsafe String(cString: strerror(errorNumber))
}

/// Translates an error number; pass `errno` at once, because every further call may change it.
func fileError(_ number: Int32, _ operation: FileOperation, _ path: String) -> FileError {
  switch number {
  case ENOENT: return .notFound(operation, path: path)
  case EISDIR: return .isDirectory(operation, path: path)
  case ENOTDIR: return .notDirectory(operation, path: path)
  case ENXIO: return .notRegular(operation, path: path)  // a FIFO that nobody reads, a device that is gone
  case EEXIST: return .alreadyExists(operation, path: path)
  case ENOTEMPTY: return .notEmpty(operation, path: path)
  case EACCES, EPERM: return .permissionDenied(operation, path: path)
  case EROFS: return .readOnly(operation, path: path)
  case ELOOP: return .linkLoop(operation, path: path)
  case ENAMETOOLONG: return .nameTooLong(operation, path: path)
  case ENOSPC, EDQUOT: return .noSpace(operation, path: path)
  default: return .io(operation, path: path, errorNumber: number)
  }
}

extension FileError {
  /// Says what an error number of the system means for a path.
  package init(errorNumber: Int32, _ operation: FileOperation, path: String) {
    self = fileError(errorNumber, operation, path)
  }
}

/// Refuses what cannot be handed to the system as a path.
func checkPath(_ path: String) throws(FileError) {
  if path.isEmpty || path.utf8.contains(0) { throw .invalidPath(path: path) }
}

/// An open file that closes itself. It is opened without waiting: a FIFO answers at once.
struct Descriptor: ~Copyable {
  let number: Int32

  /// Opens `path`; new files get mode 0666 less the process's mask.
  init(_ path: String, _ flags: Int32, for operation: FileOperation) throws(FileError) {
    try checkPath(path)
    var result: Int32
    repeat {
      // INVARIANT: the string lives for the duration of the call and ends with a zero byte.
      result = unsafe open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o666)
    } while result < 0 && errno == EINTR
    guard result >= 0 else { throw fileError(errno, operation, path) }
    number = result
  }

  deinit { _ = close(number) }

  func status(_ path: String, for operation: FileOperation) throws(FileError) -> stat {
    var result = stat()
    // INVARIANT: the structure is initialised and written by nobody else during the call.
    guard unsafe fstat(number, &result) == 0 else { throw fileError(errno, operation, path) }
    return result
  }

  /// Throws where a file that was read up to `byteCount` is shorter by now.
  ///
  /// To be asked after reading: while a file is cut off, the system may hand out zeros for what is just going, and as
  /// many bytes as there were. The size changes first. (Fewer bytes than the size are no sign: files of the system
  /// claim more than they have.)
  func requireSize(_ byteCount: Int, _ path: String) throws(FileError) {
    let size = Int(try status(path, for: .read).st_size)
    if size < byteCount { throw .truncated(path: path, byteCount: size, expected: byteCount) }
  }

  /// Writes all bytes, however many calls that takes.
  ///
  /// - Parameter waits: Whether to wait where the reader of a pipe or terminal is behind.
  /// - Returns: How many were written: fewer than `bytes.count` only after a failure that `errno` names.
  func writeAll(_ bytes: Span<UInt8>, waits: Bool = false) -> Int { writeBytes(bytes, to: number, waits: waits) }

  /// Writes all bytes at a place; the file's own position stays.
  ///
  /// - Returns: How many were written: fewer than there are only after a failure that `errno` names.
  func writeAll(_ bytes: RawSpan, at offset: Int) -> Int {
    // INVARIANT: the buffer is only read, and only during this call; `written` never exceeds its count.
    unsafe bytes.withUnsafeBytes { buffer in
      var written = 0
      while written < buffer.count {
        // A buffer that is not empty has a base address.
        let result = unsafe pwrite(
          number, buffer.baseAddress! + written, buffer.count - written, off_t(offset + written))
        if result > 0 {
          written += result
        } else if result == 0 || errno != EINTR {
          break
        }
      }
      return written
    }
  }

  /// Reads until the room is full or the file ends.
  ///
  /// - Returns: How many bytes were read; nil after a failure that `errno` names.
  func readAll(into room: inout OutputSpan<UInt8>) -> Int? {
    // INVARIANT: only bytes behind the initialised ones are written, never beyond the buffer; the count follows them.
    unsafe room.withUnsafeMutableBufferPointer { buffer, initializedCount in
      let before = initializedCount
      while initializedCount < buffer.count {
        // A buffer with room left has a base address.
        let result = unsafe read(
          number, buffer.baseAddress! + initializedCount, buffer.count - initializedCount)
        if result == 0 { break }
        if result > 0 {
          initializedCount += result
        } else if errno != EINTR {
          return nil
        }
      }
      return initializedCount - before
    }
  }

  /// Reads from a place on until the room is full or the file ends; the file's own position stays.
  ///
  /// - Returns: How many bytes were read; nil after a failure that `errno` names.
  func readAll(into room: inout OutputSpan<UInt8>, from offset: Int) -> Int? {
    // INVARIANT: as in the other `readAll`.
    unsafe room.withUnsafeMutableBufferPointer { buffer, initializedCount in
      let before = initializedCount
      while initializedCount < buffer.count {
        // A buffer with room left has a base address.
        let result = unsafe pread(
          number, buffer.baseAddress! + initializedCount, buffer.count - initializedCount,
          off_t(offset + initializedCount - before))
        if result == 0 { break }
        if result > 0 {
          initializedCount += result
        } else if errno != EINTR {
          return nil
        }
      }
      return initializedCount - before
    }
  }

  /// Reads the bytes of a file from `offset` on into a part of a buffer; the file's own position stays.
  ///
  /// - Returns: How many bytes were read: fewer than the part has where the file ends; nil after a failure that `errno`
  ///   names.
  /// - Precondition: The part lies inside the buffer.
  func readAll(into bytes: inout MutableRawSpan, _ part: Range<Int>, from offset: Int) -> Int? {
    precondition(part.lowerBound >= 0 && part.upperBound <= bytes.byteCount)
    // INVARIANT: only bytes of the part are written, which lies inside the buffer.
    return unsafe bytes.withUnsafeMutableBytes { buffer in
      var count = 0
      while count < part.count {
        // A buffer with room left has a base address.
        let result = unsafe pread(
          number, buffer.baseAddress! + part.lowerBound + count, part.count - count, off_t(offset + count))
        if result == 0 { break }
        if result > 0 {
          count += result
        } else if errno != EINTR {
          return nil
        }
      }
      return count
    }
  }

  /// Hands everything written to the disk.
  func synchronize() -> Bool {
    while fsync(number) != 0 {
      if errno != EINTR { return false }
    }
    return true
  }
}

/// Writes all bytes to an open file, however many calls that takes.
///
/// - Parameter waits: Whether to wait until a file that does not block takes more.
/// - Returns: How many were written: fewer than `bytes.count` only after a failure that `errno` names.
func writeBytes(_ bytes: Span<UInt8>, to descriptor: Int32, waits: Bool) -> Int {
  // INVARIANT: the buffer is only read, and only during this call; `written` never exceeds its count.
  unsafe bytes.withUnsafeBufferPointer { buffer in
    var written = 0
    while written < buffer.count {
      // A buffer that is not empty has a base address.
      let result = unsafe write(descriptor, buffer.baseAddress! + written, buffer.count - written)
      if result > 0 {
        written += result
      } else if result == 0 || !canTryAgain(descriptor, Int16(POLLOUT), waits: waits) {
        break
      }
    }
    return written
  }
}

/// After a call that failed: whether to make it once more. Waits where the file does not block and is not ready.
///
/// - Returns: False where `errno` names a failure that stays.
func canTryAgain(_ descriptor: Int32, _ events: Int16, waits: Bool) -> Bool {
  if errno == EINTR { return true }
  guard waits, errno == EAGAIN || errno == EWOULDBLOCK else { return false }
  var waited = pollfd(fd: descriptor, events: events, revents: 0)
  // INVARIANT: the one structure lives during the call, and only the call writes it.
  while unsafe poll(&waited, 1, -1) < 0 {
    if errno != EINTR { return false }
  }
  return true
}

extension stat {
  var kind: mode_t { st_mode & mode_t(S_IFMT) }
  var isDirectory: Bool { kind == mode_t(S_IFDIR) }
  var isRegular: Bool { kind == mode_t(S_IFREG) }
  var isCharacterDevice: Bool { kind == mode_t(S_IFCHR) }
  var isPipe: Bool { kind == mode_t(S_IFIFO) }
  var isLink: Bool { kind == mode_t(S_IFLNK) }

  /// Whether it is the file that an open descriptor has.
  func isOpen(as descriptor: Int32) -> Bool {
    var other = stat()
    // INVARIANT: the structure is initialised and written by nobody else during the call.
    return unsafe fstat(descriptor, &other) == 0 && other.st_dev == st_dev && other.st_ino == st_ino
  }
}
