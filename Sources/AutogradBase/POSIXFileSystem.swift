#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// The file system of the machine.
///
/// Interrupted calls and short reads and writes are continued. Any thread may call anything.
public struct POSIXFileSystem: FileSystem {
  private let isInterrupted: @Sendable () -> Bool

  /// - Parameter isInterrupted: Asked before each piece of a new file: true ends it, and removes what there is of it.
  public init(isInterrupted: @escaping @Sendable () -> Bool = { false }) { self.isInterrupted = isInterrupted }

  public func read(_ path: String, byteLimit: Int) throws(FileError) -> [UInt8] {
    let file = try Descriptor(path, O_RDONLY, for: .read)
    let status = try file.status(path, for: .read)
    if status.isDirectory { throw .isDirectory(.read, path: path) }
    guard status.isRegular else { throw .notRegular(.read, path: path) }
    let measured = Int(status.st_size)
    guard measured <= byteLimit else {
      throw .tooLarge(path: path, byteCount: measured, byteLimit: byteLimit)
    }
    // One byte more than measured, to see the end without a second round; a file that grows meanwhile, or one
    // under /proc, which claims to be empty, takes more rounds.
    var bytes: [UInt8] = []
    var room = measured + 1
    while true {
      var count: Int?
      bytes.append(addingCapacity: room) { count = file.readAll(into: &$0) }
      guard let count else { throw fileError(errno, .read, path) }
      guard bytes.count <= byteLimit else {
        throw .tooLarge(path: path, byteCount: bytes.count, byteLimit: byteLimit)
      }
      if count < room {
        try file.requireSize(measured, path)
        return bytes
      }
      room = max(4096, bytes.count)
    }
  }

  public func openForReading(_ path: String) throws(FileError) -> any RandomAccessFile {
    try POSIXRandomAccessFile(path)
  }

  public func create(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError) {
    let file = try Descriptor(path, O_WRONLY | O_CREAT | O_EXCL, for: .write)
    for piece in pieces {
      var number: Int32?
      let ends = isInterrupted()
      if !ends, file.writeAll(piece.span) < piece.count { number = errno }
      guard ends || number != nil else { continue }
      _ = removeEntry(path)  // this call made it: the opening was exclusive
      throw number.map { fileError($0, .write, path) } ?? .interrupted(path: path)
    }
  }

  public func createForWriting(_ path: String) throws(FileError) -> any WritableFile {
    try POSIXWritableFile(path)
  }

  public func freeByteCount(in folder: String) -> Int? {
    if folder.isEmpty || folder.utf8.contains(0) { return nil }
    var facts = statvfs()
    // INVARIANT: the string ends with a zero byte, and the structure is written by nobody else during the call.
    guard unsafe statvfs(folder, &facts) == 0 else { return nil }
    let (bytes, isTooMuch) = Int(facts.f_bavail).multipliedReportingOverflow(by: Int(facts.f_frsize))
    return isTooMuch ? nil : bytes
  }

  public func sync(_ path: String) throws(FileError) {
    let file = try Descriptor(path, O_RDONLY, for: .sync)
    if file.synchronize() { return }
    let number = errno
    // Some file systems cannot sync a folder and need not.
    if number == EINVAL, try file.status(path, for: .sync).isDirectory { return }
    throw fileError(number, .sync, path)
  }

  public func rename(_ source: String, to destination: String) throws(FileError) {
    try checkPath(source)
    try checkPath(destination)
    if renameEntry(source, destination) == 0 { return }
    let number = errno
    // Either path may be to blame; the new one is named only when the old one is there.
    throw fileError(number, .rename, exists(source) ? destination : source)
  }

  public func makeDirectory(_ path: String) throws(FileError) {
    try checkPath(path)
    guard createFolder(path) == 0 else { throw fileError(errno, .createFolder, path) }
  }

  public func exists(_ path: String) -> Bool {
    status(path) != nil
  }

  public func list(_ path: String) throws(FileError) -> [String] {
    try checkPath(path)
    // INVARIANT: the string lives for the duration of the call and ends with a zero byte.
    guard let directory = unsafe opendir(path) else { throw fileError(errno, .list, path) }
    // INVARIANT: closed exactly once, after the last use.
    defer { unsafe _ = closedir(directory) }
    var names: [String] = []
    errno = 0
    // INVARIANT: the entry stays valid until the next readdir on this directory, which only this function has.
    while let entry = unsafe readdir(directory) {
      // INVARIANT: d_name ends with a zero byte inside the entry.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        // The tuple is an array of C characters in memory.
        unsafe String(cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw fileError(errno, .list, path) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  public func remove(_ path: String) throws(FileError) {
    try checkPath(path)
    guard removeEntry(path) == 0 else { throw fileError(errno, .remove, path) }
  }

  public func openForAppending(_ path: String) throws(FileError) -> AppendFile {
    try AppendFile(path)
  }

  public func isDirectory(_ path: String) -> Bool {
    status(path)?.isDirectory ?? false
  }

  public func destination(of path: String) throws(FileError) -> WriteDestination {
    try checkPath(path)
    guard let own = linkStatus(path) else {
      // Nothing is there, or not to be seen: then the system says why.
      if errno == ENOENT { return .file(path: path) }
      throw fileError(errno, .write, path)
    }
    guard let status = own.isLink ? status(path) : own else {
      if errno == ENOENT { throw .brokenLink(.write, path: path) }
      throw fileError(errno, .write, path)
    }
    if status.isDirectory { throw .isDirectory(.write, path: path) }
    if status.isCharacterDevice || status.isPipe { return .stream }
    guard status.isRegular else { throw .notRegular(.write, path: path) }
    // Replaced, it would take what is yet to be said with it.
    if status.isOpen(as: 1) || status.isOpen(as: 2) { return .stream }
    return .file(path: own.isLink ? absolutePath(path) ?? path : path)
  }

  public func writeInto(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError) {
    let file = try Descriptor(path, O_WRONLY | O_APPEND, for: .write)
    for piece in pieces where file.writeAll(piece.span, waits: true) < piece.count {
      throw fileError(errno, .write, path)
    }
  }

  private func status(_ path: String) -> stat? {
    guard !path.isEmpty, !path.utf8.contains(0) else { return nil }
    var result = stat()
    // INVARIANT: path and structure live for the duration of the call; only this call writes the structure.
    return unsafe stat(path, &result) == 0 ? result : nil
  }

  /// As `status`, of a symbolic link itself; `errno` says why where it is nil.
  private func linkStatus(_ path: String) -> stat? {
    var result = stat()
    // INVARIANT: as in `status`.
    return unsafe lstat(path, &result) == 0 ? result : nil
  }
}

// Outside the type, where the C functions are not hidden by methods of the same name.

private func renameEntry(_ source: String, _ destination: String) -> Int32 {
  // INVARIANT: both strings live for the duration of the call and end with a zero byte.
  unsafe rename(source, destination)
}

private func removeEntry(_ path: String) -> Int32 {
  // INVARIANT: the string lives for the duration of the call and ends with a zero byte.
  unsafe remove(path)
}

private func createFolder(_ path: String) -> Int32 {
  // INVARIANT: the string lives for the duration of the call and ends with a zero byte.
  unsafe mkdir(path, 0o777)
}
