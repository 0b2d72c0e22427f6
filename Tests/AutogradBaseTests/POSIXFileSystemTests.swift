import AutogradBase
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// Calls `body` with a new empty folder and removes it afterwards with the files in it.
private func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let disk = POSIXFileSystem()
  let path = "/tmp/autograd-tests-\(getpid())-\(UInt64.random(in: 0 ... .max))"
  try disk.createDirectory(path)
  defer { removeTree(path) }
  try body(path)
}

private func removeTree(_ path: String) {
  let disk = POSIXFileSystem()
  for name in (try? disk.list(path)) ?? [] { removeTree(path + "/" + name) }
  try? disk.remove(path)
}

@Suite("POSIXFileSystem")
struct POSIXFileSystemTests {
  let disk = POSIXFileSystem()

  @Test("bytes come back as written", arguments: [0, 1, 4095, 4096, 4097, 1_000_000])
  func roundTrip(count: Int) throws {
    try withTemporaryFolder { folder in
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try disk.writeAtomically(bytes, to: folder + "/f")
      #expect(try disk.read(folder + "/f", byteLimit: count) == bytes)
      try disk.writeAtomically([7], to: folder + "/f")
      #expect(try disk.read(folder + "/f", byteLimit: 1) == [7])
      #expect(try disk.list(folder) == ["f"])
    }
  }

  @Test("a limit is an error before reading, and for files that do not tell their size")
  func limits() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/f"
      try disk.create(path, [1, 2, 3])
      #expect(throws: FileError.tooLarge(path: path, byteCount: 3, byteLimit: 2)) {
        try disk.read(path, byteLimit: 2)
      }
      #expect(unsafe truncate(path, 1 << 40) == 0)
      #expect(throws: FileError.tooLarge(path: path, byteCount: 1 << 40, byteLimit: 1 << 32)) {
        try disk.read(path, byteLimit: 1 << 32)
      }
    }
    #if os(Linux)
      #expect(try disk.read("/proc/self/status", byteLimit: 1 << 20).count > 100)
      #expect(throws: FileError.self) { try disk.read("/proc/self/status", byteLimit: 10) }
    #endif
  }

  @Test("reading what is no plain file is an error at once", .timeLimit(.minutes(1)))
  func notFiles() throws {
    try withTemporaryFolder { folder in
      #expect(throws: FileError.isDirectory(.read, path: folder)) { try disk.read(folder, byteLimit: 9) }
      let missing = folder + "/missing"
      #expect(throws: FileError.notFound(.read, path: missing)) { try disk.read(missing, byteLimit: 9) }
      let pipe = folder + "/pipe"
      #expect(unsafe mkfifo(pipe, 0o600) == 0)
      #expect(throws: FileError.notRegular(.read, path: pipe)) { try disk.read(pipe, byteLimit: 9) }
      #expect(throws: FileError.notRegular(.append, path: pipe)) { try disk.openForAppending(pipe) }
      let below = folder + "/pipe/x"
      #expect(throws: FileError.notDirectory(.read, path: below)) { try disk.read(below, byteLimit: 9) }
    }
    #expect(throws: FileError.notRegular(.read, path: "/dev/null")) {
      try disk.read("/dev/null", byteLimit: 9)
    }
    #expect(throws: FileError.invalidPath(path: "")) { try disk.read("", byteLimit: 9) }
    #expect(throws: FileError.invalidPath(path: "/etc/passwd\0x")) {
      try disk.read("/etc/passwd\0x", byteLimit: 1 << 20)
    }
  }

  @Test("folders are made with those above them, and a file in the way is an error")
  func folders() throws {
    try withTemporaryFolder { folder in
      try disk.createDirectory(folder + "/a/b/c")
      try disk.createDirectory(folder + "/a/b/c/")
      #expect(disk.exists(folder + "/a/b/c"))
      try disk.create(folder + "/a/file", [])
      #expect(throws: FileError.notDirectory(.createFolder, path: folder + "/a/file")) {
        try disk.createDirectory(folder + "/a/file")
      }
      #expect(throws: FileError.notDirectory(.createFolder, path: folder + "/a/file/x")) {
        try disk.createDirectory(folder + "/a/file/x")
      }
      #expect(try disk.list(folder + "/a") == ["b", "file"])
      #expect(throws: FileError.self) { try disk.remove(folder + "/a") }
      try disk.remove(folder + "/a/file")
      #expect(!disk.exists(folder + "/a/file"))
    }
  }

  @Test("names are listed by their bytes")
  func order() throws {
    try withTemporaryFolder { folder in
      for name in ["b", "é", "Z", "a", ".x", "e\u{301}"] { try disk.create(folder + "/" + name, []) }
      #expect(
        try disk.list(folder).map { Array($0.utf8) }
          == [".x", "Z", "a", "b", "e\u{301}", "é"].map { Array($0.utf8) })
      #expect(throws: FileError.notFound(.list, path: folder + "/none")) { try disk.list(folder + "/none") }
      #expect(throws: FileError.notDirectory(.list, path: folder + "/a")) { try disk.list(folder + "/a") }
    }
  }

  @Test("existing files are neither created over nor lost to a failed write")
  func noOverwriting() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/f"
      try disk.create(path, [1])
      #expect(throws: FileError.alreadyExists(.write, path: path)) { try disk.create(path, [2]) }
      #expect(try disk.read(path, byteLimit: 9) == [1])
      #expect(throws: FileError.isDirectory(.write, path: folder + "/d")) {
        try disk.createDirectory(folder + "/d")
        try disk.writeAtomically([3], to: folder + "/d")
      }
      #expect(throws: FileError.notFound(.rename, path: folder + "/no")) {
        try disk.rename(folder + "/no", to: path)
      }
      let nowhere = folder + "/no/f"
      #expect(throws: FileError.self) { try disk.writeAtomically([3], to: nowhere) }
      #expect(try disk.list(folder) == ["d", "f"], "no temporary file is left")
    }
  }

  @Test("each error names its path and says what to do")
  func sentences() {
    let errors: [FileError] = [
      .notFound(.read, path: "p.txt"), .isDirectory(.read, path: "p.txt"),
      .notDirectory(.list, path: "p.txt"),
      .notRegular(.read, path: "p.txt"), .alreadyExists(.write, path: "p.txt"),
      .permissionDenied(.append, path: "p.txt"), .noSpace(.write, path: "p.txt"),
      .tooLarge(path: "p.txt", byteCount: 3, byteLimit: 2), .invalidPath(path: "p.txt"),
      .io(.sync, path: "p.txt", errorNumber: EIO), .readOnly(.write, path: "p.txt"), .noFolder(.write, path: "p.txt"),
      .brokenLink(.write, path: "p.txt"), .linkLoop(.read, path: "p.txt"), .nameTooLong(.read, path: "p.txt"),
    ]
    for error in errors {
      #expect(error.path == "p.txt")
      #expect(error.description.contains("p.txt") && error.description.contains(";"))
    }
    #expect(errors[0].description == "cannot read p.txt: it does not exist; check the path")
    #expect(errors[9].description.contains("Input/output error"))
  }

  @Test("permission denied is told", .enabled(if: geteuid() != 0))
  func permissions() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/f"
      try disk.create(path, [1])
      #expect(unsafe chmod(path, 0) == 0)
      #expect(throws: FileError.permissionDenied(.read, path: path)) { try disk.read(path, byteLimit: 9) }
    }
  }
}

