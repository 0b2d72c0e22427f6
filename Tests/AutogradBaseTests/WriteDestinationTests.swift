import AutogradBase
import AutogradTestSupport
import Dispatch
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// Only plain files are replaced; whatever else stands at a path is written into or refused, and stays what it is.
@Suite("What a file is written over") struct WriteDestinationTests {
  let disk = POSIXFileSystem()

  private func mode(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  @Test("a folder, a link that leads nowhere, a circle of links and a pipe that nobody reads are refused and stay")
  func refused() throws {
    try temporaryDirectory { folder in
      let path = folder + "/x"
      func expect(_ error: FileError, _ kind: mode_t) {
        #expect(throws: error) { try disk.writeAtomically([1], to: path) }
        #expect(mode(path) == kind)
        #expect((try? disk.list(folder)) == ["x"], "nothing else is left")
        unlink(path)
        rmdir(path)
      }
      mkdir(path, 0o700)
      #expect(throws: FileError.isDirectory(.write, path: path)) { try disk.requireWritable(path) }
      expect(.isDirectory(.write, path: path), S_IFDIR)
      symlink("nowhere", path)
      #expect(throws: FileError.brokenLink(.write, path: path)) { try disk.requireWritable(path) }
      expect(.brokenLink(.write, path: path), S_IFLNK)
      symlink("x", path)
      #expect(throws: FileError.linkLoop(.write, path: path)) { try disk.requireWritable(path) }
      expect(.linkLoop(.write, path: path), S_IFLNK)
      mkfifo(path, 0o600)
      try disk.requireWritable(path)
      expect(.notRegular(.write, path: path), S_IFIFO)
    }
  }

  @Test("a socket is refused and stays")
  func sockets() throws {
    try temporaryDirectory { folder in
      let path = folder + "/s", number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(number) }
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8) + [0]) }
      let bound = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      try #require(bound == 0)
      #expect(throws: FileError.notRegular(.write, path: path)) { try disk.writeAtomically([1], to: path) }
      #expect(mode(path) == S_IFSOCK)
    }
  }

  @Test("a pipe takes all bytes, however slowly it is read, and stays a pipe", .timeLimit(.minutes(1)))
  func pipes() throws {
    try temporaryDirectory { folder in
      let path = folder + "/pipe", bytes = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      mkfifo(path, 0o600)
      let reader = open(path, O_RDONLY | O_NONBLOCK)
      try #require(reader >= 0)
      _ = fcntl(reader, F_SETFL, 0)
      let queue = DispatchQueue(label: "reader"), done = DispatchSemaphore(value: 0)
      nonisolated(unsafe) var read: [UInt8] = []
      queue.async {
        var piece = [UInt8](repeating: 0, count: 4096)
        while read.count < bytes.count {
          usleep(200)
          let count = Glibc.read(reader, &piece, piece.count)
          guard count > 0 else { break }
          read += piece[..<count]
        }
        done.signal()
      }
      try disk.writeAtomically(bytes, to: path)
      done.wait()
      close(reader)
      #expect(read == bytes)
      #expect(mode(path) == S_IFIFO)
    }
  }

  @Test("a device is written into, directly or through a link, and a full one is told")
  func devices() throws {
    try temporaryDirectory { folder in
      for (name, target) in [("null", "/dev/null"), ("full", "/dev/full")] {
        let path = folder + "/" + name
        symlink(target, path)
        try disk.requireWritable(path)
        if name == "full" {
          #expect(throws: FileError.noSpace(.write, path: path)) { try disk.writeAtomically([1, 2], to: path) }
        } else {
          try disk.writeAtomically([1, 2], to: path)
        }
        #expect(mode(path) == S_IFLNK && mode(target) == S_IFCHR)
      }
      // Only root may make one, and not everywhere.
      let made = folder + "/made"
      if mknod(made, S_IFCHR | 0o600, 1 << 8 | 3) == 0 {
        try disk.writeAtomically([1, 2], to: made)
        #expect(mode(made) == S_IFCHR)
      }
      let block = folder + "/block"
      if mknod(block, S_IFBLK | 0o600, 240 << 8 | 200) == 0 {
        #expect(throws: FileError.notRegular(.write, path: block)) { try disk.writeAtomically([1], to: block) }
        #expect(mode(block) == S_IFBLK)
      }
    }
  }

  @Test("a link to a file stays, and the file it points to is replaced")
  func links() throws {
    try temporaryDirectory { folder in
      mkdir(folder + "/there", 0o700)
      try disk.create(folder + "/there/f", [1])
      symlink("there/f", folder + "/link")
      try disk.writeAtomically([2, 3], to: folder + "/link")
      #expect(mode(folder + "/link") == S_IFLNK)
      #expect(try disk.read(folder + "/there/f", byteLimit: 9) == [2, 3])
      #expect(try disk.list(folder + "/there") == ["f"])
    }
  }

  @Test("the file that standard output goes to is added to, not taken away")
  func standardOutput() async {
    await #expect(processExitsWith: .success) {
      try temporaryDirectory { folder in
        let path = folder + "/out", disk = POSIXFileSystem()
        try disk.create(path, Array("before\n".utf8))
        let file = open(path, O_WRONLY | O_APPEND)
        dup2(file, 1)
        try disk.writeAtomically(Array("trace\n".utf8), to: path)
        #expect(write(1, "after\n", 6) == 6)
        #expect(try disk.read(path, byteLimit: 99) == Array("before\ntrace\nafter\n".utf8))
      }
    }
  }

  @Test("what fails is told of the path that was named, and leaves nothing")
  func names() throws {
    try temporaryDirectory { folder in
      let missing = folder + "/no/file", long = folder + "/" + String(repeating: "n", count: 256)
      try disk.create(folder + "/plain", [1])
      for (path, error) in [
        (missing, FileError.noFolder(.write, path: missing)), (long, .nameTooLong(.write, path: long)),
        (folder + "/plain/x", .notDirectory(.write, path: folder + "/plain/x")),
        ("/proc/nothing/f", .noFolder(.write, path: "/proc/nothing/f")),
      ] {
        #expect(throws: error) { try disk.writeAtomically([1], to: path) }
        #expect(throws: error) { try disk.requireWritable(path) }
        #expect(error.description.contains(path) && error.isOfTheName)
      }
      for path in [folder + "/new", folder + "/plain"] { try disk.requireWritable(path) }
      #expect(try disk.list(folder) == ["plain"])
      #expect(try disk.read(folder + "/plain", byteLimit: 9) == [1])
    }
  }

  @Test("folders are not made where links lead nowhere, nor under names that are too long")
  func folders() throws {
    try temporaryDirectory { folder in
      symlink("nowhere", folder + "/dangling")
      symlink("loop", folder + "/loop")
      let long = folder + "/" + String(repeating: "n", count: 256)
      for (path, error) in [
        (folder + "/dangling", FileError.brokenLink(.createFolder, path: folder + "/dangling")),
        (folder + "/loop", .brokenLink(.createFolder, path: folder + "/loop")),
        (folder + "/dangling/run", .brokenLink(.createFolder, path: folder + "/dangling")),
        (long, .nameTooLong(.createFolder, path: long)),
      ] {
        #expect(throws: error) { try disk.createDirectory(path) }
      }
      #expect(throws: FileError.linkLoop(.read, path: folder + "/loop")) { try disk.read(folder + "/loop", byteLimit: 9) }
      #expect(throws: FileError.nameTooLong(.read, path: long)) { try disk.read(long, byteLimit: 9) }
      let left = try disk.list(folder)
      #expect(left == ["dangling", "loop"])
    }
  }

  @Test("what a lock would empty must be a plain file")
  func locks() throws {
    try temporaryDirectory { folder in
      mkfifo(folder + "/lock", 0o600)
      #expect(throws: FileError.notRegular(.lock, path: folder + "/lock")) { _ = try FileLock.take(folder + "/lock") }
    }
  }

  @Test("names are to blame where another would do; otherwise the disk is")
  func blame() {
    let names: [FileError] = [
      .notFound(.read, path: ""), .isDirectory(.read, path: ""), .notDirectory(.read, path: ""),
      .notRegular(.read, path: ""), .alreadyExists(.read, path: ""), .permissionDenied(.read, path: ""),
      .readOnly(.read, path: ""), .noFolder(.read, path: ""), .brokenLink(.read, path: ""), .linkLoop(.read, path: ""),
      .nameTooLong(.read, path: ""), .tooLarge(path: "", byteCount: 1, byteLimit: 0), .invalidPath(path: ""),
    ]
    let disk: [FileError] = [
      .notEmpty(.read, path: ""), .noSpace(.read, path: ""), .truncated(path: "", byteCount: 0, expected: 1),
      .io(.read, path: "", errorNumber: EIO),
    ]
    #expect(names.allSatisfy(\.isOfTheName) && disk.allSatisfy { !$0.isOfTheName })
    let kinds = [
      EACCES: FileError.permissionDenied(.write, path: "p"), EPERM: .permissionDenied(.write, path: "p"),
      EROFS: .readOnly(.write, path: "p"), ELOOP: .linkLoop(.write, path: "p"),
      ENAMETOOLONG: .nameTooLong(.write, path: "p"), ENOSPC: .noSpace(.write, path: "p"),
      EDQUOT: .noSpace(.write, path: "p"), ENXIO: .notRegular(.write, path: "p"),
      EIO: .io(.write, path: "p", errorNumber: EIO),
    ]
    for (number, error) in kinds { #expect(FileError(errorNumber: number, .write, path: "p") == error) }
  }
}

