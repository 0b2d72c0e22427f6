/// Passes streamed text on until a stop string appears in it, and never shows a part of one.
///
/// The stop string that is complete first ends the text, of several at once the longest; in which pieces the text comes
/// makes no difference.
public struct StopMatcher: Sendable {
  private let stops: [[UInt8]]
  private var held: [UInt8] = []
  /// A stop string was found; whatever follows is dropped.
  public private(set) var hasStopped = false

  /// - Parameter stops: Compared byte by byte; empty ones are passed over.
  public init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

  /// Takes text and returns what may be shown by now.
  public mutating func push(_ text: String) -> String {
    if hasStopped { return "" }
    if stops.isEmpty { return text }
    held += text.utf8
    if let end = firstStop() {
      hasStopped = true
      return String(decoding: held[..<end], as: UTF8.self)
    }
    let certain = held.count - possibleBeginning()
    defer { held.removeFirst(certain) }
    return String(decoding: held[..<certain], as: UTF8.self)
  }

  /// Returns what was held back, since no more text comes.
  public mutating func finish() -> String {
    defer { held = [] }
    return hasStopped ? "" : String(decoding: held, as: UTF8.self)
  }

  /// Where the stop string that is complete first begins.
  private func firstStop() -> Int? {
    var first: (end: Int, start: Int)?
    for start in held.indices {
      for stop in stops where held[start...].starts(with: stop) {
        let found = (end: start + stop.count, start: start)
        if first.map({ found < $0 }) ?? true { first = found }
      }
    }
    return first?.start
  }

  /// How many bytes at the end may be the beginning of a stop string.
  private func possibleBeginning() -> Int {
    let longest = (stops.map(\.count).max() ?? 1) - 1
    for length in stride(from: min(longest, held.count), to: 0, by: -1) {
      if stops.contains(where: { $0.starts(with: held.suffix(length)) }) { return length }
    }
    return 0
  }
}
