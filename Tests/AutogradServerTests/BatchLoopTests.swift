import AutogradModels
import AutogradTestSupport
import Testing

@testable import AutogradServer

@Suite("Batch loop") struct BatchLoopTests {
  let tokenizer = ByteTokenizer()

  @Test("whatever runs beside it, each answer is the one that it is alone", arguments: 0..<16)
  func company(_ seed: Int) throws {
    var random = SeededGenerator(UInt64(seed))
    let decoder = HashDecoder(sequences: Int.random(in: 1...5, using: &random)), log = EventLog()
    let loop = BatchLoop(
      decoder, tokenizer, busyChunk: Int.random(in: 1...20, using: &random), freeChunk: Int.random(in: 1...60, using: &random))
    let beginnings = ["Once upon a time there was", "Once upon a midnight dreary, while I pondered", "x"]
    var requests: [GenerationRequest] = [], cancelled: Set<Int> = []
    for index in 0..<10 {
      for _ in 0..<Int.random(in: 0...6, using: &random) { loop.step() }
      let text = beginnings[Int.random(in: 0..<3, using: &random)] + String(repeating: "ab ", count: Int.random(in: 0...9, using: &random))
      let leads = Bool.random(using: &random)
      for copy in 0..<(leads ? 1 : 3) {
        let stops = Bool.random(using: &random) ? ["q", "zz"] : []
        requests.append(request(text, Int.random(in: 1...16, using: &random), seed: UInt64(index), stops: stops, stream: UInt32(copy)))
        let id = UInt64(requests.count - 1)
        loop.add(id, requests[Int(id)], log, leader: copy > 0 ? id - UInt64(copy) : nil)
      }
      if Int.random(in: 0..<4, using: &random) == 0 {
        let victim = Int.random(in: 0..<requests.count, using: &random)
        if log.answer(UInt64(victim)).finish == nil { cancelled.insert(victim) }
        loop.cancel(UInt64(victim))
      }
    }
    loop.runToEnd()
    #expect(loop.isIdle)
    for (index, request) in requests.enumerated() where !cancelled.contains(index) {
      let answer = log.answer(UInt64(index)), alone = try answerAlone(request, tokenizer)
      #expect(answer.text == alone.text)
      #expect(answer.finish != nil && answer.failure == nil && answer.eventsAfterEnd == 0)
      #expect(answer.usage?.promptTokens == request.prompt.count)
    }
    for (slot, text) in zip(loop.slots, decoder.texts) { #expect(slot.tokens == text) }
  }

  @Test("the prompt of several answers is read once")
  func siblings() throws {
    let decoder = HashDecoder(sequences: 4), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    let text = String(repeating: "a prompt that is long ", count: 8)
    for copy in 0..<4 { loop.add(UInt64(copy), request(text, 5, stream: UInt32(copy)), log, leader: copy > 0 ? 0 : nil) }
    loop.runToEnd()
    // The prompt, its last token three more times, and four tokens of each answer, the last of which is not fed.
    #expect(decoder.rowCounts.reduce(0, +) == text.utf8.count + 3 + 4 * 4)
    #expect((1..<4).allSatisfy { log.answer(UInt64($0)).usage?.reusedTokens == text.utf8.count - 1 })
    #expect(Set((0..<4).map { log.answer(UInt64($0)).text }).count == 4)
  }

  @Test("a request with the same beginning takes the place that remembers it, also while that is busy")
  func reuse() throws {
    let decoder = HashDecoder(sequences: 3), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    let beginning = String(repeating: "the same beginning ", count: 6)
    loop.add(1, request(beginning + "one", 4), log)
    loop.runToEnd()
    loop.add(2, request(beginning + "two", 40), log)
    loop.step()
    loop.add(3, request(beginning + "three", 4), log)
    loop.runToEnd()
    #expect(log.answer(1).usage?.reusedTokens == 0)
    // "t" of "two" is none of "one", and of "three" it is.
    #expect(log.answer(2).usage?.reusedTokens == beginning.utf8.count)
    #expect(log.answer(3).usage?.reusedTokens == beginning.utf8.count + 1)
    for (id, tail) in [(1, "one"), (2, "two"), (3, "three")] {
      let alone = try answerAlone(request(beginning + tail, id == 2 ? 40 : 4), tokenizer)
      #expect(log.answer(UInt64(id)).text == alone.text)
    }
  }

  @Test("long prompts are read in pieces between the tokens of others")
  func chunks() {
    let decoder = HashDecoder(sequences: 2, contextSize: 2048), log = EventLog()
    let loop = BatchLoop(decoder, tokenizer, busyChunk: 10, freeChunk: 500)
    loop.add(1, request("short", 200), log)
    loop.step()
    loop.add(2, request(String(repeating: "long ", count: 200), 3), log)
    var before = log.answer(1).text.utf8.count, stalls = 0
    for _ in 0..<100 {
      loop.step()
      let after = log.answer(1).text.utf8.count
      // A token may be a piece of a character; but never for long.
      stalls = after > before ? 0 : stalls + 1
      #expect(stalls < 5)
      before = after
    }
    #expect(decoder.rowCounts.dropFirst().allSatisfy { $0 <= 11 })
    loop.runToEnd()
    #expect(log.answer(2).finish == .length)
    loop.add(3, request(String(repeating: "alone ", count: 100), 1), log)
    loop.runToEnd()
    #expect(decoder.rowCounts.suffix(2) == [500, 100])
  }

  @Test("an answer ends at its length, a stop text, the end of the text and the end of the context")
  func endings() throws {
    let decoder = HashDecoder(sequences: 1, contextSize: 40), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    loop.add(1, request("0123456789", 7), log)
    let text = try answerAlone(request("0123456789", 20), tokenizer).text
    let stop = String(text.dropFirst(4).prefix(3))
    loop.add(2, request("0123456789", 20, stops: [stop]), log)
    loop.add(3, request("0123456789", 500), log)
    var biased = request("0123456789", 500, top: 2)
    biased.options.sampler.logitBias = [ByteTokenizer.end: 100]
    loop.add(4, biased, log)
    var closed = request("0123456789", 500)
    closed.options.sampler.logitBias = [7: 100]
    closed.ends = [7]
    loop.add(5, closed, log)
    loop.add(6, request("0123456789", 0), log)
    loop.runToEnd()
    #expect(log.answer(1).finish == .length && log.answer(1).usage?.answerTokens == 7)
    #expect(log.answer(2).finish == .stopString)
    #expect(log.answer(2).text == String(text[..<text.firstRange(of: stop)!.lowerBound]))
    // The last token is drawn by a full context, and needs no place in it.
    #expect(log.answer(3).finish == .length && log.answer(3).usage?.answerTokens == 31)
    #expect(log.answer(4).finish == .endToken(ByteTokenizer.end) && log.answer(4).text == "" && log.answer(4).reports.isEmpty)
    #expect(log.answer(5).finish == .endToken(7) && log.answer(5).usage?.answerTokens == 1)
    #expect(log.answer(6).finish == .length && log.answer(6).usage?.answerTokens == 0 && log.answer(6).text == "")
  }

  @Test("a failing decoder fails those who run, and forgets what it may have mixed up")
  func failure() throws {
    let decoder = HashDecoder(sequences: 2), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    loop.add(1, request("first", 50), log)
    loop.add(2, request("second", 50), log)
    for _ in 0..<3 { loop.step() }
    decoder.failingPasses = [3]
    loop.add(3, request("first", 5), log)
    loop.runToEnd()
    #expect(log.answer(1).failure == .model("\(HashDecoder.broken)"))
    #expect(log.answer(2).failure == .model("\(HashDecoder.broken)"))
    let alone = try answerAlone(request("first", 5), tokenizer)
    #expect(log.answer(3).text == alone.text && log.answer(3).usage?.reusedTokens == 0)
  }

  @Test("a number that is none fails its own answer alone")
  func notANumber() throws {
    let decoder = HashDecoder(sequences: 2), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    var wrong = request("first", 50)
    wrong.options.sampler.logitBias = [3: .infinity]
    loop.add(1, wrong, log)
    loop.add(2, request("second", 5), log)
    loop.runToEnd()
    guard case .model(let sentence)? = log.answer(1).failure else { return #expect(Bool(false), "it did not fail") }
    #expect(sentence.contains("token 3"))
    #expect(log.answer(2).finish == .length)
  }

  @Test("who waits or runs for too long is told so")
  func deadlines() {
    let decoder = HashDecoder(sequences: 1), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    loop.add(1, request("runs", 100), log, deadline: Deadline(seconds: 3600))
    loop.add(2, request("waits", 100), log, deadline: Deadline(seconds: 0))
    loop.step()
    #expect(log.answer(2).failure == .tooLong)
    loop.runToEnd()
    #expect(log.answer(1).finish == .length)
  }

  @Test("the prompt's probabilities are those of its tokens, whatever was in memory")
  func prompt() throws {
    let decoder = HashDecoder(sequences: 2), loop = BatchLoop(decoder, tokenizer), log = EventLog()
    var told = request("a text of more than sixteen tokens", 3, top: 2)
    loop.add(1, told, log)
    loop.runToEnd()
    told.tellsPrompt = true
    loop.add(2, told, log)
    loop.runToEnd()
    let reports = log.answer(2).prompt
    #expect(reports.map(\.token) == told.prompt)
    #expect(reports[0].logprob == nil)
    for index in 1..<told.prompt.count {
      let logits = HashDecoder.logits(Array(told.prompt[..<index]), 258).map(Double.init)
      let sum = logits.reduce(0) { $0 + exponential($1) }
      let probability = exponential(logits[Int(told.prompt[index])]) / sum
      #expect(abs(exponential(try #require(reports[index].logprob)) - probability) < 1e-6)
      #expect(reports[index].top.count == 2)
    }
    #expect(log.answer(2).text == log.answer(1).text)
    #expect(log.answer(2).reports == log.answer(1).reports && log.answer(1).prompt.isEmpty)
    #expect(log.answer(2).reports.count == 3)
  }
}

/// Numbers that are the same every time.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func next() -> UInt64 {
    state = state &+ 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
