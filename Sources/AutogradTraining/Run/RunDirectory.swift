import AutogradBase
import AutogradModels

/// A run's directory, locked: one process at a time writes to it, until it ends, however it ends.
public struct RunDirectory: Sendable {
  public let path: String
  public let store: CheckpointStore
  private let lock: FileLock
  private let files = POSIXFileSystem()

  /// Makes the directory, locks it and removes what earlier processes left unfinished: only for a folder that was named
  /// as a run's, or that is one; `existing` looks first.
  ///
  /// - Throws: `locked` at once where another process has it; `foreignLock` where the lock's name is taken.
  public init(_ path: String) throws(CheckpointError) {
    self.path = path
    store = RunDirectory.store(in: path)
    let attempt: FileLock.Attempt, lockPath = path + "/lock"
    guard RunDirectory.isLock(lockPath) else { throw .foreignLock(path: lockPath) }
    do throws(FileError) {
      try files.createDirectory(path)
      attempt = try FileLock.take(lockPath)
    } catch {
      throw .file(error)
    }
    switch attempt {
    case .busy(let holder): throw .locked(path: path, holder: holder)
    case .held(let lock): self.lock = lock
    }
    do throws(FileError) {
      try files.removeTemporaries(in: path)
      try store.removeUnfinished()
      // Made by a process that died before it could sync their names, they would not survive a loss of power.
      try? files.sync(parentDirectory(of: path))
      if files.exists(store.folder) { try files.sync(path) }
    } catch {
      throw .file(error)
    }
  }

  private static func store(in path: String) -> CheckpointStore { CheckpointStore(folder: path + "/checkpoints") }

