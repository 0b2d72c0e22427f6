import Base
import Synchronization

/// A disk in memory, with one folder, that keeps only what was synced when the power goes.
///
/// What was not synced may survive or not, as on a real disk: `afterCrash` plays the four cases. It can fail
/// at the n-th operation, and can forget the n-th sync.
final class CrashingFileSystem: FileSystem {
  private struct State {
    var inodes: [(contents: [UInt8], durable: [UInt8]?)] = []
    var names: [String: Int] = [:]
    var durableNames: [String: Int] = [:]
    var operations: [String] = []
    var syncCount = 0
  }

  private let state = Mutex(State())
  private let failingOperation: Int?
  private let forgottenSync: Int?

  /// Starts with one durable file.
  init(
    _ path: String, _ bytes: [UInt8], failingOperation: Int? = nil, forgottenSync: Int? = nil
  ) {
    self.failingOperation = failingOperation
    self.forgottenSync = forgottenSync
    state.withLock {
      $0.inodes = [(bytes, bytes)]
      $0.names = [path: 0]
      $0.durableNames = [path: 0]
    }
  }

  var operations: [String] { state.withLock { $0.operations } }
  var names: [String] { state.withLock { $0.names.keys.sorted() } }

  /// The contents of a file after a power loss, for each way in which the disk may have been lazy.
  func afterCrash(_ path: String) -> [[UInt8]?] {
    state.withLock { state in
      [state.names, state.durableNames].flatMap { names -> [[UInt8]?] in
        guard let inode = names[path] else { return [nil] }
        return [state.inodes[inode].durable ?? [], state.inodes[inode].contents]
      }
    }
  }

  private func perform(
    _ name: String, _ operation: FileOperation, _ path: String,
    _ body: (inout sending State) -> FileError?
  ) throws(FileError) {
    let error: FileError? = state.withLock { state in
      state.operations.append(name)
      if state.operations.count - 1 == failingOperation {
        return .io(operation, path: path, errorNumber: 5)
      }
      return body(&state)
    }
    if let error { throw error }
  }

  func read(_ path: String, byteLimit: Int) throws(FileError) -> [UInt8] {
    let bytes = state.withLock { state in state.names[path].map { state.inodes[$0].contents } }
    guard let bytes else { throw .notFound(.read, path: path) }
    return bytes
  }

  func create(_ path: String, _ bytes: [UInt8]) throws(FileError) {
    try perform("create", .write, path) { state in
      if state.names[path] != nil { return .alreadyExists(.write, path: path) }
      state.names[path] = state.inodes.count
      state.inodes.append((bytes, nil))
      return nil
    }
  }

  func sync(_ path: String) throws(FileError) {
    try perform("sync", .sync, path) { state in
      state.syncCount += 1
      if state.syncCount - 1 == forgottenSync { return nil }
      if let inode = state.names[path] {
        state.inodes[inode].durable = state.inodes[inode].contents
      } else {
        state.durableNames = state.names
      }
      return nil
    }
  }

  func rename(_ source: String, to destination: String) throws(FileError) {
    try perform("rename", .rename, source) { state in
      guard let inode = state.names.removeValue(forKey: source) else {
        return .notFound(.rename, path: source)
      }
      state.names[destination] = inode
      return nil
    }
  }

  func remove(_ path: String) throws(FileError) {
    try perform("remove", .remove, path) { state in
      state.names.removeValue(forKey: path) == nil ? .notFound(.remove, path: path) : nil
    }
  }

  func createDirectory(_ path: String) throws(FileError) {}

  func exists(_ path: String) -> Bool { state.withLock { $0.names[path] != nil } }

  func list(_ path: String) throws(FileError) -> [String] { names }

  func openForAppending(_ path: String) throws(FileError) -> AppendFile {
    throw .permissionDenied(.append, path: path)
  }
}
