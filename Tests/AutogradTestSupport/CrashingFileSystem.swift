import AutogradBase
import Synchronization

/// A disk in memory that keeps only what was synced when the power goes.
///
/// What was not synced may survive or not, each file and each folder by itself, as on a real disk: `afterCrash` plays
/// the ways. It can fail at one operation, or at all from one on, and can forget one sync.
public final class CrashingFileSystem: FileSystem {
  fileprivate enum Inode {
    /// `durable` is nil for a file that was never synced.
    case file(contents: [UInt8], durable: [UInt8]?)
    case folder(entries: [String: Int], durable: [String: Int])
  }

  fileprivate struct State {
    /// The first is the root.
    var inodes: [Inode] = [.folder(entries: [:], durable: [:])]
    var operations: [String] = []
    var syncCount = 0
  }

  /// At which operation, counted from 0, the disk fails.
  public enum Failure: Sendable {
    case at(Int)
    case from(Int)

    func hits(_ operation: Int) -> Bool {
      switch self {
      case .at(let number): operation == number
      case .from(let number): operation >= number
      }
    }
  }

  private let state: Mutex<State>
  private let failure: Failure?
  private let forgottenSync: Int?

  /// Starts with these folders and files, all durable.
  public init(
    folders: [String] = [], files: [(path: String, bytes: [UInt8])] = [], failure: Failure? = nil,
    forgottenSync: Int? = nil
  ) {
    self.failure = failure
    self.forgottenSync = forgottenSync
    var state = State()
    for folder in folders { _ = state.make(folder, .folder(entries: [:], durable: [:])) }
    for (path, bytes) in files {
      let parent = parentDirectory(of: path)
      if state.find(parent) == nil { _ = state.make(parent, .folder(entries: [:], durable: [:])) }
      _ = state.make(path, .file(contents: bytes, durable: bytes))
    }
    state.syncAll()
    self.state = Mutex(state)
  }

  private init(_ state: State, failure: Failure?, forgottenSync: Int?) {
    self.state = Mutex(state)
    self.failure = failure
    self.forgottenSync = forgottenSync
  }

  /// The same disk, counted anew, with other failures.
  public func copy(failure: Failure? = nil, forgottenSync: Int? = nil) -> CrashingFileSystem {
    var copied = state.withLock { $0 }
    copied.operations = []
    copied.syncCount = 0
    return CrashingFileSystem(copied, failure: failure, forgottenSync: forgottenSync)
  }

  /// What was done to the disk, failures among it; reading is not counted.
  public var operations: [String] { state.withLock { $0.operations } }
  public var syncCount: Int { state.withLock { $0.syncCount } }
  /// The paths of all files.
  public var names: [String] { state.withLock { $0.files(below: 0, "").map(\.path).sorted() } }
  /// Every file with its bytes.
  public var contents: [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: state.withLock { $0.files(below: 0, "") })
  }

  // MARK: The power goes

  /// Disks as they may be found afterwards: all that was not synced is lost, or all of it is there, or either with one
  /// file or folder that fared otherwise. A file may also have its length and no bytes.
  public func afterCrash() -> [CrashingFileSystem] {
    let state = state.withLock { $0 }
    let lost = state.inodes.map(State.lost), kept = state.inodes.map(State.kept)
    var found = [lost, kept]
    for index in state.inodes.indices {
      for (base, others) in [(lost, [kept[index]]), (kept, [lost[index]])] {
        for other in others + State.emptied(state.inodes[index]) {
          var inodes = base
          inodes[index] = other
          found.append(inodes)
        }
      }
    }
    return found.map { inodes in
      var crashed = State()
      crashed.inodes = inodes
      return CrashingFileSystem(crashed, failure: nil, forgottenSync: nil)
    }
  }

  // MARK: The protocol

  private func perform(
    _ name: String, _ operation: FileOperation, _ path: String, _ body: (inout sending State) -> FileError?
  ) throws(FileError) {
    let error: FileError? = state.withLock { state in
      state.operations.append(name)
      if failure?.hits(state.operations.count - 1) == true { return .io(operation, path: path, errorNumber: 5) }
      return body(&state)
    }
    if let error { throw error }
  }

  public func read(_ path: String, byteLimit: Int) throws(FileError) -> [UInt8] {
    let bytes: [UInt8]? = state.withLock { state in
      guard let index = state.find(path), case .file(let contents, _) = state.inodes[index] else { return nil }
      return contents
    }
    guard let bytes else { throw .notFound(.read, path: path) }
    return bytes
  }

  public func create(_ path: String, pieces: some Sequence<[UInt8]>) throws(FileError) {
    let bytes = pieces.flatMap { $0 }
    try perform("create", .write, path) { state in
      state.make(path, .file(contents: bytes, durable: nil)) ? nil : .alreadyExists(.write, path: path)
    }
  }

  public func createForWriting(_ path: String) throws(FileError) -> any WritableFile {
    try perform("create", .write, path) { state in
      state.make(path, .file(contents: [], durable: nil)) ? nil : .alreadyExists(.write, path: path)
    }
    return OpenFile(disk: self, inode: state.withLock { $0.find(path) ?? 0 }, path: path)
  }

  /// Written to whatever name it has by now.
  private struct OpenFile: WritableFile {
    let disk: CrashingFileSystem
    let inode: Int
    let path: String

    func write(_ bytes: RawSpan, at offset: Int) throws(FileError) {
      let new = bytes.withUnsafeBytes { Array($0) }
      try disk.perform("write", .write, path) { state in
        guard case .file(var contents, let durable) = state.inodes[inode] else { return .notFound(.write, path: path) }
        let missing = offset + new.count - contents.count
        if missing > 0 { contents += [UInt8](repeating: 0, count: missing) }
        contents.replaceSubrange(offset..<offset + new.count, with: new)
        state.inodes[inode] = .file(contents: contents, durable: durable)
        return nil
      }
    }
  }

  public func sync(_ path: String) throws(FileError) {
    try perform("sync", .sync, path) { state in
      state.syncCount += 1
      if state.syncCount - 1 == forgottenSync { return nil }
      guard let index = state.find(path) else { return .notFound(.sync, path: path) }
      state.sync(index)
      return nil
    }
  }

  public func rename(_ source: String, to destination: String) throws(FileError) {
    try perform("rename", .rename, source) { state in
      guard let index = state.take(source) else { return .notFound(.rename, path: source) }
      if let old = state.find(destination) {
        if case .folder(let entries, _) = state.inodes[old], !entries.isEmpty {
          return .notEmpty(.rename, path: destination)
        }
        _ = state.take(destination)
      }
      state.put(destination, index)
      return nil
    }
  }

  public func makeDirectory(_ path: String) throws(FileError) {
    try perform("make", .createFolder, path) { state in
      state.make(path, .folder(entries: [:], durable: [:])) ? nil : .alreadyExists(.createFolder, path: path)
    }
  }

  public func remove(_ path: String) throws(FileError) {
    try perform("remove", .remove, path) { state in
      guard let index = state.find(path) else { return .notFound(.remove, path: path) }
      if case .folder(let entries, _) = state.inodes[index], !entries.isEmpty { return .notEmpty(.remove, path: path) }
      _ = state.take(path)
      return nil
    }
  }

  public func exists(_ path: String) -> Bool { state.withLock { $0.find(path) != nil } }

  public func isDirectory(_ path: String) -> Bool {
    state.withLock { state in
      guard let index = state.find(path), case .folder = state.inodes[index] else { return false }
      return true
    }
  }

  public func list(_ path: String) throws(FileError) -> [String] {
    let names: [String]? = state.withLock { state in
      guard let index = state.find(path), case .folder(let entries, _) = state.inodes[index] else { return nil }
      return entries.keys.sorted()
    }
    guard let names else { throw .notFound(.list, path: path) }
    return names
  }

  public func openForAppending(_ path: String) throws(FileError) -> AppendFile {
    throw .permissionDenied(.append, path: path)
  }
}

