/// The file operations that everything else is built from; few and small, so that a test can play a disk that
/// fails, or forgets what was not synced, at any of them.
///
/// Paths are taken as they are: relative ones start at the working directory, `~` means nothing.
public protocol FileSystem: Sendable {
  /// Reads a whole plain file.
  ///
  /// - Throws: `tooLarge` above `byteLimit` bytes (before reading, where the size is known); `truncated` where the file
  ///   is cut off meanwhile; folders, FIFOs, sockets and devices are errors at once, without waiting.
  func read(_ path: String, byteLimit: Int) throws(FileError) -> [UInt8]

  /// Opens a plain file for reading in pieces.
  func openForReading(_ path: String) throws(FileError) -> any RandomAccessFile

  /// Makes a new file of these pieces, one after another; what exists is never overwritten. Not durable before `sync`.
  ///
  /// A file that cannot be written whole is removed.
  func create(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError)

  /// Makes a new file to be written in pieces, in any order; what exists is never overwritten. Not durable before `sync`.
  func createForWriting(_ path: String) throws(FileError) -> any WritableFile

  /// How many bytes an ordinary user can still write to the disk that a folder is on; nil where that is not known.
  func freeByteCount(in folder: String) -> Int?

  /// Returns when the contents of a file, or the names in a folder, are on the disk.
  func sync(_ path: String) throws(FileError)

  /// Gives a file or folder a new name; a plain file of that name is replaced in one moment.
  ///
  /// The new name is durable only after `sync` of the folder it stands in.
  func rename(_ source: String, to destination: String) throws(FileError)

  /// Makes one folder in a folder that exists. Not durable before `sync` of the folder it stands in.
  func makeDirectory(_ path: String) throws(FileError)

  /// Tells whether a file or folder of this name can be reached; a symbolic link counts as what it points to.
  func exists(_ path: String) -> Bool

  /// Tells whether a folder of this name can be reached, directly or through a symbolic link.
  func isDirectory(_ path: String) -> Bool

  /// The names in a folder, without `.` and `..`, ordered by their bytes.
  func list(_ path: String) throws(FileError) -> [String]

  /// Removes a file, a symbolic link or an empty folder.
  func remove(_ path: String) throws(FileError)

  /// Opens a file for lines to be added at its end, and makes it when it is missing.
  func openForAppending(_ path: String) throws(FileError) -> AppendFile

  /// Tells where bytes for a path are to go, so that nothing but a plain file is ever replaced.
  ///
  /// - Throws: Where there is a folder, a socket, a disk, or a symbolic link that leads nowhere.
  func destination(of path: String) throws(FileError) -> WriteDestination

  /// Writes pieces, one after another, into a stream that is there; waits where its reader is behind.
  func writeInto(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError)
}

/// Where bytes for a path go.
public enum WriteDestination: Sendable, Equatable {
  /// A plain file, at this path once symbolic links are followed, or nothing yet.
  case file(path: String)
  /// What takes bytes as they come and cannot be replaced: a terminal, `/dev/null`, a pipe, or the file that standard
  /// output or standard error goes to.
  case stream
}

extension FileSystem {
  /// Unless a file system knows better, there are plain files and folders.
  public func destination(of path: String) throws(FileError) -> WriteDestination {
    if isDirectory(path) { throw .isDirectory(.write, path: path) }
    return .file(path: path)
  }

  /// Unless a file system knows better, files are made of pieces one after another.
  public func createForWriting(_ path: String) throws(FileError) -> any WritableFile {
    throw .notRegular(.write, path: path)
  }

  /// Unless a file system knows better, it does not know.
  public func freeByteCount(in folder: String) -> Int? { nil }

  /// Unless a file system knows better, there are no streams.
  public func writeInto(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError) {
    throw .notRegular(.write, path: path)
  }
}

extension FileSystem {
  /// Makes a new file with these bytes, as `create(_:pieces:)`.
  public func create(_ path: String, _ bytes: [UInt8]) throws(FileError) {
    try create(path, pieces: CollectionOfOne(bytes))
  }

  /// Makes a folder and those above it that are missing, durably; content that a folder exists already.
  public func createDirectory(_ path: String) throws(FileError) {
    try checkPath(path)
    if exists(path) {
      if isDirectory(path) { return }
      throw .notDirectory(.createFolder, path: path)
    }
    let parent = parentDirectory(of: path)
    if parent != path, !exists(parent) { try createDirectory(parent) }
    do throws(FileError) {
      try makeDirectory(path)
    } catch {
      guard case .alreadyExists = error else { throw error }
      // Somebody else may have made it meanwhile; what is there and cannot be reached is a link.
      if isDirectory(path) { return }
      throw .brokenLink(.createFolder, path: path)
    }
    try sync(parent)
  }

  /// Removes a file, or a folder with all that is in it; a symbolic link is removed, not followed into.
  ///
  /// - Throws: The first failure; what was removed before stays removed.
  public func removeTree(_ path: String) throws(FileError) {
    do throws(FileError) {
      return try remove(path)
    } catch {
      guard case .notEmpty = error else { throw error }
    }
    for name in try list(path) { try removeTree(path + "/" + name) }
    try remove(path)
  }

