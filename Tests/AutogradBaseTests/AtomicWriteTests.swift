import AutogradBase
import AutogradTestSupport
import Testing

@Suite("writeAtomically")
struct AtomicWriteTests {
  let old: [UInt8] = [1, 1, 1]
  let new: [UInt8] = [2, 2]

  /// Whether a crash after this write can leave anything but what is allowed.
  private func survives(_ disk: CrashingFileSystem, allowed: [[UInt8]]) -> Bool {
    disk.afterCrash().allSatisfy { crashed in
      (try? crashed.read("d/f", byteLimit: 10)).map { allowed.contains($0) } ?? false
    }
  }

  @Test("does nothing but create, sync, rename, sync")
  func order() throws {
    let disk = CrashingFileSystem(files: [("d/f", old)])
    try disk.writeAtomically(new, to: "d/f")
    #expect(disk.operations == ["create", "sync", "rename", "sync"])
    #expect(disk.names == ["d/f"])
    #expect(survives(disk, allowed: [new]), "after it returned, only the new bytes")
  }

  @Test("a failure or crash at any operation leaves the old bytes or the new", arguments: 0..<4)
  func failures(operation: Int) {
    let disk = CrashingFileSystem(files: [("d/f", old)], failure: .at(operation))
    #expect(throws: FileError.self) { try disk.writeAtomically(new, to: "d/f") }
    #expect(survives(disk, allowed: [old, new]))
    #expect(disk.names == ["d/f"], "the temporary file is gone")
  }

  @Test("of several files none is replaced before all are written; temporary files go, whatever fails", arguments: 0..<8)
  func several(operation: Int) throws {
    let files: [(name: String, pieces: any Sequence<[UInt8]>)] = [
      ("f", CollectionOfOne(new)), ("g", CollectionOfOne(new)),
    ]
    let whole = CrashingFileSystem(files: [("d/f", old), ("d/g", old)])
    try whole.replaceFiles(files, in: "d")
    // The first name is taken when the second file asks for one.
    #expect(whole.operations == ["create", "sync", "create", "create", "sync", "rename", "rename", "sync"])
    let disk = CrashingFileSystem(files: [("d/f", old), ("d/g", old)], failure: .at(operation))
    #expect(throws: FileError.self) { try disk.replaceFiles(files, in: "d") }
    #expect(disk.names == ["d/f", "d/g"])
    let found = try ["d/f", "d/g"].map { try disk.read($0, byteLimit: 10) }
    #expect(found == (operation < 6 ? [old, old] : operation == 6 ? [new, old] : [new, new]))
  }

  @Test("this suite notices a file system that forgets one sync", arguments: 0..<2)
  func forgottenSync(index: Int) throws {
    let disk = CrashingFileSystem(files: [("d/f", old)], forgottenSync: index)
    try disk.writeAtomically(new, to: "d/f")
    #expect(!survives(disk, allowed: [new]))
  }

  @Test("passes over temporary files that others left")
  func leftovers() throws {
    let disk = CrashingFileSystem(files: [("d/.autograd-0.tmp", old)])
    try disk.writeAtomically(new, to: "d/f")
    #expect(disk.names == ["d/.autograd-0.tmp", "d/f"])
    #expect(try disk.read("d/.autograd-0.tmp", byteLimit: 10) == old)
  }

  @Test(
    "the folder of a path",
    arguments: [
      ("f", "."), ("a/f", "a"), ("/f", "/"), ("/a/f", "/a"), ("a/b/", "a"), ("a//f", "a"), ("/", "/"),
      ("//f", "/"),
      ("./f", "."), ("../f", ".."),
    ])
  func parents(path: String, folder: String) {
    #expect(parentDirectory(of: path) == (path == "/" ? "/" : folder))
  }
}
