import AutogradBase
import Dispatch
import AutogradTestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// Files that another process cuts off: all of the bytes or an error, never fewer bytes, zeros or a signal.
@Suite("Files cut off while they are read") struct TruncationTests {
  @Test("reading in pieces says where the file ends by now")
  func pieces() throws {
    try temporaryDirectory { folder in
      let disk = POSIXFileSystem(), path = folder + "/f"
      try disk.create(path, [UInt8](repeating: 7, count: 10_000))
      let file = try disk.openForReading(path)
      #expect(try file.read(5000..<10_000) == [UInt8](repeating: 7, count: 5000))
      try #require(unsafe truncate(path, 6000) == 0)
      #expect(file.byteCount == 10_000)
      #expect(try file.read(0..<6000).count == 6000)
      for (range, end) in [(5000..<10_000, 6000), (7000..<7001, 7000)] {
        let error = FileError.truncated(path: path, byteCount: end, expected: range.upperBound)
        #expect(throws: error) { try file.read(range) }
      }
    }
  }

  @Test("reading at once gives everything or the error, whenever the cut comes", .timeLimit(.minutes(1)))
  func whole() throws {
    try temporaryDirectory { folder in
      let disk = POSIXFileSystem(), path = folder + "/f", bytes = [UInt8](repeating: 7, count: 8 << 20)
      var wasCutOff = false, round = 0
      while !wasCutOff, round < 1000 {
        try disk.create(path, bytes)
        let delay = UInt32(round % 40) * 100, group = DispatchGroup()
        DispatchQueue.global().async(group: group) {
          usleep(delay)
          unsafe _ = truncate(path, 100)
        }
        do {
          let read = try disk.read(path, byteLimit: bytes.count)
          // Before its first read call nothing tells that there ever was more.
          #expect(read == bytes || read.count == 100)
        } catch {
          guard let error = error as? FileError, case .truncated(_, let count, _) = error else { throw error }
          #expect(error == .truncated(path: path, byteCount: count, expected: bytes.count) && count < bytes.count)
          wasCutOff = true
        }
        group.wait()
        try disk.remove(path)
        round += 1
      }
      #expect(wasCutOff, "1000 cuts all came too early or too late")
    }
  }
}
