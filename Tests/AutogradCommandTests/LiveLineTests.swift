import AutogradTestSupport
import Foundation
import Testing

@testable import AutogradCommand

/// The line that a run keeps up to date on a terminal: one row of it, however wide the terminal is.
@Suite("Live line") struct LiveLineTests {
  @Test("parts are left out from the end until the rest fits", arguments: 0...60)
  func fitting(columns: Int) {
    let parts = ["step 1234/2000", "loss 0.2712", "lr 9.7e-04", "12s left"]
    let line = Progress.fitting(parts, columns: columns)
    #expect(line.count < max(1, columns))
    let whole = (1...4).map { parts.prefix($0).joined(separator: "  ") }
    if columns > 14 {
      #expect(line == whole.last { $0.count < columns })
    } else {
      #expect(line == String(parts[0].prefix(max(0, columns - 1))))
    }
  }

  /// A terminal of so many columns; its two ends.
  private func terminal(columns: Int) throws -> (controller: Int32, device: Int32) {
    var ends: (Int32, Int32) = (-1, -1)
    var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    try #require(openpty(&ends.0, &ends.1, nil, nil, &size) == 0)
    return ends
  }

  @Test(
    "on a terminal no live line is wider than it, before and after its window gets narrower",
    .timeLimit(.minutes(1)), arguments: [(80, 80), (100, 50), (40, 40), (20, 9)])
  func onTerminal(before: Int, after: Int) throws {
    try temporaryDirectory { path in
      try Data(String(repeating: "some text. ", count: 30).utf8).write(to: URL(fileURLWithPath: path + "/text"))
      let (controller, device) = try terminal(columns: before)
      defer { close(controller) }
      let process = Process()
      process.executableURL = executable
      process.arguments =
        ["train", "--data", path + "/text", "--out", path + "/run"] + tinyRun
        + ["--max-iters", "100000000", "--log-interval", "1", "--eval-interval", "10000000", "--save-every", "0"]
      process.environment = ProcessInfo.processInfo.environment.merging(["TERM": "xterm"]) { $1 }
      process.standardOutput = FileHandle(fileDescriptor: device, closeOnDealloc: false)
      process.standardError = FileHandle.nullDevice
      try process.run()
      close(device)
      var said = "", piece = [UInt8](repeating: 0, count: 4096), lines: [Substring] = [], seen = 0
      func readLines(_ count: Int) {
        while lines.count < seen + count {
          let length = read(controller, &piece, piece.count)
          guard length > 0 else { return }
          said += String(decoding: piece[..<length], as: UTF8.self)
          lines = said.components(separatedBy: "\r\u{1B}[J").dropFirst().map { Substring($0) }
        }
      }
      readLines(50)
      for line in lines.dropLast() {
        #expect(line.hasSuffix("\r") && line.dropLast().count < before, "\(line)")
      }
      if before >= 80 { #expect(lines[10].contains(" left")) }
      var size = winsize(ws_row: 24, ws_col: UInt16(after), ws_xpixel: 0, ws_ypixel: 0)
      #expect(ioctl(controller, UInt(TIOCSWINSZ), &size) == 0)
      seen = lines.count
      // What was on its way before the change may still be wide.
      readLines(400)
      for line in lines.dropFirst(seen + 200).dropLast() { #expect(line.dropLast().count < after, "\(line)") }
      #expect(lines.count > seen + 200)
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }
}
