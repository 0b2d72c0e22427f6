#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Standard output and standard error, unbuffered: what is shown is out. A closed pipe or a full disk loses the
/// text and nothing else.
enum Console {
  static func show(_ text: String) { write(text, to: 1) }

  static func showLine(_ line: String) { write(line + "\n", to: 1) }

  // MARK: On a terminal

  /// Whether standard output is a terminal that understands more than plain lines.
  static let isTerminal = isatty(1) == 1 && environment("TERM") != "dumb"

  /// Whether text may be set off: on a terminal, unless NO_COLOR is set to anything (no-color.org).
  private static let isStyled = isTerminal && (environment("NO_COLOR") ?? "").isEmpty

  static func bold(_ text: String) -> String { isStyled ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

  /// Shows a line in the place of the last live one.
  static func showLive(_ line: String) { write("\r\u{1B}[K" + line, to: 1) }

  static func clearLive() { write("\r\u{1B}[K", to: 1) }

  private static func environment(_ name: String) -> String? {
    // INVARIANT: getenv yields null or a terminated string, copied before anything could change it.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  static func writeError(_ line: String) { write(line + "\n", to: 2) }

  /// Everything on standard input.
  static func readAll() -> [UInt8] {
    var bytes: [UInt8] = []
    while let line = readLine(strippingNewline: false) { bytes += line.utf8 }
    return bytes
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      // INVARIANT: the buffer holds rest.count bytes during the call.
      let written = unsafe rest.withUnsafeBytes { unsafe systemWrite(descriptor, $0.baseAddress, $0.count) }
      if written > 0 { rest = rest.dropFirst(written) } else if errno != EINTR { return }
    }
  }
}

/// Outside of `Console`, whose own `write` would hide it.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}
