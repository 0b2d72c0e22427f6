import AutogradBase
import Synchronization

/// What is known of one request when it is over: what the log and the metrics say of it. Nothing of its text.
final class RequestRecord: Sendable {
  struct Facts: Sendable {
    var promptTokens = 0
    var reusedTokens = 0
    var answerTokens = 0
    /// Seconds from the request to its first token.
    var firstToken: Double?
    var isWritten = false
    var hasLeft = false
  }

  let method: String
  let path: String
  private let start = ContinuousClock.now
  private let state = Mutex(Facts())

  init(method: String, path: String) {
    self.method = method
    self.path = path
  }

  var isHead: Bool { method == "HEAD" }
  var facts: Facts { state.withLock { $0 } }
  var isWritten: Bool { facts.isWritten }
  var hasLeft: Bool { facts.hasLeft }

  /// Since the request was read.
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  func noteWritten() { state.withLock { $0.isWritten = true } }
  func noteLeft() { state.withLock { $0.hasLeft = true } }
  func noteFirstToken() {
    let seconds = seconds
    state.withLock { $0.firstToken = $0.firstToken ?? seconds }
  }
  func note(_ usage: GenerationUsage) {
    state.withLock {
      $0.promptTokens += usage.promptTokens
      $0.reusedTokens += usage.reusedTokens
      $0.answerTokens += usage.answerTokens
    }
  }

  /// One line for the log.
  func line(status: Int) -> String {
    let facts = facts
    var line = "\(UTCTime.now) \(facts.hasLeft ? "left" : "\(status)") \(method) \(shownPath)"
    if facts.promptTokens > 0 {
      line += " prompt=\(facts.promptTokens) reused=\(facts.reusedTokens) answer=\(facts.answerTokens)"
    }
    if let first = facts.firstToken { line += " first=\(shortSeconds(first))" }
    return line + " total=\(shortSeconds(seconds))"
  }

  private var shownPath: String { path.count > 64 ? path.prefix(64) + "…" : path }
}

/// The status of an answer under way.
final class StatusBox: Sendable {
  private let state = Mutex((status: 0, isWhole: false))
  var value: Int { state.withLock { $0.status } }
  /// Whether all of the answer is there, and only has to arrive.
  var isWhole: Bool { state.withLock { $0.isWhole } }

  func set(_ response: ServerResponse) {
    let isWhole = if case .whole = response.body { true } else { false }
    state.withLock { $0 = (response.status, isWhole) }
  }
}

/// Seconds with three digits behind the point.
func shortSeconds(_ seconds: Double) -> String {
  let milliseconds = Int((seconds * 1000).rounded())
  let rest = String(milliseconds % 1000)
  return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.utf8.count) + rest + "s"
}

/// The time of day in UTC.
struct UTCTime: CustomStringConvertible {
  /// Since 1970.
  let seconds: Int

  static var now: UTCTime { UTCTime(seconds: secondsSince1970()) }

  /// As RFC 3339 has it: `2026-01-31T23:59:59Z`.
  var description: String {
    let days = (seconds - ((seconds % 86400) + 86400) % 86400) / 86400, rest = seconds - days * 86400
    // Days since 1 March of the year 0; a year that begins in March has its leap day at the end.
    let shifted = days + 719_468, era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153, day = dayOfYear - (153 * month + 2) / 5 + 1
    let civilMonth = month < 10 ? month + 3 : month - 9
    let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(two(civilMonth))-\(two(day))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
  }
}
