import Testing

@testable import AutogradBase

@Suite("Files of the system") struct SystemFileTests {
  @Test(
    "a line is found by its whole name, and counts kilobytes",
    arguments: [
      ("MemFree", 2048), ("Mem", nil), ("MemTotal", nil), ("Shmem", nil), ("Wide", 3072), ("Zero", 0),
    ] as [(String, Int?)])
  func lines(name: String, expected: Int?) {
    let text = "MemFreeSince: 5 kB\nMemFree:  2 kB\nMemTotal:\nShmem: many kB\nWide:\t3 kB\nZero: 0 kB"
    #expect(SystemFile.bytes(name, in: text) == expected)
  }

  @Test("what is not there says nothing")
  func missing() {
    #expect(SystemFile.read("/proc/self/no-such-file") == nil)
    #expect(SystemFile.bytes("MemTotal", in: nil) == nil)
  }
}
