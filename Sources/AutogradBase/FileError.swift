/// What was being done to a file when it failed.
public enum FileOperation: String, Sendable, Equatable {
  case read, write, sync, rename, remove, list, append, lock
  case createFolder = "create the folder"
}

/// Says why a file operation failed, with the path as it was given.
public enum FileError: Error, Equatable, Sendable {
  case notFound(FileOperation, path: String)
  case isDirectory(FileOperation, path: String)
  case notDirectory(FileOperation, path: String)
  /// A FIFO, socket or device stands where a plain file is needed.
  case notRegular(FileOperation, path: String)
  case alreadyExists(FileOperation, path: String)
  /// A folder that is to be removed has something in it.
  case notEmpty(FileOperation, path: String)
  case permissionDenied(FileOperation, path: String)
  /// The file system was mounted for reading only.
  case readOnly(FileOperation, path: String)
  /// The folder in which a file is to be made is missing.
  case noFolder(FileOperation, path: String)
  /// A symbolic link that leads to nothing, or to itself, where a file or folder is to be made.
  case brokenLink(FileOperation, path: String)
  /// Symbolic links of the path lead in a circle.
  case linkLoop(FileOperation, path: String)
  /// The path, or a part of it, is longer than the system takes.
  case nameTooLong(FileOperation, path: String)
  case noSpace(FileOperation, path: String)
  case tooLarge(path: String, byteCount: Int, byteLimit: Int)
  /// The file ends before what was asked for.
  case truncated(path: String, byteCount: Int, expected: Int)
  /// The path is empty or has a zero byte, at which the system would cut it.
  case invalidPath(path: String)
  /// Somebody asked for an end while it was being written.
  case interrupted(path: String)
  /// Anything else, with the system's error number.
  case io(FileOperation, path: String, errorNumber: Int32)

  public var path: String {
    switch self {
    case .notFound(_, let path), .isDirectory(_, let path), .notDirectory(_, let path),
      .notRegular(_, let path), .alreadyExists(_, let path), .notEmpty(_, let path), .permissionDenied(_, let path),
      .readOnly(_, let path), .noFolder(_, let path), .brokenLink(_, let path), .linkLoop(_, let path),
      .nameTooLong(_, let path), .noSpace(_, let path), .tooLarge(let path, _, _), .truncated(let path, _, _),
      .invalidPath(let path), .interrupted(let path), .io(_, let path, _):
      path
    }
  }

  /// The same failure, of another path: what failed at a temporary file is told of the file that somebody named.
  package func of(_ path: String) -> FileError {
    switch self {
    case .notFound(let operation, _): .notFound(operation, path: path)
    case .isDirectory(let operation, _): .isDirectory(operation, path: path)
    case .notDirectory(let operation, _): .notDirectory(operation, path: path)
    case .notRegular(let operation, _): .notRegular(operation, path: path)
    case .alreadyExists(let operation, _): .alreadyExists(operation, path: path)
    case .notEmpty(let operation, _): .notEmpty(operation, path: path)
    case .permissionDenied(let operation, _): .permissionDenied(operation, path: path)
    case .readOnly(let operation, _): .readOnly(operation, path: path)
    case .noFolder(let operation, _): .noFolder(operation, path: path)
    case .brokenLink(let operation, _): .brokenLink(operation, path: path)
    case .linkLoop(let operation, _): .linkLoop(operation, path: path)
    case .nameTooLong(let operation, _): .nameTooLong(operation, path: path)
    case .noSpace(let operation, _): .noSpace(operation, path: path)
    case .tooLarge(_, let count, let limit): .tooLarge(path: path, byteCount: count, byteLimit: limit)
    case .truncated(_, let count, let expected): .truncated(path: path, byteCount: count, expected: expected)
    case .invalidPath: .invalidPath(path: path)
    case .interrupted: .interrupted(path: path)
    case .io(let operation, _, let number): .io(operation, path: path, errorNumber: number)
    }
  }

  /// Whether the path was chosen wrongly, and another would do; otherwise the disk or what is on it is to blame.
  public var isOfTheName: Bool {
    switch self {
    case .notFound, .isDirectory, .notDirectory, .notRegular, .alreadyExists, .permissionDenied, .readOnly, .noFolder,
      .brokenLink, .linkLoop, .nameTooLong, .tooLarge, .invalidPath:
      true
    case .notEmpty, .noSpace, .truncated, .interrupted, .io: false
    }
  }
}

extension FileError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notFound(let operation, let path):
      "cannot \(operation.rawValue) \(path): it does not exist; check the path"
    case .isDirectory(let operation, let path):
      "cannot \(operation.rawValue) \(path): it is a folder; name a file"
    case .notDirectory(let operation, let path):
      "cannot \(operation.rawValue) \(path): a part of the path is not a folder; check the path"
    case .notRegular(let operation, let path):
      "cannot \(operation.rawValue) \(path): it is not a plain file but a pipe, socket or device; "
        + "name a plain file"
    case .alreadyExists(let operation, let path):
      "cannot \(operation.rawValue) \(path): it exists already; remove it or choose another name"
    case .notEmpty(let operation, let path):
      "cannot \(operation.rawValue) \(path): the folder is not empty; remove what is in it first"
    case .permissionDenied(let operation, let path):
      "cannot \(operation.rawValue) \(path): permission denied; check owner and mode of file and folder"
    case .readOnly(let operation, let path):
      "cannot \(operation.rawValue) \(path): the file system is read-only; name a place that can be written"
    case .noFolder(let operation, let path):
      "cannot \(operation.rawValue) \(path): its folder does not exist; make that first, or name another"
    case .brokenLink(let operation, let path):
      "cannot \(operation.rawValue) \(path): it is a symbolic link that leads nowhere; remove it or choose another name"
    case .linkLoop(let operation, let path):
      "cannot \(operation.rawValue) \(path): its symbolic links lead in a circle; check the path"
    case .nameTooLong(let operation, let path):
      "cannot \(operation.rawValue) \(path): the name is longer than the file system takes; choose a shorter one"
    case .noSpace(let operation, let path):
      "cannot \(operation.rawValue) \(path): no space left on the disk or in the quota; free some"
    case .tooLarge(let path, let byteCount, let byteLimit):
      "cannot read \(path): it has \(byteCount) bytes, more than the limit of \(byteLimit); split it"
    case .truncated(let path, let byteCount, let expected):
      "cannot read \(path): it ends at byte \(byteCount), before byte \(expected); get it again"
    case .invalidPath(let path):
      "the path \(path.quotedForMessage) is empty or has a zero byte; name a file"
    case .interrupted(let path): "interrupted while writing \(path), of which nothing is left"
    case .io(let operation, let path, let errorNumber):
      "cannot \(operation.rawValue) \(path): \(errorText(errorNumber)) (error \(errorNumber)); "
        + "check the disk and its file system"
    }
  }
}
