import AutogradModels
import AutogradText
import CAutogradSystem
import Dispatch
import Synchronization

/// Answers requests from anywhere by a loop on a thread of its own.
public final class Batcher: Sendable {
  /// How much is under way.
  struct Load: Sendable, Equatable {
    var running = 0
    var waiting = 0
    var slots = 0
  }

  /// No more may wait.
  struct Full: Error {}

  private enum Message {
    case add([Submission])
    case cancel(UInt64)
    case failAll(GenerationFailure)
    case end
  }

  private struct State {
    var messages: [Message] = []
    var lastID: UInt64 = 0
    /// Submitted, and not seen by the loop.
    var unseen = 0
    var load = Load()
    var statistics = BatchStatistics()
    var hasEnded = false
  }

  private let state = Mutex(State())
  private let wake = DispatchSemaphore(value: 0)
  private let hasEnded = DispatchSemaphore(value: 0)
  private let waitingLimit: Int

  /// Starts the thread, which alone uses the decoder from then on.
  ///
  /// - Parameter waitingLimit: How many answers may wait for a place.
  package init(_ decoder: sending any SequenceDecoder, _ tokenizer: any Tokenizer, waitingLimit: Int) {
    self.waitingLimit = waitingLimit
    // INVARIANT: the caller gave the decoder away, and nobody but this one block ever has it.
    nonisolated(unsafe) let decoder = decoder
    DispatchQueue(label: "autograd.batcher").async { [self] in
      run(BatchLoop(unsafe decoder, tokenizer))
      state.withLock { $0.hasEnded = true }
      hasEnded.signal()
    }
  }

  var load: Load { state.withLock { $0.load } }
  var isBusy: Bool { state.withLock { $0.load.running + $0.load.waiting + $0.unseen > 0 } }
  var statistics: BatchStatistics { state.withLock { $0.statistics } }

  /// Asks for answers that belong together; the first of each prompt reads it for the others.
  ///
  /// - Parameter leaders: For each request the one before it that has the same prompt.
  /// - Returns: Events with the number of their request. Whoever stops listening takes all of them back.
  /// - Throws: `Full`.
  func submit(
    _ requests: [GenerationRequest], leaders: [Int?], deadline: Deadline?
  ) throws(Full) -> AsyncStream<(Int, GenerationEvent)> {
    let (stream, continuation) = AsyncStream.makeStream(of: (Int, GenerationEvent).self)
    let open = Countdown(requests.count)
    let ids: [UInt64]? = state.withLock { state in
      guard state.load.waiting + state.unseen + requests.count <= waitingLimit + freeSlots(state) else { return nil }
      let first = state.lastID + 1
      state.lastID += UInt64(requests.count)
      let ids = requests.indices.map { first + UInt64($0) }
      let submissions = requests.indices.map { index in
        Submission(
          id: ids[index], leader: leaders[index].map { ids[$0] }, request: requests[index], deadline: deadline
        ) { event in
          continuation.yield((index, event))
          if event.isLast, open.isOver() { continuation.finish() }
        }
      }
      if state.hasEnded {
        for submission in submissions { submission.deliver(.failed(.ending)) }
        return ids
      }
      state.unseen += submissions.count
      state.messages.append(.add(submissions))
      return ids
    }
    guard let ids else { throw Full() }
    continuation.onTermination = { [self] reason in
      guard case .cancelled = reason else { return }
      state.withLock { $0.messages += ids.map { .cancel($0) } }
      wake.signal()
    }
    wake.signal()
    return stream
  }

  private func freeSlots(_ state: State) -> Int { max(0, state.load.slots - state.load.running) }

  /// Ends whatever is under way.
  func failAll(_ failure: GenerationFailure) {
    state.withLock { $0.messages.append(.failAll(failure)) }
    wake.signal()
  }

  /// Ends the thread, and waits until it has ended.
  public func end() {
    state.withLock { $0.messages.append(.end) }
    wake.signal()
    hasEnded.wait()
    hasEnded.signal()
  }

  // MARK: On the thread

  private func run(_ loop: BatchLoop) {
    publish(loop)
    var hasWorked = false
    while obey(loop) {
      if loop.step() {
        hasWorked = true
        publish(loop)
      } else if loop.isIdle {
        if hasWorked { csystem_trim_heap() }
        hasWorked = false
        wake.wait()
      }
    }
    loop.cancelAll(.ending)
    publish(loop)
  }

  /// - Returns: Whether the loop goes on.
  private func obey(_ loop: BatchLoop) -> Bool {
    var goesOn = true, seen = 0
    for message in takeMessages() {
      switch message {
      case .add(let submissions):
        for submission in submissions { loop.add(submission) }
        seen += submissions.count
      case .cancel(let id): loop.cancel(id)
      case .failAll(let failure): loop.cancelAll(failure)
      case .end: goesOn = false
      }
    }
    publish(loop, seen: seen)
    return goesOn
  }

  private func takeMessages() -> [Message] {
    state.withLock { state in
      defer { state.messages = [] }
      return state.messages
    }
  }

  private func publish(_ loop: BatchLoop, seen: Int = 0) {
    let load = Load(running: loop.runningCount, waiting: loop.waiting.count, slots: loop.slots.count)
    state.withLock {
      $0.unseen -= seen
      $0.load = load
      $0.statistics = loop.statistics
    }
  }
}

/// Tells when the last of several has ended.
private final class Countdown: Sendable {
  private let left: Atomic<Int>

  init(_ count: Int) { left = Atomic(count) }

  func isOver() -> Bool { left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}
