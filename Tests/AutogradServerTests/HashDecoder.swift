import AutogradModels
import AutogradTestSupport
import AutogradText
import Synchronization

@testable import AutogradServer

/// A decoder whose logits are a hash of all tokens that a sequence remembers: whatever is forgotten, mixed up or fed twice
/// changes them.
final class HashDecoder: SequenceDecoder {
  static let broken = LanguageModelError.configuration(path: "hashes", "they are broken on purpose")

  let contextSize: Int
  let vocabularySize: Int
  /// What each sequence remembers.
  private(set) var texts: [[Int32]]
  /// Tokens of each pass.
  private(set) var rowCounts: [Int] = []
  /// Passes that throw.
  var failingPasses: Set<Int> = []
  /// For tests in which an answer must not be over at once.
  var pause: (() -> Void)?

  init(sequences: Int, contextSize: Int = 256, vocabularySize: Int = 258) {
    self.contextSize = contextSize
    self.vocabularySize = vocabularySize
    texts = Array(repeating: [], count: sequences)
  }

  var sequenceCount: Int { texts.count }
  var memory: SessionMemory { SessionMemory() }

  func advance(feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]] {
    pause?()
    rowCounts.append(feeds.reduce(0) { $0 + $1.tokens.count })
    if failingPasses.contains(rowCounts.count - 1) { throw HashDecoder.broken }
    precondition(Set(feeds.map(\.sequence)).count == feeds.count, "a sequence stands in two feeds")
    var rows: [[Float]] = []
    for feed in feeds {
      precondition(!feed.tokens.isEmpty, "a feed of nothing")
      for (index, token) in feed.tokens.enumerated() {
        texts[feed.sequence].append(token)
        let isWanted = feed.logits == .all || feed.logits == .last && index == feed.tokens.count - 1
        if isWanted { rows.append(HashDecoder.logits(texts[feed.sequence], vocabularySize)) }
      }
      precondition(texts[feed.sequence].count <= contextSize, "more than the context holds")
    }
    return rows
  }

  func truncate(_ sequence: Int, to length: Int) {
    precondition(length <= texts[sequence].count, "a sequence cannot be cut to more than it has")
    texts[sequence].removeLast(texts[sequence].count - length)
  }

  func copyPrefix(of source: Int, to target: Int, count: Int) {
    precondition(texts[target].isEmpty && source != target && count <= texts[source].count)
    texts[target] = Array(texts[source].prefix(count))
  }

  static func logits(_ text: [Int32], _ vocabularySize: Int) -> [Float] {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for token in text { hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01B3 }
    return (0..<vocabularySize).map { token in
      if token == ByteTokenizer.end { return -30 }  // no answer ends by chance
      var x = hash &+ UInt64(token) &* 0x9E37_79B9_7F4A_7C15
      x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
      x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
      return Float((x ^ (x >> 31)) >> 40) / Float(1 << 21)
    }
  }
}

/// What an answer is when it runs alone.
func answerAlone(
  _ request: GenerationRequest, _ tokenizer: any Tokenizer, contextSize: Int = 256, vocabularySize: Int = 258
) throws -> (text: String, tokens: [Int32]) {
  var continuation = TextContinuation(
    prompt: request.prompt, tokenizer: tokenizer, options: request.options, ends: request.ends)
  var text = ""
  while continuation.finish == nil {
    text += try continuation.take(HashDecoder.logits(continuation.tokens, vocabularySize)).text
    if continuation.tokens.count > contextSize { text += continuation.end(.length) }
  }
  return (text, continuation.tokens)
}

/// Takes the events of answers from any thread.
final class EventLog: Sendable {
  struct Answer: Sendable {
    var text = ""
    var reports: [TokenReport] = []
    var prompt: [TokenReport] = []
    var finish: FinishReason?
    var usage: GenerationUsage?
    var failure: GenerationFailure?
    var eventsAfterEnd = 0
  }

  private let state = Mutex<[UInt64: Answer]>([:])

  func answer(_ id: UInt64) -> Answer { state.withLock { $0[id] ?? Answer() } }

  func take(_ id: UInt64, _ event: GenerationEvent) {
    state.withLock { answers in
      var answer = answers[id] ?? Answer()
      if answer.finish != nil || answer.failure != nil { answer.eventsAfterEnd += 1 }
      switch event {
      case .prompt(let reports): answer.prompt += reports
      case .text(let text, let reports):
        answer.text += text
        answer.reports += reports
      case .finished(let reason, let usage): (answer.finish, answer.usage) = (reason, usage)
      case .failed(let failure): answer.failure = failure
      }
      answers[id] = answer
    }
  }
}

extension BatchLoop {
  func add(_ id: UInt64, _ request: GenerationRequest, _ log: EventLog, leader: UInt64? = nil, deadline: Deadline? = nil) {
    add(Submission(id: id, leader: leader, request: request, deadline: deadline) { log.take(id, $0) })
  }

  func runToEnd() { while step() {} }
}

/// A request of a text.
func request(
  _ text: String, _ count: Int, seed: UInt64 = 1, stops: [String] = [], top: Int? = nil, stream: UInt32 = 0
) -> GenerationRequest {
  var sampler = Sampler()
  sampler.seed = seed
  var options = GenerationOptions(sampler: sampler, maximumTokens: count, stops: stops)
  options.topLogprobs = top
  options.stream = stream
  return GenerationRequest(prompt: text.utf8.map { 255 - Int32($0) }, options: options)
}