/// Standard input is what the test's process has: a pipe that is put in its place.
@Suite("Standard input") struct StandardInputTests {
  @Test("lines come one by one as bytes, the last without an end, and the rest at once", .timeLimit(.minutes(1)))
  func lines() async {
    await #expect(processExitsWith: .success) {
      var ends: [Int32] = [0, 0]
      #expect(pipe(&ends) == 0)
      dup2(ends[0], 0)
      _ = fcntl(0, F_SETFL, O_NONBLOCK)
      let text = Array("one\n\ntw\u{FFFD}".utf8) + [0xFF] + Array("\nlast\nand more".utf8), end = ends[1]
      DispatchQueue.global().async {
        for byte in text {
          usleep(300)
          _ = write(end, [byte], 1)
        }
        close(end)
      }
      var input = StandardInput()
      var found: [[UInt8]] = []
      while let line = try input.line() { found.append(line) }
      let invalid = Array("tw\u{FFFD}".utf8) + [0xFF]
      #expect(found == [Array("one".utf8), [], invalid, Array("last".utf8), Array("and more".utf8)])
      let rest = try input.all(byteLimit: 9)
      #expect(rest.isEmpty)
    }
  }

  @Test("all of it, up to a limit")
  func all() async {
    await #expect(processExitsWith: .success) {
      for (count, limit) in [(0, 0), (5, 5), (200_000, 200_000), (6, 5)] {
        let path = "/tmp/autograd-input-\(getpid())"
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        unlink(path)
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(write(file, bytes, count) == count)
        lseek(file, 0, SEEK_SET)
        dup2(file, 0)
        var input = StandardInput()
        if count <= limit {
          let found = try input.all(byteLimit: limit)
          #expect(found == bytes)
        } else {
          #expect(throws: FileError.tooLarge(path: "standard input", byteCount: 6, byteLimit: 5)) {
            try input.all(byteLimit: limit)
          }
        }
      }
    }
  }
}