// MARK: Paths and inodes

extension CrashingFileSystem.State {
  private static func parts(_ path: String) -> [String] {
    path.split(separator: "/").map(String.init).filter { $0 != "." }
  }

  func find(_ path: String) -> Int? {
    var index = 0
    for part in Self.parts(path) {
      guard case .folder(let entries, _) = inodes[index], let next = entries[part] else { return nil }
      index = next
    }
    return index
  }

  /// Makes an inode where nothing is yet, in a folder that exists.
  mutating func make(_ path: String, _ inode: CrashingFileSystem.Inode) -> Bool {
    guard find(path) == nil, find(parentDirectory(of: path)) != nil else { return false }
    inodes.append(inode)
    put(path, inodes.count - 1)
    return true
  }

  mutating func put(_ path: String, _ index: Int) { change(path) { $0[$1] = index } }

  /// Takes an entry out of its folder.
  mutating func take(_ path: String) -> Int? {
    guard let index = find(path) else { return nil }
    change(path) { $0[$1] = nil }
    return index
  }

  private mutating func change(_ path: String, _ body: (inout [String: Int], String) -> Void) {
    guard let name = Self.parts(path).last, let folder = find(parentDirectory(of: path)),
      case .folder(var entries, let durable) = inodes[folder]
    else { return }
    body(&entries, name)
    inodes[folder] = .folder(entries: entries, durable: durable)
  }

  mutating func sync(_ index: Int) { inodes[index] = Self.kept(inodes[index]) }

  mutating func syncAll() {
    for index in inodes.indices { sync(index) }
  }

  static func lost(_ inode: CrashingFileSystem.Inode) -> CrashingFileSystem.Inode {
    switch inode {
    case .file(_, let durable): .file(contents: durable ?? [], durable: durable ?? [])
    case .folder(_, let durable): .folder(entries: durable, durable: durable)
    }
  }

  static func kept(_ inode: CrashingFileSystem.Inode) -> CrashingFileSystem.Inode {
    switch inode {
    case .file(let contents, _): .file(contents: contents, durable: contents)
    case .folder(let entries, _): .folder(entries: entries, durable: entries)
    }
  }

  /// A file whose length was written and whose bytes were not.
  static func emptied(_ inode: CrashingFileSystem.Inode) -> [CrashingFileSystem.Inode] {
    guard case .file(let contents, let durable) = inode, durable != contents else { return [] }
    let zeros = [UInt8](repeating: 0, count: contents.count)
    return [.file(contents: zeros, durable: zeros)]
  }

  func files(below folder: Int, _ path: String) -> [(path: String, bytes: [UInt8])] {
    guard case .folder(let entries, _) = inodes[folder] else { return [] }
    return entries.flatMap { name, index -> [(path: String, bytes: [UInt8])] in
      switch inodes[index] {
      case .file(let contents, _): [(path + name, contents)]
      case .folder: files(below: index, path + name + "/")
      }
    }
  }
}