  /// Replaces a file so that every reader, at any moment and after any crash, finds the old bytes or the new.
  ///
  /// Writes a temporary file in the same folder, syncs it, renames it and syncs the folder. A symbolic link
  /// stays, and what it points to is replaced; the new file has a new file's mode. Killed in between, it leaves a
  /// file `.autograd-N.tmp`, which nothing reads. A stream, such as `/dev/null` or a pipe, is written into.
  ///
  /// - Throws: The first failure, of this path; the temporary file is removed. When the last sync fails the new bytes
  ///   are already in place, but may not survive a power loss. Folders, sockets, disks and links that lead nowhere are
  ///   errors at once.
  public func writeAtomically(_ bytes: [UInt8], to path: String) throws(FileError) {
    try writeAtomically(to: path, pieces: CollectionOfOne(bytes))
  }

  /// As `writeAtomically(_:to:)`, for a file made of pieces, one after another.
  public func writeAtomically(to path: String, pieces: some Sequence<[UInt8]>) throws(FileError) {
    try checkPath(path)
    switch try destination(of: path) {
    case .stream: try writeInto(path, pieces: pieces)
    case .file(let place):
      do throws(FileError) {
        try replace(place, pieces)
      } catch {
        throw error.of(path)
      }
    }
  }

  /// Replaces files of a folder, which is made where there is none: each in one moment, in their order, and none before
  /// all are written. So where the disk is full the folder stays as it was.
  ///
  /// - Throws: The first failure; temporary files are removed.
  public func replaceFiles(
    _ files: [(name: String, pieces: any Sequence<[UInt8]>)], in folder: String
  ) throws(FileError) {
    try createDirectory(folder)
    var waiting: [(temporary: String, place: String)] = []
    do throws(FileError) {
      for file in files {
        let path = folder + "/" + file.name
        try checkPath(path)
        switch try destination(of: path) {
        case .stream: try writeInto(path, pieces: file.pieces)
        case .file(let place):
          do throws(FileError) {
            waiting.append((try createTemporary(file.pieces, in: parentDirectory(of: place)), place))
            try sync(waiting[waiting.count - 1].temporary)
          } catch {
            throw error.of(path)
          }
        }
      }
      while let next = waiting.first {
        try rename(next.temporary, to: next.place)
        waiting.removeFirst()
      }
    } catch {
      for left in waiting { try? remove(left.temporary) }
      throw error
    }
    try sync(folder)
  }

  private func replace(_ path: String, _ pieces: some Sequence<[UInt8]>) throws(FileError) {
    let folder = parentDirectory(of: path)
    let temporary = try createTemporary(pieces, in: folder)
    do throws(FileError) {
      try sync(temporary)
      try rename(temporary, to: path)
    } catch {
      try? remove(temporary)
      throw error
    }
    try sync(folder)
  }

  /// Finds out, as far as that can be known before, that `writeAtomically` to a path will succeed: for what is written
  /// at the end of hours. Leaves nothing behind.
  ///
  /// - Throws: What `writeAtomically` would. Whether a pipe has a reader, and how much room a disk has, is not asked.
  public func requireWritable(_ path: String) throws(FileError) {
    try checkPath(path)
    guard case .file(let place) = try destination(of: path) else { return }
    do throws(FileError) {
      let temporary = try createTemporary(EmptyCollection(), in: parentDirectory(of: place))
      try? remove(temporary)
    } catch {
      throw error.of(path)
    }
  }

  /// Removes the temporary files that writers left which were killed. None may be at work in the folder.
  public func removeTemporaries(in folder: String) throws(FileError) {
    let prefix = ".autograd-", suffix = ".tmp"
    for name in try list(folder) where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      // Another number would be spelt otherwise: what merely resembles ours is somebody else's.
      let number = name.dropFirst(prefix.count).dropLast(suffix.count)
      if let value = UInt(number), "\(value)" == number { try remove(folder + "/" + name) }
    }
  }

  /// Makes a file under the first free temporary name and returns its path.
  private func createTemporary(_ pieces: some Sequence<[UInt8]>, in folder: String) throws(FileError) -> String {
    try atTemporaryName(in: folder) { path throws(FileError) in try create(path, pieces: pieces) }.path
  }

  /// Makes a file to be written under the first free temporary name; whoever writes it renames or removes it. Killed in
  /// between, it stays until `removeTemporaries`.
  public func createTemporaryForWriting(in folder: String) throws(FileError) -> (path: String, file: any WritableFile) {
    try atTemporaryName(in: folder) { path throws(FileError) in try createForWriting(path) }
  }

  private func atTemporaryName<Made>(
    in folder: String, _ make: (String) throws(FileError) -> Made
  ) throws(FileError) -> (path: String, file: Made) {
    let prefix = folder.hasSuffix("/") ? folder : folder + "/"
    var number = 0
    while true {
      let path = "\(prefix).autograd-\(number).tmp"
      do throws(FileError) {
        return (path, try make(path))
      } catch {
        if case .notFound = error { throw .noFolder(.write, path: path) }
        guard case .alreadyExists = error, number < 10_000 else { throw error }
        number += 1
      }
    }
  }
}

/// The folder in which the last part of a path stands; "." when the path names no folder.
public func parentDirectory(of path: String) -> String {
  var bytes = Array(path.utf8)
  let slash = UInt8(ascii: "/")
  while bytes.count > 1, bytes.last == slash { bytes.removeLast() }
  guard let last = bytes.lastIndex(of: slash) else { return "." }
  bytes.removeSubrange(last...)
  while bytes.last == slash { bytes.removeLast() }
  return bytes.isEmpty ? "/" : String(decoding: bytes, as: UTF8.self)
}
