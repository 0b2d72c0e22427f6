import CAutogradSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// Standard output or standard error, unbuffered: what was written is out. A stream that does not block is waited for.
package enum StandardStream: Int32, Sendable {
  case output = 1
  case error = 2

  /// - Returns: The system's error number where not all could be written; nil where it was.
  package func write(_ bytes: Span<UInt8>) -> Int32? {
    writeBytes(bytes, to: rawValue, waits: true) == bytes.count ? nil : errno
  }

  /// Columns of the terminal that it is; nil where it is none, or does not tell.
  package var columns: Int? {
    var size = winsize()
    // INVARIANT: the call writes one structure of this type, which lives during the call.
    guard unsafe ioctl(rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }
}

/// Standard input as bytes, which nothing repairs: to its end, or line by line.
package struct StandardInput {
  private var read: [UInt8] = []
  private var hasEnded = false

  package init() {}

  /// Everything that is left.
  ///
  /// - Throws: `tooLarge` above `byteLimit` bytes.
  package mutating func all(byteLimit: Int) throws(FileError) -> [UInt8] {
    while !hasEnded {
      guard read.count <= byteLimit else {
        throw .tooLarge(path: "standard input", byteCount: read.count, byteLimit: byteLimit)
      }
      try readMore()
    }
    defer { read = [] }
    return read
  }

  /// What comes next, as soon as there is something; nil at the end.
  package mutating func some() throws(FileError) -> [UInt8]? {
    if read.isEmpty, !hasEnded { try readMore() }
    defer { read = [] }
    return read.isEmpty ? nil : read
  }

  /// The next line without its end; nil after the last.
  package mutating func line() throws(FileError) -> [UInt8]? {
    var searched = 0
    while true {
      if let end = read[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { read.removeFirst(end + 1) }
        return Array(read[..<end])
      }
      if hasEnded {
        defer { read = [] }
        return read.isEmpty ? nil : read
      }
      searched = read.count
      try readMore()
    }
  }

  /// The next line, as `line()` gives it, or what came instead of one.
  ///
  /// To be asked once interrupts are counted (`Interrupts.count`). A terminal forgets the line that was being typed.
  package mutating func lineOrInterrupt() throws(FileError) -> Line {
    while true {
      if read.contains(UInt8(ascii: "\n")) || hasEnded { return try line().map(Line.text) ?? .end }
      guard Interrupts.waitForInput() else { return .interrupt }
      try readMore()
    }
  }

  /// What a wait for a line ended in.
  package enum Line: Equatable, Sendable {
    case text([UInt8])
    /// There are no more.
    case end
    /// Ctrl-C.
    case interrupt
  }

  /// Everything that is left, as a file: in memory, or where it is more than that in a file of the temporary folder, which
  /// has no name any more and is gone with the process.
  package static func file(mostInMemory: Int) throws(FileError) -> any RandomAccessFile {
    var input = StandardInput()
    while !input.hasEnded, input.read.count <= mostInMemory { try input.readMore() }
    if input.hasEnded { return FileInMemory(path: "standard input", bytes: input.read) }
    let files = POSIXFileSystem()
    let (path, file) = try files.createTemporaryForWriting(in: temporaryFolder())
    defer { try? files.remove(path) }
    var offset = 0
    while !input.read.isEmpty {
      // INVARIANT: bytes are bytes, and they outlive the call.
      try file.write(unsafe input.read.span.bytes, at: offset)
      offset += input.read.count
      input.read.removeAll(keepingCapacity: true)
      while !input.hasEnded, input.read.count < 1 << 20 { try input.readMore() }
    }
    return try files.openForReading(path)
  }

  private mutating func readMore() throws(FileError) {
    var count = -1
    read.append(addingCapacity: 1 << 16) { room in
      // INVARIANT: only bytes behind the initialised ones are written, never beyond the buffer; the count follows them.
      unsafe room.withUnsafeMutableBufferPointer { buffer, initializedCount in
        repeat {
          count = unsafe Self.readBytes(0, buffer.baseAddress! + initializedCount, buffer.count - initializedCount)
        } while count < 0 && canTryAgain(0, Int16(POLLIN), waits: true)
        initializedCount += max(0, count)
      }
    }
    if count < 0 { throw fileError(errno, .read, "standard input") }
    hasEnded = count == 0
  }

  // Under a name that the property does not hide.
  private static func readBytes(_ descriptor: Int32, _ room: UnsafeMutableRawPointer, _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.read(descriptor, room, count)
    #elseif canImport(Darwin)
      unsafe Darwin.read(descriptor, room, count)
    #else
      unsafe Musl.read(descriptor, room, count)
    #endif
  }
}

/// Ctrl-C as an event, where it must not end the process.
package enum Interrupts {
  /// Counts SIGINT from now on; it has no other effect.
  ///
  /// - Returns: Whether the system lets it.
  package static func watch() -> Bool { csystem_count_interrupts() != 0 }

  package static var count: UInt32 { csystem_interrupt_count() }

  /// - Returns: False where Ctrl-C came first, or came already and nobody was told.
  fileprivate static func waitForInput() -> Bool { csystem_wait_for_input(0) != 0 }

  /// Takes back what is left to be told: an interrupt that somebody has acted upon already.
  package static func forget() { csystem_forget_interrupts() }
}
