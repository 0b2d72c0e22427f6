import Synchronization

/// What was answered so far, in the text form that Prometheus reads.
final class Metrics: Sendable {
  private struct Key: Hashable {
    let path: String
    let status: Int
  }

  /// Counts of values up to each bound.
  private struct Histogram {
    static let bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    var counts = Array(repeating: 0, count: bounds.count + 1)
    var sum = 0.0

    mutating func add(_ value: Double) {
      counts[Histogram.bounds.firstIndex { value <= $0 } ?? Histogram.bounds.count] += 1
      sum += value
    }
  }

  private struct State {
    var requests: [Key: Int] = [:]
    var left = 0
    var firstToken = Histogram()
    var total = Histogram()
  }

  private let state = Mutex(State())

  func add(_ record: RequestRecord, status: Int) {
    let facts = record.facts, seconds = record.seconds
    // Paths that there are not are not counted one by one: anybody could fill the memory with them.
    let known = ["/v1/completions", "/v1/chat/completions", "/v1/models", "/metrics", "/health", "/"]
    let path = known.contains(record.path) ? record.path : "other"
    state.withLock {
      $0.requests[Key(path: path, status: status), default: 0] += 1
      if facts.hasLeft { $0.left += 1 }
      if let first = facts.firstToken { $0.firstToken.add(first) }
      if facts.promptTokens > 0 { $0.total.add(seconds) }
    }
  }

  func text(_ model: String, _ batcher: Batcher) -> String {
    var lines: [String] = []
    func add(_ name: String, _ kind: String, _ help: String, _ values: [(labels: String, value: String)]) {
      lines += ["# HELP autograd_\(name) \(help)", "# TYPE autograd_\(name) \(kind)"]
      lines += values.map { "autograd_\(name)\($0.labels) \($0.value)" }
    }
    func add(_ name: String, _ kind: String, _ help: String, _ value: Int) { add(name, kind, help, [("", "\(value)")]) }
    let load = batcher.load, statistics = batcher.statistics
    state.withLock { state in
      let sorted = state.requests.sorted { ($0.key.path, $0.key.status) < ($1.key.path, $1.key.status) }
      add(
        "requests_total", "counter", "Requests that are over.",
        sorted.map { ("{path=\"\($0.key.path)\",status=\"\($0.key.status)\"}", "\($0.value)") })
      add("clients_left_total", "counter", "Requests whose client left before the end.", state.left)
      addHistogram("first_token_seconds", "From a request to its first token.", state.firstToken, &lines)
      addHistogram("request_seconds", "From a request to the end of its answer.", state.total, &lines)
    }
    add("prompt_tokens_total", "counter", "Tokens of prompts.", statistics.promptTokens)
    add("reused_tokens_total", "counter", "Tokens of prompts that were in memory already.", statistics.reusedTokens)
    add("answer_tokens_total", "counter", "Tokens drawn.", statistics.answerTokens)
    add("steps_total", "counter", "Passes through the model.", statistics.steps)
    add("rows_total", "counter", "Tokens fed in these passes.", statistics.rows)
    add("answers_running", "gauge", "Answers under way.", load.running)
    add("answers_waiting", "gauge", "Answers that wait for a place.", load.waiting)
    add("places", "gauge", "Answers that can be under way at once.", load.slots)
    if let bytes = residentBytes() { add("resident_bytes", "gauge", "Memory of the process.", bytes) }
    add("info", "gauge", "The model.", [("{model=\"\(Metrics.escaped(model))\"}", "1")])
    return lines.joined(separator: "\n") + "\n"
  }

  private func addHistogram(_ name: String, _ help: String, _ histogram: Histogram, _ lines: inout [String]) {
    lines += ["# HELP autograd_\(name) \(help)", "# TYPE autograd_\(name) histogram"]
    var count = 0
    for (bound, value) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], histogram.counts) {
      count += value
      lines.append("autograd_\(name)_bucket{le=\"\(bound)\"} \(count)")
    }
    lines += ["autograd_\(name)_sum \(histogram.sum)", "autograd_\(name)_count \(count)"]
  }

  private static func escaped(_ label: String) -> String {
    label.map { $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0.isNewline ? " " : String($0) }.joined()
  }
}
