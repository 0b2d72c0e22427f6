import AutogradBase

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Runs `body` with the path of a new, empty directory, which is removed afterwards, whatever happened.
public func temporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  var template = Array("\(folder)/autograd-tests-XXXXXX".utf8CString)
  guard let made = mkdtemp(&template) else { throw NoTemporaryDirectory(folder: folder, code: errno) }
  let path = String(cString: made)
  defer { removeTree(path) }
  return try body(path)
}

public struct NoTemporaryDirectory: Error {
  public let folder: String
  public let code: Int32
}

/// Removes a directory and all below it; a link is removed, not followed.
private func removeTree(_ path: String) {
  let files = POSIXFileSystem()
  var status = stat()
  if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
    for name in (try? files.list(path)) ?? [] { removeTree("\(path)/\(name)") }
    rmdir(path)
  } else {
    unlink(path)
  }
}
