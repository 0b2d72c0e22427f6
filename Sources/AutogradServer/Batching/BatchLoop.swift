import AutogradModels
import AutogradText

/// An answer on its way to the loop.
struct Submission: Sendable {
  let id: UInt64
  /// Another answer to the same prompt, whose memory this one shares once it has read it.
  var leader: UInt64?
  let request: GenerationRequest
  var deadline: Deadline?
  let deliver: @Sendable (GenerationEvent) -> Void
}

/// Many answers at once over one decoder: each step feeds one token of every answer under way, and a part of the prompts
/// that are still being read.
///
/// Answers come and go between steps. What runs beside an answer changes nothing in it: a row of logits depends on its
/// own sequence alone, and tokens are drawn by seed, stream and position.
final class BatchLoop {
  /// A place in the decoder's memory.
  struct Slot {
    /// What the decoder remembers of it.
    var tokens: [Int32] = []
    var answer: RunningAnswer?
    /// The step in which it was last fed.
    var lastStep = 0
  }

  private let decoder: any SequenceDecoder
  private let tokenizer: any Tokenizer
  /// Tokens of prompts that are read in a step while answers are under way, and otherwise.
  private let busyChunk, freeChunk: Int
  var slots: [Slot]
  private(set) var waiting: [Submission] = []
  private(set) var statistics = BatchStatistics()
  private var stepNumber = 0

  init(_ decoder: any SequenceDecoder, _ tokenizer: any Tokenizer, busyChunk: Int = 64, freeChunk: Int = 512) {
    self.decoder = decoder
    self.tokenizer = tokenizer
    self.busyChunk = busyChunk
    self.freeChunk = freeChunk
    precondition(decoder.sequenceCount > 0, "a decoder without sequences answers nothing")
    slots = Array(repeating: Slot(), count: decoder.sequenceCount)
  }

  var runningCount: Int { slots.count { $0.answer != nil } }
  var isIdle: Bool { waiting.isEmpty && runningCount == 0 }

  func add(_ submission: Submission) { waiting.append(submission) }

  /// Ends an answer that nobody waits for any more.
  func cancel(_ id: UInt64) {
    waiting.removeAll { $0.id == id }
    for index in slots.indices where slots[index].answer?.submission.id == id { free(index) }
  }

  func cancelAll(_ failure: GenerationFailure) {
    for submission in waiting { submission.deliver(.failed(failure)) }
    waiting = []
    for index in slots.indices { fail(index, failure) }
  }

  /// Gives places to those who wait, and advances all answers by one token.
  ///
  /// - Returns: Whether there was anything to do.
  @discardableResult
  func step() -> Bool {
    dropLate()
    assign()
    let feeds = makeFeeds()
    if feeds.isEmpty { return false }
    stepNumber += 1
    statistics.steps += 1
    statistics.rows += feeds.reduce(0) { $0 + $1.tokens.count }
    do {
      deliver(feeds, try decoder.advance(feeds: feeds))
    } catch {
      // What the decoder remembers is uncertain now.
      for index in slots.indices {
        fail(index, .model("\(error)"))
        forget(index)
      }
    }
    return true
  }

  // MARK: Places

  private func assign() {
    var index = 0
    while index < waiting.count, slots.contains(where: { $0.answer == nil }) {
      if let leader = waiting[index].leader, isReading(leader) {
        index += 1
      } else {
        begin(waiting.remove(at: index))
      }
    }
  }

  /// Whether an answer's prompt has still to be read.
  private func isReading(_ id: UInt64) -> Bool {
    waiting.contains { $0.id == id }
      || slots.contains { $0.answer?.submission.id == id && $0.answer?.isReading == true }
  }

