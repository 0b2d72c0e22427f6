public import AutogradBase

/// The checkpoints of a run, each a folder `step-00001000`, or `step-00001000-2` where that step was saved before.
///
/// After `save` has returned, that checkpoint survives any loss of power; before, all older ones do. A name is never
/// used twice while its folder stands, and nothing that stands is renamed over or written to. Unfinished are folders
/// named `.step-00001000.tmp`, on their way in, and `.step-00001000.old`, on their way out; only they may be removed
/// unasked. Whatever else lies in the folder is somebody else's.
public struct CheckpointStore: Sendable {
  public let folder: String
  let fileSystem: any FileSystem

  /// A checkpoint by its name; ordered from the oldest to the newest.
  public struct Entry: Sendable, Equatable, Comparable {
    public let name: String
    public let step: Int
    /// 1 for the first checkpoint of its step.
    let number: Int

    init(step: Int, number: Int) {
      (self.step, self.number) = (step, number)
      let digits = "\(step)"
      name = "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
        + (number > 1 ? "-\(number)" : "")
    }

    /// Nil where a folder of this name is no checkpoint.
    public init?(name: String) {
      let parts = name.split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 2 || parts.count == 3, parts[0] == "step", let step = Int(parts[1]), step >= 0,
        let number = parts.count == 3 ? Int(parts[2]) : 1
      else { return nil }
      self.init(step: step, number: number)
      // Another spelling of the same numbers would be another folder.
      guard self.name == name else { return nil }
    }

    public static func < (a: Entry, b: Entry) -> Bool { (a.step, a.number) < (b.step, b.number) }
  }

  /// A file to be saved, in pieces.
  typealias File = (name: String, pieces: any Sequence<[UInt8]>)

  public init(folder: String, fileSystem: any FileSystem = POSIXFileSystem()) {
    self.folder = folder
    self.fileSystem = fileSystem
  }

  public func path(_ entry: Entry) -> String { folder + "/" + entry.name }

  /// All checkpoints, the newest last; their contents are not looked at.
  public func entries() throws(FileError) -> [Entry] {
    guard fileSystem.exists(folder) else { return [] }
    return try fileSystem.list(folder).compactMap { Entry(name: $0) }.sorted()
  }

  // MARK: Writing

  /// Saves files as the newest checkpoint.
  ///
  /// Writes and syncs them one by one in a folder of its own, then a manifest with their sizes and hashes, syncs the
  /// folder, gives it its name and syncs the folder above.
  ///
  /// - Throws: The first failure; what was written is removed, and no other checkpoint has been touched.
  func save(step: Int, _ files: [File]) throws(FileError) -> Entry {
    try fileSystem.createDirectory(folder)
    let last = try entries().last { $0.step == step }
    let entry = Entry(step: step, number: (last?.number ?? 0) + 1)
    let temporary = folder + "/." + entry.name + CheckpointStore.incoming
    if fileSystem.exists(temporary) { try fileSystem.removeTree(temporary) }
    try fileSystem.makeDirectory(temporary)
    do throws(FileError) {
      var listed: [CheckpointManifest.File] = []
      for file in files { listed.append(try write(file, in: temporary)) }
      let manifest = temporary + "/" + CheckpointManifest.name
      try fileSystem.create(manifest, CheckpointManifest(files: listed).bytes)
      try fileSystem.sync(manifest)
      try fileSystem.sync(temporary)
      try fileSystem.rename(temporary, to: path(entry))
    } catch {
      try? fileSystem.removeTree(temporary)
      throw error
    }
    do throws(FileError) {
      try fileSystem.sync(folder)
    } catch {
      // It stands there, but may not survive: it must not be taken for one that does.
      try? remove(entry)
      throw error
    }
    return entry
  }

  private func write(_ file: File, in temporary: String) throws(FileError) -> CheckpointManifest.File {
    let path = temporary + "/" + file.name
    var digest = Digest(), byteCount = 0
    func writeAll(_ pieces: some Sequence<[UInt8]>) throws(FileError) {
      try fileSystem.create(
        path,
        pieces: pieces.lazy.map { piece in
          digest.update(piece)
          byteCount += piece.count
          return piece
        })
    }
    try writeAll(file.pieces)
    try fileSystem.sync(path)
    return CheckpointManifest.File(name: file.name, byteCount: byteCount, sha256: digest.finish())
  }