  /// Taking a lock empties its file: where there is one, it must be what a lock leaves, a process's number or nothing.
  private static func isLock(_ path: String) -> Bool {
    do throws(FileError) {
      let bytes = try POSIXFileSystem().read(path, byteLimit: 32)
      return bytes.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: "\n") }
    } catch {
      if case .tooLarge = error { return false }
      // What cannot be read cannot be locked, either, which says why.
      return true
    }
  }

  // MARK: Looking

  /// The run in a folder, locked; nil where the folder holds none, in which case nothing was touched.
  ///
  /// - Throws: As `init`, and `noneVerifies` where what looks like checkpoints has no manifest that can be read.
  public static func existing(_ path: String) throws(CheckpointError) -> RunDirectory? {
    if holdsRun(path) { return try RunDirectory(path) }
    _ = try store(in: path).newestVerified()
    return nil
  }

  /// Whether a folder is a run's, by what nobody else writes: its beginning, or a checkpoint with its manifest.
  private static func holdsRun(_ path: String) -> Bool {
    if RunRecord.beginningStands(in: path, POSIXFileSystem()) { return true }
    let store = store(in: path), entries = (try? store.entries()) ?? []
    return entries.contains { CheckpointManifest.stands(in: store.path($0), POSIXFileSystem()) }
  }

  /// The newest checkpoint of a finished run that a new one set aside, and that still stands; nil where there is none.
  public static func finishedCheckpoint(in path: String) -> String? {
    let store = store(in: path), files = POSIXFileSystem(), prefix = RunDirectory.finished + "-"
    let names = ((try? files.list(store.folder)) ?? []).filter {
      $0.hasPrefix(prefix) && CheckpointManifest.stands(in: store.folder + "/" + $0, files)
    }
    return names.sorted().last.map { store.folder + "/" + $0 }
  }

  /// What stands before the names of a finished run's checkpoints.
  private static let finished = "finished"

  /// Makes sure that a new run overwrites no model but one that a run has left.
  ///
  /// - Throws: `foreignModel`.
  public static func requireNoForeignModel(_ path: String) throws(CheckpointError) {
    let files = POSIXFileSystem(), traces = ["log.jsonl", "checkpoints", RunRecord.beginningFile]
    if traces.contains(where: { files.exists(path + "/" + $0) }) { return }
    if ModelDirectory(path).holdsModelFiles || AdapterDirectory.isAdapter(path) { throw .foreignModel(path: path) }
  }

  // MARK: Going on

  /// What a run goes on from.
  public struct Beginning: Sendable {
    public let checkpoint: Checkpoint
    /// Later checkpoints, newest first: what is wrong with them, and under which name they are to stay.
    fileprivate let newer: [(entry: CheckpointStore.Entry, problem: String, name: String)]
    /// Whether it is a checkpoint of another run, with which this one begins.
    fileprivate var isForeign = false
  }

  /// The newest checkpoint that verifies; nil where there has never been one. Newer ones are damaged.
  ///
  /// - Throws: `noneVerifies`.
  public func newestCheckpoint() throws(CheckpointError) -> Beginning? {
    guard let (entry, damaged) = try store.newestVerified() else { return nil }
    return Beginning(
      checkpoint: try Checkpoint(verified: store.path(entry), fileSystem: files),
      newer: damaged.map { ($0, "\($1)", "damaged") })
  }

  /// A checkpoint by its path: one of this run, or another run's, where this run has none of its own.
  ///
  /// - Throws: `occupied`, `none`, `damaged`.
  public func checkpoint(at path: String) throws(CheckpointError) -> Beginning {
    let checkpoint = try Checkpoint(path)
    let all = try entries()
    guard let own = all.first(where: { absolutePath(store.path($0)) == absolutePath(path) }) else {
      if let newest = all.last { throw .occupied(path: self.path, step: newest.step) }
      return Beginning(checkpoint: checkpoint, newer: [], isForeign: true)
    }
    // From the newest on, so that whatever stands is always a run's beginning.
    let newer = all.reversed().filter { own < $0 }
    return Beginning(
      checkpoint: checkpoint, newer: newer.map { ($0, "\(store.path($0)) is newer", "abandoned") })
  }

  /// Sets aside the checkpoints that are newer than a beginning. Call it when nothing else can stop the run from beginning there.
  ///
  /// - Returns: What the user should know: which checkpoints those are, and why.
  public func setAside(newerThan beginning: Beginning) throws(CheckpointError) -> [String] {
    var notes: [String] = []
    if beginning.isForeign { try removeStart() }
    for (entry, problem, name) in beginning.newer {
      notes.append("\(problem); set aside as \(try setAside(entry, as: name))")
      if name == "damaged", entry == beginning.newer.last?.entry {
        notes.append("fell back to \(beginning.checkpoint.path)")
      }
    }
    return notes
  }

  // MARK: From the beginning

  /// What the run here was begun with; nil where that was never written.
  ///
  /// - Throws: `damaged`.
  public func start() throws(CheckpointError) -> RunRecord? {
    let bytes: [UInt8]
    guard files.exists(startPath) else { return nil }
    do throws(FileError) {
      bytes = try files.read(startPath, byteLimit: RunRecord.byteLimit)
    } catch {
      throw CheckpointError(reading: startPath, error)
    }
    return try RunRecord(beginning: bytes, path: startPath)
  }

  /// Writes down what the run here begins with. Once that has returned, the run can begin again after any loss of
  /// power.
  public func begin(with start: RunRecord) throws(CheckpointError) {
    do throws(FileError) {
      try files.writeAtomically(start.beginningBytes, to: startPath)
    } catch {
      throw .file(error)
    }
  }

  private var startPath: String { path + "/" + RunRecord.beginningFile }

  /// Takes away the beginning of the run before. First of all: a process that ends in between must not leave the old
  /// beginning for the new run.
  private func removeStart() throws(CheckpointError) {
    guard RunRecord.beginningStands(in: path, files) else { return }
    do throws(FileError) {
      try files.remove(startPath)
      try files.sync(path)
    } catch {
      throw .file(error)
    }
  }

  /// Makes room for a new run. Checkpoints of a run that came to its end are set aside.
  ///
  /// - Returns: Where those are now: to be removed once the new run has a checkpoint.
  /// - Throws: `occupied` where there is a run that did not come to its end.
  public func startAfresh() throws(CheckpointError) -> [String] {
    let all = try entries()
    if let newest = all.last {
      guard let record = try? Checkpoint.record(store.path(newest), files), record.isFinished else {
        throw .occupied(path: path, step: newest.step)
      }
    }
    try removeStart()
    var places: [String] = []
    for entry in all { places.append(try setAside(entry, as: RunDirectory.finished)) }
    return places
  }

  private func entries() throws(CheckpointError) -> [CheckpointStore.Entry] {
    do throws(FileError) {
      return try store.entries()
    } catch {
      throw .file(error)
    }
  }

  private func setAside(_ entry: CheckpointStore.Entry, as word: String) throws(CheckpointError) -> String {
    do throws(FileError) {
      return try store.setAside(entry, as: word)
    } catch {
      throw .file(error)
    }
  }
}
