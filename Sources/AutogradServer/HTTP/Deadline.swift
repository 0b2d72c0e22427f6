/// A moment after which nobody waits any more.
struct Deadline: Sendable {
  private let moment: ContinuousClock.Instant

  init(seconds: Double) { moment = .now + .seconds(seconds) }

  var hasPassed: Bool { moment <= .now }

  /// Runs `body` until then.
  ///
  /// - Throws: `DeadlinePassed`; what `body` throws, which is cancelled when the time is over.
  func whileWaiting<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask { [moment] in
        try await Task.sleep(until: moment, clock: .continuous)
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let result = first else { throw DeadlinePassed() }
      return result
    }
  }
}

struct DeadlinePassed: Error {}