  /// Puts an answer where the most of its beginning is remembered.
  private func begin(_ submission: Submission) {
    let request = submission.request
    // The last token is fed in any case: its logits are wanted. So are those of all tokens where the prompt is told.
    let usable = request.tellsPrompt ? 0 : request.prompt.count - 1
    let shared = slots.map { commonPrefix($0.tokens, request.prompt, atMost: usable) }
    let free = slots.indices.filter { slots[$0].answer == nil }
    let best = shared.indices.max { shared[$0] < shared[$1] } ?? 0
    // Of free places that remember as much, the one that was not used for the longest time.
    guard let home = free.max(by: { (shared[$0], -slots[$0].lastStep) < (shared[$1], -slots[$1].lastStep) }) else { return }
    var place = home, count = shared[home]
    if shared[best] >= count + BatchLoop.worthCopying {
      place = free.min { slots[$0].lastStep < slots[$1].lastStep } ?? home
      if place != best {
        forget(place)
        decoder.copyPrefix(of: best, to: place, count: shared[best])
        slots[place].tokens = Array(request.prompt.prefix(shared[best]))
      }
      count = shared[best]
    }
    decoder.truncate(place, to: count)
    slots[place].tokens = Array(request.prompt.prefix(count))
    slots[place].lastStep = stepNumber
    slots[place].answer = RunningAnswer(submission, tokenizer, reused: count)
    statistics.promptTokens += request.prompt.count
    statistics.reusedTokens += count
  }

  /// Fewer tokens are read again sooner than copied.
  private static let worthCopying = 16

  private func commonPrefix(_ a: [Int32], _ b: [Int32], atMost limit: Int) -> Int {
    let end = min(a.count, b.count, limit)
    return (0..<end).first { a[$0] != b[$0] } ?? end
  }

  private func free(_ index: Int) { slots[index].answer = nil }

  private func forget(_ index: Int) {
    decoder.truncate(index, to: 0)
    slots[index].tokens = []
  }

  private func fail(_ index: Int, _ failure: GenerationFailure) {
    guard let answer = slots[index].answer else { return }
    free(index)
    answer.submission.deliver(.failed(failure))
  }

  private func dropLate() {
    let late = waiting.filter { $0.deadline?.hasPassed == true }
    waiting.removeAll { submission in late.contains { $0.id == submission.id } }
    for submission in late { submission.deliver(.failed(.tooLong)) }
    for index in slots.indices where slots[index].answer?.submission.deadline?.hasPassed == true { fail(index, .tooLong) }
  }

  // MARK: A step

  /// One token of each answer under way, and parts of prompts, the oldest first.
  private func makeFeeds() -> [SequenceFeed] {
    var feeds: [SequenceFeed] = [], reading: [Int] = []
    for index in slots.indices {
      guard let answer = slots[index].answer else { continue }
      if answer.isReading {
        reading.append(index)
      } else {
        feeds.append(SequenceFeed(sequence: index, tokens: answer.text.suffix(1), logits: .last))
      }
    }
    var room = feeds.isEmpty ? freeChunk : busyChunk
    reading.sort { order(of: $0) < order(of: $1) }
    for index in reading where room > 0 {
      guard let answer = slots[index].answer else { continue }
      let start = slots[index].tokens.count
      // Rows of logits are wide: few at a time where all are wanted.
      let most = answer.submission.request.tellsPrompt ? min(room, 16) : room
      let end = min(start + most, answer.text.count)
      let rows: LogitRows =
        answer.submission.request.tellsPrompt ? .all : end == answer.text.count ? .last : .none
      feeds.append(SequenceFeed(sequence: index, tokens: answer.text[start..<end], logits: rows))
      room -= end - start
    }
    return feeds
  }

  private func order(of index: Int) -> UInt64 { slots[index].answer?.submission.id ?? 0 }

  private func deliver(_ feeds: [SequenceFeed], _ rows: [[Float]]) {
    var next = 0
    for feed in feeds {
      let index = feed.sequence
      slots[index].tokens += feed.tokens
      slots[index].lastStep = stepNumber
      let count = feed.logits == .none ? 0 : feed.logits == .last ? 1 : feed.tokens.count
      defer { next += count }
      guard var answer = slots[index].answer else { continue }
      if answer.submission.request.tellsPrompt { answer.tellPrompt(upTo: slots[index].tokens.count, rows[next..<next + count]) }
      if slots[index].tokens.count == answer.text.count, count > 0 {
        let goesOn = answer.advance(rows[next + count - 1], contextSize: decoder.contextSize)
        statistics.answerTokens += answer.hasDrawn ? 1 : 0
        slots[index].answer = goesOn ? answer : nil
      } else {
        slots[index].answer = answer
      }
    }
  }
}

/// What a loop has done so far.
struct BatchStatistics: Sendable, Equatable {
  var steps = 0
  /// Tokens fed.
  var rows = 0
  var promptTokens = 0
  var reusedTokens = 0
  var answerTokens = 0
}
