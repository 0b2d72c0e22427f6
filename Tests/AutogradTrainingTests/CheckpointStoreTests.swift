import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradTraining

/// A disk that loses its power, or fails, at any moment of a save.
@Suite("Checkpoint store") struct CheckpointStoreTests {
  private static let folder = "run/checkpoints"
  private let first: [CheckpointStore.File] = [("a", CollectionOfOne([1, 2, 3])), ("b", [[4], [5, 6]])]
  private let second: [CheckpointStore.File] = [("a", CollectionOfOne([7, 8, 9])), ("b", [[10], [11]])]

  private func store(_ disk: CrashingFileSystem) -> CheckpointStore {
    CheckpointStore(folder: CheckpointStoreTests.folder, fileSystem: disk)
  }

  /// A disk with checkpoint 1 on it, all durable, or with an empty run directory.
  private func disk(withFirst: Bool) throws -> CrashingFileSystem {
    let disk = CrashingFileSystem(folders: ["run"])
    if withFirst { _ = try store(disk).save(step: 1, first) }
    return disk
  }

  /// Saves checkpoint 2 and removes the old one, as a run does.
  private func saveAndPrune(_ disk: CrashingFileSystem) throws {
    _ = try store(disk).save(step: 2, second)
    try store(disk).prune(keeping: 1, best: nil)
  }

  /// The step of what a resume would take up; nil where it would start afresh, −1 where nothing verifies.
  private func found(_ disk: CrashingFileSystem) -> Int? {
    do {
      return try store(disk).newestVerified()?.entry.step
    } catch {
      return -1
    }
  }

  @Test("a save makes, writes, syncs, and names last; what was there is not touched")
  func order() throws {
    let disk = try disk(withFirst: true).copy(), before = disk.contents
    let entry = try store(disk).save(step: 2, second)
    #expect(entry.name == "step-00000002")
    #expect(
      disk.operations == ["make", "create", "sync", "create", "sync", "create", "sync", "sync", "rename", "sync"])
    for (path, bytes) in before { #expect(disk.contents[path] == bytes) }
  }