  // MARK: Removing

  /// Removes what earlier processes left unfinished, by the names that `save`, `remove` and the file system's temporary
  /// files have and by no others.
  ///
  /// - Precondition: The run directory is locked.
  func removeUnfinished() throws(FileError) {
    guard fileSystem.exists(folder) else { return }
    for name in try fileSystem.list(folder) where CheckpointStore.isUnfinished(name) {
      try fileSystem.removeTree(folder + "/" + name)
    }
    try fileSystem.removeTemporaries(in: folder)
  }

  private static let incoming = ".tmp", outgoing = ".old"

  private static func isUnfinished(_ name: String) -> Bool {
    [incoming, outgoing].contains { suffix in
      name.hasPrefix(".") && name.hasSuffix(suffix)
        && Entry(name: String(name.dropFirst().dropLast(suffix.count))) != nil
    }
  }

  /// Removes a checkpoint: under another name first, so that no half of it is ever taken for one.
  func remove(_ entry: Entry) throws(FileError) {
    let doomed = folder + "/." + entry.name + CheckpointStore.outgoing
    if fileSystem.exists(doomed) { try fileSystem.removeTree(doomed) }
    try fileSystem.rename(path(entry), to: doomed)
    try fileSystem.sync(folder)
    try fileSystem.removeTree(doomed)
  }

  /// Gives a checkpoint a name under which it is no longer found, and lets it stand.
  ///
  /// - Returns: Its new path.
  func setAside(_ entry: Entry, as word: String) throws(FileError) -> String {
    var number = 1, destination = "\(folder)/\(word)-\(entry.name)"
    while fileSystem.exists(destination) {
      number += 1
      destination = "\(folder)/\(word)-\(entry.name)-\(number)"
    }
    try fileSystem.rename(path(entry), to: destination)
    try fileSystem.sync(folder)
    return destination
  }

  // MARK: Verifying

  /// Checks every file of a checkpoint against its manifest; nothing is taken from it before.
  ///
  /// - Throws: `damaged`; `file` where the system could not read what may well be good.
  /// - Complexity: reads all files once, a megabyte at a time.
  func verify(_ path: String) throws(CheckpointError) {
    let manifest: CheckpointManifest
    do {
      let bytes = try fileSystem.read(path + "/" + CheckpointManifest.name, byteLimit: CheckpointManifest.byteLimit)
      manifest = try CheckpointManifest(parsing: bytes)
    } catch let problem as CheckpointManifest.ManifestProblem {
      throw .damaged(path: path, problem.sentence)
    } catch let error as FileError {
      throw CheckpointError(reading: path, error)
    } catch {
      throw .damaged(path: path, "\(error)")
    }
    for file in manifest.files {
      var problem: String?
      do throws(FileError) {
        let opened = try fileSystem.openForReading(path + "/" + file.name)
        if opened.byteCount != file.byteCount {
          problem = "\(file.name) has \(opened.byteCount) bytes, not \(file.byteCount) as its manifest says"
        } else if try sha256(opened) != file.sha256 {
          problem = "\(file.name) does not have the hash that its manifest says"
        }
      } catch {
        throw CheckpointError(reading: path, error)
      }
      if let problem { throw .damaged(path: path, problem) }
    }
  }

  private func sha256(_ file: any RandomAccessFile) throws(FileError) -> String {
    var digest = Digest()
    try digest.update(file)
    return digest.finish()
  }

  /// The newest checkpoint that verifies, and what was wrong with those that are newer; nil where there is none at all.
  ///
  /// - Throws: `noneVerifies` where there are some; `file` where one could not be read, which is no reason to take an
  ///   older one: the next try may succeed.
  public func newestVerified() throws(CheckpointError) -> (entry: Entry, damaged: [(entry: Entry, problem: String)])? {
    var damaged: [(entry: Entry, problem: String)] = []
    let all: [Entry]
    do throws(FileError) {
      all = try entries()
    } catch {
      throw .file(error)
    }
    for entry in all.reversed() {
      do throws(CheckpointError) {
        try verify(path(entry))
        return (entry, damaged)
      } catch {
        guard case .damaged = error else { throw error }
        damaged.append((entry, "\(error)"))
      }
    }
    if damaged.isEmpty { return nil }
    throw .noneVerifies(folder: folder, damaged.map(\.problem))
  }
}
