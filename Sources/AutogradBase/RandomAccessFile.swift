#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// A plain file that is read in pieces, so that a large one never stands in memory whole.
public protocol RandomAccessFile: Sendable {
  /// Bytes when it was opened.
  var byteCount: Int { get }

  /// Reads exactly the bytes of `range`.
  ///
  /// - Throws: `truncated` where the file ends earlier by now.
  func read(_ range: Range<Int>) throws(FileError) -> [UInt8]

  /// Reads exactly the bytes of `range` into `bytes`, from `place` on. Unless a file knows better, it makes an array
  /// of them first.
  ///
  /// - Throws: As the other `read`; bytes may have been overwritten then.
  /// - Precondition: They have room there.
  func read(_ range: Range<Int>, into bytes: inout MutableRawSpan, at place: Int) throws(FileError)

  /// Tells the file's contents as they are now from what they are after a change; nil where they cannot change.
  func version() throws(FileError) -> FileVersion?

  /// Hears that these bytes will be read soon, so that the system can fetch them meanwhile. Does nothing unless told.
  func willRead(_ range: Range<Int>)
}

/// Which file a name stood for, its size, and when its contents last changed.
public struct FileVersion: Sendable, Equatable {
  let device, inode, byteCount: UInt64
  let seconds, nanoseconds: Int
}

extension RandomAccessFile {
  public func version() throws(FileError) -> FileVersion? { nil }
  public func willRead(_ range: Range<Int>) {}

  public func read(_ range: Range<Int>, into bytes: inout MutableRawSpan, at place: Int) throws(FileError) {
    for (index, byte) in try read(range).enumerated() {
      bytes.storeBytes(of: byte, toByteOffset: place + index, as: UInt8.self)
    }
  }
}

extension FileSystem {
  /// Opens a plain file for reading in pieces. Unless a file system knows better, it is read whole.
  public func openForReading(_ path: String) throws(FileError) -> any RandomAccessFile {
    FileInMemory(path: path, bytes: try read(path, byteLimit: Int.max))
  }
}

/// Bytes that are there already, read as a file is.
public struct FileInMemory: RandomAccessFile {
  private let path: String
  private let bytes: [UInt8]

  public init(path: String = "memory", bytes: [UInt8]) {
    self.path = path
    self.bytes = bytes
  }

  public var byteCount: Int { bytes.count }

  public func read(_ range: Range<Int>) throws(FileError) -> [UInt8] {
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
      throw .truncated(path: path, byteCount: bytes.count, expected: range.upperBound)
    }
    return Array(bytes[range])
  }

  public func read(_ range: Range<Int>, into destination: inout MutableRawSpan, at place: Int) throws(FileError) {
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
      throw .truncated(path: path, byteCount: bytes.count, expected: range.upperBound)
    }
    precondition(place >= 0 && place + range.count <= destination.byteCount)
    // INVARIANT: both parts lie inside their bytes, which was asked; they are not the same memory, one being constant.
    unsafe destination.withUnsafeMutableBytes { room in
      unsafe bytes.withUnsafeBytes { source in
        guard range.count > 0 else { return }
        unsafe (room.baseAddress! + place).copyMemory(
          from: source.baseAddress! + range.lowerBound, byteCount: range.count)
      }
    }
  }
}

/// A file of the machine; `pread`, so that a file cut off meanwhile is an error and not a crash.
final class POSIXRandomAccessFile: RandomAccessFile {
  private let descriptor: Descriptor
  private let path: String
  let byteCount: Int

  init(_ path: String) throws(FileError) {
    let descriptor = try Descriptor(path, O_RDONLY, for: .read), status = try descriptor.status(path, for: .read)
    if status.isDirectory { throw .isDirectory(.read, path: path) }
    guard status.isRegular else { throw .notRegular(.read, path: path) }
    byteCount = Int(status.st_size)
    self.descriptor = descriptor
    self.path = path
  }

  func read(_ range: Range<Int>) throws(FileError) -> [UInt8] {
    var bytes: [UInt8] = [], count: Int?
    bytes.append(addingCapacity: range.count) { count = descriptor.readAll(into: &$0, from: range.lowerBound) }
    guard let count else { throw fileError(errno, .read, path) }
    guard count == range.count else {
      throw .truncated(path: path, byteCount: range.lowerBound + count, expected: range.upperBound)
    }
    try descriptor.requireSize(range.upperBound, path)
    return bytes
  }

  func read(_ range: Range<Int>, into bytes: inout MutableRawSpan, at place: Int) throws(FileError) {
    let part = place..<place + range.count
    guard let count = descriptor.readAll(into: &bytes, part, from: range.lowerBound) else {
      throw fileError(errno, .read, path)
    }
    guard count == range.count else {
      throw .truncated(path: path, byteCount: range.lowerBound + count, expected: range.upperBound)
    }
    try descriptor.requireSize(range.upperBound, path)
  }

  func version() throws(FileError) -> FileVersion? { try descriptor.status(path, for: .read).version }

  func willRead(_ range: Range<Int>) {
    #if os(Linux)
      _ = posix_fadvise(descriptor.number, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
    #endif
  }
}

/// A file of the machine that is opened anew for each read, so that any number of them can be in use at once.
public struct ReopenedFile: RandomAccessFile {
  private let path: String
  public let byteCount: Int

  public init(_ path: String) throws(FileError) {
    self.path = path
    byteCount = try POSIXRandomAccessFile(path).byteCount
  }

  public func read(_ range: Range<Int>) throws(FileError) -> [UInt8] { try POSIXRandomAccessFile(path).read(range) }

  public func read(_ range: Range<Int>, into bytes: inout MutableRawSpan, at place: Int) throws(FileError) {
    try POSIXRandomAccessFile(path).read(range, into: &bytes, at: place)
  }

  public func version() throws(FileError) -> FileVersion? { try POSIXRandomAccessFile(path).version() }
}

extension stat {
  var version: FileVersion {
    #if canImport(Darwin)
      let time = st_mtimespec
    #else
      let time = st_mtim
    #endif
    return FileVersion(
      device: UInt64(truncatingIfNeeded: st_dev), inode: UInt64(truncatingIfNeeded: st_ino),
      byteCount: UInt64(truncatingIfNeeded: st_size), seconds: Int(time.tv_sec), nanoseconds: Int(time.tv_nsec))
  }
}
