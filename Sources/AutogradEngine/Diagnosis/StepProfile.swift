import AutogradBase

/// Where a step's time and memory went, operation by operation.
///
/// Times are those of the calling thread around each operation, its parallel regions included. Profiling reads a
/// clock twice per operation and allocates; a step that is not profiled pays one branch.
public struct StepProfile: Sendable {
  /// One run of an operation.
  public struct Event: Sendable {
    /// The operation's name, or a scope's.
    public let name: String
    public let isBackward: Bool
    /// Nanoseconds since the step began.
    public let start, duration: UInt64
    /// Bytes that the operation took from the arena.
    public let bytes: Int
  }

  /// All runs of one operation together.
  public struct Total: Sendable {
    public let name: String
    public internal(set) var count = 0
    public internal(set) var forwardNanoseconds: UInt64 = 0
    public internal(set) var backwardNanoseconds: UInt64 = 0
    public internal(set) var bytes = 0
  }

  public let step: UInt64
  public let events: [Event]

  /// By operation, the most memory first.
  public var totals: [Total] {
    var found: [Total] = []
    for event in events {
      let index = found.firstIndex { $0.name == event.name } ?? found.count
      if index == found.count { found.append(Total(name: event.name)) }
      found[index].bytes += event.bytes
      if event.isBackward {
        found[index].backwardNanoseconds += event.duration
      } else {
        found[index].count += 1
        found[index].forwardNanoseconds += event.duration
      }
    }
    return found.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
  }

  /// The step in the Chrome trace format, which Perfetto and chrome://tracing open: one row for forward, one for
  /// backward, microseconds.
  public func chromeTrace() -> [UInt8] {
    let rows = events.map { event in
      JSON.object([
        JSON.Member("name", .string(event.name)),
        JSON.Member("cat", .string(event.isBackward ? "backward" : "forward")),
        JSON.Member("ph", .string("X")), JSON.Member("ts", .number(Double(event.start) / 1000)),
        JSON.Member("dur", .number(Double(event.duration) / 1000)), JSON.Member("pid", .integer(1)),
        JSON.Member("tid", .integer(event.isBackward ? 2 : 1)),
        JSON.Member("args", .object([JSON.Member("bytes", .integer(Int64(event.bytes)))])),
      ])
    }
    return JSON.object([JSON.Member("traceEvents", .array(rows))]).serialized()
  }
}

extension StepProfile: CustomStringConvertible {
  /// A table: operation, runs, forward and backward time, bytes.
  public var description: String {
    func pad(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    let rows = totals.map { total in
      total.name + String(repeating: " ", count: max(1, 22 - total.name.count)) + pad("\(total.count)", 5)
        + pad("\(total.forwardNanoseconds / 1000)", 12) + pad("\(total.backwardNanoseconds / 1000)", 12)
        + pad("\(total.bytes)", 14)
    }
    let header = "operation" + pad("runs", 18) + pad("forward µs", 12) + pad("backward µs", 12) + pad("bytes", 14)
    return ([header] + rows).joined(separator: "\n")
  }
}