  @Test("the power goes at every prefix of the operations: the old one or the new one; afterwards the new one",
    arguments: [false, true])
  func everyPrefix(withFirst: Bool) throws {
    let start = try disk(withFirst: withFirst), whole = start.copy()
    try saveAndPrune(whole)
    var reached: Set<Int?> = []
    for prefix in 0...whole.operations.count {
      let disk = start.copy(failure: .from(prefix))
      try? saveAndPrune(disk)
      for crashed in disk.afterCrash() {
        let step = found(crashed)
        reached.insert(step)
        #expect(step == 2 || step == (withFirst ? 1 : nil), "after \(prefix) operations")
      }
      if prefix == whole.operations.count { #expect(disk.afterCrash().allSatisfy { found($0) == 2 }) }
    }
    #expect(reached == [2, withFirst ? 1 : nil], "both must have been seen")
  }

  @Test("this suite notices a file system that forgets any one sync", arguments: [false, true])
  func forgottenSync(withFirst: Bool) throws {
    let start = try disk(withFirst: withFirst), whole = start.copy()
    _ = try store(whole).save(step: 2, second)
    #expect(whole.syncCount == (withFirst ? 5 : 6))
    for number in 0..<whole.syncCount {
      let disk = start.copy(forgottenSync: number)
      _ = try store(disk).save(step: 2, second)
      #expect(!disk.afterCrash().allSatisfy { found($0) == 2 }, "sync \(number) was not needed")
    }
  }

  @Test("a failure at any operation: old checkpoints byte-identical, no stray temporary after the next start")
  func failures() throws {
    let start = try disk(withFirst: true), before = start.contents, whole = start.copy()
    _ = try store(whole).save(step: 2, second)
    for number in 0..<whole.operations.count {
      for failure in [CrashingFileSystem.Failure.at(number), .from(number)] {
        let disk = start.copy(failure: failure)
        #expect(throws: FileError.self) { try store(disk).save(step: 2, second) }
        if case .at = failure {
          #expect(disk.contents == before, "the partial checkpoint is removed, operation \(number)")
        }
        let next = disk.copy()
        try store(next).removeUnfinished()
        for (path, bytes) in before { #expect(next.contents[path] == bytes) }
        #expect(!next.names.contains { $0.contains("/.") })
        // The interval after succeeds.
        _ = try store(next).save(step: 3, second)
        #expect(found(next) == 3)
      }
    }
  }

  @Test("what is unfinished goes by the names that saving and removing give; anything else stays, dot or not")
  func unfinished() throws {
    let disk = try disk(withFirst: true)
    let own = [".step-00000002.tmp", ".step-00000002-2.tmp", ".step-00000001.old"]
    let foreign = [".mine", ".step-2.tmp", ".step-00000002", ".step-00000002.bak", ".tmp", ".old", "step-00000003.tmp"]
    for name in own + foreign {
      try disk.makeDirectory("run/checkpoints/" + name)
      try disk.create("run/checkpoints/\(name)/a", [1])
    }
    let temporary = [".autograd-0.tmp", ".autograd-17.tmp"], resembling = [".autograd-01.tmp", ".autograd-.tmp"]
    for name in temporary + resembling { try disk.create("run/checkpoints/" + name, [1]) }
    try store(disk).removeUnfinished()
    let left = try disk.list("run/checkpoints")
    #expect(Set(left) == Set(foreign + resembling + ["step-00000001"]))
  }

  @Test("what is set aside is whole under its new name, found no longer, and survives the power's going")
  func settingAside() throws {
    let start = try disk(withFirst: true), disk = start.copy(), entry = try #require(try store(disk).entries().first)
    #expect(try store(disk).setAside(entry, as: "finished") == "run/checkpoints/finished-step-00000001")
    #expect(disk.operations == ["rename", "sync"])
    #expect(try store(disk).entries().isEmpty)
    for crashed in disk.afterCrash() {
      #expect(found(crashed) == nil, "the old name is gone for good")
      #expect(try crashed.read("run/checkpoints/finished-step-00000001/a", byteLimit: 9) == [1, 2, 3])
    }
    // The same name again, twice over.
    for number in 2...3 {
      let again = try store(disk).save(step: 1, first)
      let place = try store(disk).setAside(again, as: "finished")
      #expect(place == "run/checkpoints/finished-step-00000001-\(number)")
    }
    #expect(try disk.list("run/checkpoints").count == 3)
    for number in 0..<2 {
      let failing = start.copy(failure: .at(number))
      #expect(throws: FileError.self) { try store(failing).setAside(entry, as: "x") }
    }
    let forgetful = start.copy(forgottenSync: 0)
    _ = try store(forgetful).setAside(entry, as: "x")
    #expect(!forgetful.afterCrash().allSatisfy { found($0) == nil }, "this test notices a sync that is forgotten")
  }

  @Test("a checkpoint is removed under another name first, so that none is ever found in part")
  func removing() throws {
    let start = try disk(withFirst: true)
    _ = try store(start).save(step: 2, second)
    let base = start.copy(), whole = base.copy(), old = try #require(try store(base).entries().first)
    try store(whole).remove(old)
    #expect(whole.operations.starts(with: ["rename", "sync"]))
    #expect(whole.operations.dropFirst(2).allSatisfy { $0 == "remove" })
    #expect(try whole.list("run/checkpoints") == ["step-00000002"])
    for number in 0...whole.operations.count {
      let disk = base.copy(failure: .from(number))
      try? store(disk).remove(old)
      for crashed in disk.afterCrash() {
        // Found, it is whole; whatever else is left goes at the next start.
        for entry in try store(crashed).entries() { try store(crashed).verify(store(crashed).path(entry)) }
        let next = crashed.copy()
        try store(next).removeUnfinished()
        #expect(try next.list("run/checkpoints").allSatisfy { $0.hasPrefix("step-") })
      }
      // A second try, over what the first one left.
      let again = disk.copy()
      if again.exists("run/checkpoints/step-00000001") { try store(again).remove(old) }
    }
    // What an earlier process left under that name is in nobody's way.
    let left = base.copy()
    try left.makeDirectory("run/checkpoints/.step-00000001.old")
    try left.create("run/checkpoints/.step-00000001.old/a", [1])
    try store(left).remove(old)
    #expect(try left.list("run/checkpoints") == ["step-00000002"])
  }

  @Test("a step that is saved again gets a name of its own")
  func names() throws {
    let disk = try disk(withFirst: true)
    #expect(try store(disk).save(step: 1, second).name == "step-00000001-2")
    #expect(try store(disk).save(step: 1, second).name == "step-00000001-3")
    #expect(try store(disk).entries().map(\.name) == ["step-00000001", "step-00000001-2", "step-00000001-3"])
    for name in ["step-1", "step-00000001-1", "step--0000001", "step-", "damaged-step-00000001", ".step-00000001.tmp"] {
      #expect(CheckpointStore.Entry(name: name) == nil, "\(name)")
    }
    #expect(CheckpointStore.Entry(name: "step-123456789")?.step == 123_456_789)
  }

  @Test("pruning keeps the newest and the best")
  func pruning() throws {
    let disk = CrashingFileSystem(folders: ["run"])
    let entries = try (1...5).map { try store(disk).save(step: $0, first) }
    try store(disk).prune(keeping: 2, best: entries[1])
    #expect(try store(disk).entries().map(\.step) == [2, 4, 5])
  }

  @Test(
    "any changed, missing, longer or shorter file is found, and the one before is taken",
    arguments: ["a", "b", "manifest.json"])
  func damage(name: String) throws {
    let changes: [([UInt8]) -> [UInt8]?] = [
      { bytes in
        var changed = bytes
        changed[bytes.count / 2] ^= 1
        return changed
      },
      // The manifest's last byte is a line end, which nobody would miss.
      { $0 + [0] }, { Array($0.dropLast(2)) }, { _ in [] }, { _ in nil },
    ]
    for change in changes {
      let disk = try disk(withFirst: true), path = "run/checkpoints/step-00000002/" + name
      _ = try store(disk).save(step: 2, second)
      let old = try disk.read(path, byteLimit: 1 << 20)
      try disk.remove(path)
      if let new = change(old) { try disk.create(path, new) }
      let result = try #require(try store(disk).newestVerified())
      #expect(result.entry.step == 1)
      #expect(result.damaged.map(\.entry.step) == [2])
      #expect(result.damaged.first?.problem.hasPrefix("run/checkpoints/step-00000002 is damaged: ") == true)
    }
  }

  @Test("where none verifies, that is an error with each one's trouble; where there is none, it is not")
  func noneVerifies() throws {
    let disk = try disk(withFirst: true)
    #expect(try store(CrashingFileSystem(folders: ["run"])).newestVerified() == nil)
    try disk.remove("run/checkpoints/step-00000001/a")
    do {
      _ = try store(disk).newestVerified()
      Issue.record("took a checkpoint without a file")
    } catch {
      guard case .noneVerifies(_, let problems) = error else { throw error }
      #expect(problems.count == 1 && problems[0].contains("step-00000001/a"))
    }
  }

  @Test("a manifest that names files outside its folder, or nothing, is refused")
  func hostileManifests() {
    func manifest(_ files: String) -> [UInt8] {
      Array("{\"format\": \"swift-autograd checkpoint\", \"version\": 1, \"files\": \(files)}".utf8)
    }
    let hash = String(repeating: "0", count: 64)
    for name in ["../a", "/etc/passwd", ".", "..", "", "a/b", "a\\u0000"] {
      #expect(throws: CheckpointManifest.ManifestProblem.self) {
        try CheckpointManifest(parsing: manifest("[{\"name\": \"\(name)\", \"bytes\": 1, \"sha256\": \"\(hash)\"}]"))
      }
    }
    for files in ["[]", "{}", "3", "[{}]", "[{\"name\": \"a\", \"bytes\": -1, \"sha256\": \"\(hash)\"}]"] {
      #expect(throws: CheckpointManifest.ManifestProblem.self) { try CheckpointManifest(parsing: manifest(files)) }
    }
  }
}
