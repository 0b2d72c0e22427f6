import AutogradBase
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Standard output and standard error, unbuffered: what is shown is out.
///
/// Output that cannot be written, to a full disk or a pipe that nobody reads, stops nothing: it is lost from there on,
/// and the command that said it ends with a sentence and exit code 5.
enum Console {
  static func show(_ text: String) { show(Array(text.utf8)) }

  /// Shows bytes as they are.
  static func show(_ bytes: [UInt8]) {
    guard isWritable else { return }
    if let number = StandardStream.output.write(bytes.span) { fail(number) }
  }

  static func showLine(_ line: String) { show(line + "\n") }

  // MARK: Output that is lost

  /// The system's number of the first error of standard output, once there was one.
  private static let failure = Mutex<Int32?>(nil)

  static var isWritable: Bool { failure.withLock { $0 == nil } }

  private static func fail(_ number: Int32) { failure.withLock { $0 = $0 ?? number } }

  /// To be called where standard output was closed, and `/dev/null` stands in for it.
  static func noteClosed() { fail(EBADF) }

  /// What became of output that could not be written; nil where all was. With a closed output all is lost.
  static var loss: String? {
    guard let number = failure.withLock({ $0 }) else { return nil }
    switch number {
    case EPIPE: return "standard output: nobody reads it any more; what came after that is lost"
    case EBADF: return "standard output is closed; nothing that was to be shown was"
    default: return "\(FileError(errorNumber: number, .write, path: "standard output")); what came after that is lost"
    }
  }

  // MARK: On a terminal

  /// Whether standard output is a terminal that understands more than plain lines.
  static let isTerminal = isatty(1) == 1 && environment("TERM") != "dumb"

  /// Whether somebody sits there: both what is read and what is shown are a terminal's.
  static let talks = isTerminal && isatty(0) == 1

  /// Whether text may be set off: on a terminal, unless NO_COLOR is set to anything (no-color.org).
  private static let isStyled = isTerminal && (environment("NO_COLOR") ?? "").isEmpty

  static func bold(_ text: String) -> String { isStyled ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

  /// Columns of the terminal as it is now.
  static var columns: Int { StandardStream.output.columns ?? 80 }

  /// Shows a line in the place of the last live one; it must be narrower than the terminal.
  ///
  /// The cursor goes back to its beginning: when the window is made narrower, the terminal may break the line, and the
  /// next one takes the place of all its pieces.
  static func showLive(_ line: String) { show(clearing + line + "\r") }

  static func clearLive() { show(clearing) }

  private static let clearing = "\r\u{1B}[J"

  /// A variable of the environment; nil where it is not set.
  static func environment(_ name: String) -> String? {
    // INVARIANT: getenv yields null or a terminated string, copied before anything could change it.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// What standard error does not take is lost: there is nowhere else to say so.
  static func writeError(_ line: String) { _ = StandardStream.error.write(Array((line + "\n").utf8).span) }
}
