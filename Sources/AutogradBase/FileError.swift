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
  case noSpace(FileOperation, path: String)
  case tooLarge(path: String, byteCount: Int, byteLimit: Int)
  /// The file ends before what was asked for.
  case truncated(path: String, byteCount: Int, expected: Int)
  /// The path is empty or has a zero byte, at which the system would cut it.
  case invalidPath(path: String)
  /// Anything else, with the system's error number.
  case io(FileOperation, path: String, errorNumber: Int32)

  public var path: String {
    switch self {
    case .notFound(_, let path), .isDirectory(_, let path), .notDirectory(_, let path),
      .notRegular(_, let path), .alreadyExists(_, let path), .notEmpty(_, let path), .permissionDenied(_, let path),
      .noSpace(_, let path), .tooLarge(let path, _, _), .truncated(let path, _, _), .invalidPath(let path),
      .io(_, let path, _):
      path
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
    case .noSpace(let operation, let path):
      "cannot \(operation.rawValue) \(path): no space left on the disk or in the quota; free some"
    case .tooLarge(let path, let byteCount, let byteLimit):
      "cannot read \(path): it has \(byteCount) bytes, more than the limit of \(byteLimit); split it"
    case .truncated(let path, let byteCount, let expected):
      "cannot read \(path): it ends at byte \(byteCount), before byte \(expected); get it again"
    case .invalidPath(let path):
      "the path \(path.quotedForMessage) is empty or has a zero byte; name a file"
    case .io(let operation, let path, let errorNumber):
      "cannot \(operation.rawValue) \(path): \(errorText(errorNumber)) (error \(errorNumber)); "
        + "check the disk and its file system"
    }
  }
}