private func write(_ bytes: [UInt8], to file: AppendFile) -> Bool { file.write(bytes.span) }

@Suite("AppendFile")
struct AppendFileTests {
  let disk = POSIXFileSystem()

  @Test("adds at the end, also after reopening, and closes when released")
  func appending() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log"
      for round in 0..<2000 {  // more than a process may have open
        let file = try disk.openForAppending(path)
        #expect(write([UInt8(truncatingIfNeeded: round)], to: file))
      }
      let expected = (0..<2000).map { UInt8(truncatingIfNeeded: $0) }
      #expect(try disk.read(path, byteLimit: 5000) == expected)
      #expect(throws: FileError.isDirectory(.append, path: folder)) { try disk.openForAppending(folder) }
    }
  }

  #if os(Linux)
    @Test("a full disk is an answer")
    func fullDisk() throws {
      let file = try disk.openForAppending("/dev/full")
      #expect(!write([1, 2], to: file))
      #expect(!write([1, 2], to: file))
    }

    @Test("half a line is taken back, and a file that cannot be written whole is removed")
    func partialWrites() async {
      await #expect(processExitsWith: .success) {
        // In a process of its own: the limit plays a disk that fills up after 10 bytes.
        signal(SIGXFSZ, SIG_IGN)
        let disk = POSIXFileSystem()
        try withTemporaryFolder { folder in
          let file = try disk.openForAppending(folder + "/log")
          var limit = rlimit(rlim_cur: 10, rlim_max: 1 << 30)
          #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
          #expect(write(Array("12345\n".utf8), to: file))
          #expect(!write(Array("678901234\n".utf8), to: file))
          #expect(write(Array("ab\n".utf8), to: file))
          #expect(try disk.read(folder + "/log", byteLimit: 99) == Array("12345\nab\n".utf8))
          #expect(throws: FileError.self) {
            try disk.create(folder + "/big", [UInt8](repeating: 1, count: 100))
          }
          #expect(try disk.list(folder) == ["log"])
        }
      }
    }
  #endif
}
