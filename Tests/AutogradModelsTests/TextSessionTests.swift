import AutogradBase
import AutogradEngine
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

/// A decoder that counts what goes through it, and leaves the computing to another.
private final class CountingDecoder: SequenceDecoder {
  private let base: any SequenceDecoder
  private(set) var passes: [[Int]] = []

  init(_ base: any SequenceDecoder) { self.base = base }

  var contextSize: Int { base.contextSize }
  var sequenceCount: Int { base.sequenceCount }
  var memory: SessionMemory { base.memory }
  func truncate(_ sequence: Int, to length: Int) { base.truncate(sequence, to: length) }
  func copyPrefix(of source: Int, to target: Int, count: Int) { base.copyPrefix(of: source, to: target, count: count) }

  func advance(feeds: [SequenceFeed]) throws(LanguageModelError) -> [[Float]] {
    passes.append(feeds.map(\.tokens.count))
    return try base.advance(feeds: feeds)
  }

  /// How many tokens went through the model since somebody asked.
  func counted() -> Int {
    defer { passes = [] }
    return passes.reduce(0) { $0 + $1.reduce(0, +) }
  }
}

/// Bytes, behind a token that begins every text.
private struct BeginningTokenizer: Tokenizer {
  let base = ByteTokenizer()
  let beginningTokens: [Int32]

  var vocabularySize: Int { base.vocabularySize }
  func encode(_ bytes: [UInt8]) throws(TextError) -> [Int32] { try base.encode(bytes) }
  func bytes(of token: Int32) -> ArraySlice<UInt8> { base.bytes(of: token) }
  func tokenizerJSON() -> [UInt8] { base.tokenizerJSON() }
}

@Suite("ContextWindow") struct ContextWindowTests {
  @Test("a text that grows token by token loses runs in one go, and a text that is given whole has the same tokens")
  func growing() {
    for size in [1, 2, 3, 8, 16, 33] {
      for kept in [0, 1, 5, 8, 40] {
        let window = ContextWindow(size: size, keptCount: kept), most = min(kept, size - 1)
        // What is in the context, as tokens come: full, it keeps the first and the newest half of the rest, counted with the
        // token that came.
        var held: [Int32] = [], text: [Int32] = []
        for token in 0..<150 as Range<Int32> {
          text.append(token)
          held.append(token)
          if held.count > size { held = Array(held.prefix(most)) + held.suffix(max(1, (size - most) / 2)) }
          #expect(window.tokens(of: text) == held, "\(size), \(kept), \(token)")
          #expect(window.dropped(ofLength: text.count).count == text.count - held.count)
        }
      }
    }
  }

  @Test("a context that does not shift drops nothing")
  func still() {
    let window = ContextWindow(size: 4, keptCount: nil)
    #expect(window.tokens(of: [1, 2, 3, 4]) == [1, 2, 3, 4] && window.dropped(ofLength: 9).isEmpty)
  }
}

@Suite("TextSession") struct TextSessionTests {
  let model: Decoder<Float>
  let tokenizer = ByteTokenizer()

  init() throws {
    let sizes = try DecoderConfiguration(
      vocabularySize: 258, contextLength: 40, layerCount: 2, headCount: 2, channelCount: 16, family: .llama)
    model = Decoder(sizes, seed: 9)
    for named in model.parameters where named.parameter.shape.count == 2 {
      named.parameter.set(named.parameter.array.map { $0 * 8 })
    }
  }

  private func session(
    contextSize: Int = 40, sequences: Int = 1, ends: Set<Int32> = []
  ) throws -> (TextSession, CountingDecoder) {
    let decoder = CountingDecoder(try DecoderSession(model, sequences: sequences, contextSize: contextSize, chunk: 16))
    var options = SessionOptions()
    (options.sequenceCount, options.ends) = (sequences, ends)
    return (TextSession(decoder, tokenizer: tokenizer, options: options), decoder)
  }

  /// Options by which the model never ends a text by itself.
  private func options(_ maximumTokens: Int?) -> GenerationOptions {
    var options = GenerationOptions(maximumTokens: maximumTokens)
    options.sampler.logitBias[ByteTokenizer.end] = -.infinity
    return options
  }

  /// What the model says by itself: each token from a pass over all that is in the context.
  private func continued(_ prompt: [Int32], _ options: GenerationOptions, window: ContextWindow) throws -> [Int32] {
    let tape = Tape<Float>()
    var text = prompt
    for _ in 0..<(options.maximumTokens ?? 0) {
      let held = window.tokens(of: text)
      let row = tape.step { tape in
        tape.inference { model.logits(tape.tokens(held.span, shape: [1, held.count])).row(held.count - 1) }
      }
      text.append(try options.sampler.draw(row, after: text, stream: options.stream))
    }
    return Array(text.dropFirst(prompt.count))
  }

  private func drawn(_ session: TextSession, _ prompt: [Int32], _ options: GenerationOptions) throws -> [Int32] {
    var tokens: [Int32] = []
    try session.generate(after: prompt, options: options) { piece in
      tokens.append(piece.token)
      return true
    }
    return tokens
  }

  @Test("tokens are those of full passes, and each goes through the model once")
  func once() throws {
    let (session, decoder) = try session(), prompt = try tokenizer.encode("the cat")
    let options = self.options(20)
    let tokens = try drawn(session, prompt, options)
    #expect(tokens == (try continued(prompt, options, window: ContextWindow(size: 40, keptCount: nil))))
    #expect(decoder.passes == [[prompt.count]] + Array(repeating: [1], count: 19))
  }

  @Test("of a prompt that begins as the last text did only the rest is computed, and the tokens are those of a new session")
  func prefixes() throws {
    let (session, decoder) = try session(), options = self.options(5)
    var random = RandomStream(seed: 4, purpose: .evaluation), last: [Int32] = []
    for _ in 0..<40 {
      // Goes on from somewhere in what the session holds.
      let shared = Array(last.prefix(random.integer(below: last.count + 1)))
      let prompt = shared + (0..<1 + random.integer(below: 9)).map { _ in Int32(random.integer(below: 255)) }
      guard prompt.count <= 35 else { continue }
      let own = try drawn(session, prompt, options), computed = decoder.counted()
      #expect(own == (try drawn(self.session().0, prompt, options)))
      let common = zip(last, prompt).prefix { $0 == $1 }.count
      #expect(computed == prompt.count - min(common, prompt.count - 1) + own.count - 1)
      // The last token that was drawn never went through the model.
      last = prompt + own.dropLast()
    }
    #expect(try drawn(session, last, options) == drawn(self.session().0, last, options))
    _ = decoder.counted()
    let report = try session.generate(after: last, options: options) { _ in true }
    #expect(report.reusedTokens == last.count - 1 && report.promptTokens == last.count && report.generatedTokens == 5)
  }

  @Test("a text that outgrows the context has the tokens of a fresh prompt of what is kept", arguments: [0, 1, 7, 39, 90])
  func shifting(kept: Int) throws {
    let (session, decoder) = try session(), prompt = try tokenizer.encode("once upon a time")
    var options = self.options(120)
    options.keptTokens = kept
    let tokens = try drawn(session, prompt, options), window = ContextWindow(size: 40, keptCount: kept)
    #expect(tokens == (try continued(prompt, options, window: window)))
    // Not every token takes a pass over the whole context.
    if kept < 20 { #expect(decoder.counted() < 16 + 120 + 40 * 8) }
    // A long prompt is cut in the same way, and what it shares with the last is still there.
    let whole = prompt + tokens
    options.maximumTokens = 3
    #expect(try drawn(session, whole, options) == continued(whole, options, window: window))
  }

  @Test("what does not fit is refused before anything is computed")
  func tooLong() throws {
    let (session, decoder) = try session(contextSize: 10), prompt = try tokenizer.encode("abcdef")
    func refusal(_ count: Int?, _ prompt: [Int32]) -> String {
      let error = #expect(throws: GenerationError.self) {
        try session.generate(after: prompt, options: options(count)) { _ in true }
      }
      return error.map { "\($0)" } ?? ""
    }
    #expect(
      refusal(5, prompt) == "the prompt has 6 tokens and 5 more are asked for, but the context holds 10; ask for at most 4, or "
        + "let the context shift")
    #expect(refusal(nil, prompt + prompt).hasPrefix("the prompt has 12 tokens, and the context holds 10"))
    #expect(refusal(1, []) == "\(TextError.emptyPrompt)")
    #expect(decoder.passes.isEmpty)
    #expect(try drawn(session, prompt, options(nil)).count == 4)
  }

  @Test("a prompt gets the tokens with which the vocabulary begins texts, once")
  func beginning() throws {
    let plain = try tokenizer.encode("abc"), own = BeginningTokenizer(beginningTokens: [258 - 2, 3])
    #expect(try own.encodePrompt("abc") == [256, 3] + plain && tokenizer.encodePrompt("abc") == plain)
    #expect(try BeginningTokenizer(beginningTokens: Array(plain.prefix(2))).encodePrompt("abc") == plain)
    #expect(try own.encodePrompt("") == [256, 3])
    let session = try model.session(tokenizer: own)
    #expect(try session.generate("abc", options: options(2)) { _ in true }.promptTokens == 5)
    #expect(try session.generate("", options: options(2)) { _ in true }.promptTokens == 2)
  }

  @Test("samples that are drawn together are those that are drawn alone; the prompt is computed once")
  func samples() throws {
    let (session, decoder) = try session(sequences: 5), prompt = try tokenizer.encode("a good day")
    var options = self.options(12)
    let generation = try session.begin(prompt, samples: 5, options: options)
    var together = [[Int32]](repeating: [], count: 5)
    while let (sample, piece) = try generation.next() { together[sample].append(piece.token) }
    #expect(decoder.passes[0] == [prompt.count] && decoder.passes.dropFirst().allSatisfy { $0 == [1, 1, 1, 1, 1] })
    for stream in 0..<5 as Range<UInt32> {
      options.stream = stream
      #expect(together[Int(stream)] == (try drawn(self.session().0, prompt, options)))
    }
    #expect(Set(together).count == 5)
    #expect(generation.reports.allSatisfy { $0.generatedTokens == 12 && $0.finish == .length && $0.promptTokens == prompt.count })
    #expect(GenerationReport(together: generation.reports).generatedTokens == 60)
    #expect(generation.tokens == together.map { prompt + $0 })
  }

  @Test("a text ends at any of its end tokens, at a stop string, at the length, and each is told")
  func endings() throws {
    let prompt = try tokenizer.encode("the cat"), options = self.options(20)
    let tokens = try drawn(session().0, prompt, options)
    let end = tokens[6]
    #expect(tokens.firstIndex(of: end) == 6, "the test needs a token that comes late")
    var pieces: [GeneratedPiece] = []
    let report = try session(ends: [3, end]).0.generate(after: prompt, options: options) { piece in
      pieces.append(piece)
      return true
    }
    #expect(report.finish == .endToken(end) && pieces.map(\.token) == Array(tokens.prefix(7)))
    #expect(pieces.map(\.text).joined() == String(decoding: tokenizer.decode(Array(tokens.prefix(6))), as: UTF8.self))
    #expect(pieces.dropLast().allSatisfy { $0.finish == nil } && pieces.last?.finish == report.finish)
    #expect(try session().0.generate(after: prompt, options: options) { _ in true }.finish == .length)
    var left = 3
    let stopped = try session().0.generate(after: prompt, options: options) { _ in
      left -= 1
      return left > 0
    }
    #expect(stopped.finish == .cancelled && stopped.generatedTokens == 3)
  }

  @Test("probabilities come where they are asked for")
  func probabilities() throws {
    var options = self.options(3)
    options.topLogprobs = 4
    var choices: [TokenChoice] = []
    try session().0.generate("abc", options: options) { piece in
      if let choice = piece.choice { choices.append(choice) }
      return true
    }
    #expect(choices.count == 3 && choices.allSatisfy { $0.top.count == 4 && $0.logprob < 0 })
    options.topLogprobs = nil
    try session().0.generate("abc", options: options) { piece in
      #expect(piece.choice == nil)
      return true
    }
  }

  // MARK: Asynchronously

  @Test("for try await: the text comes in whole characters, and is the same; leaving the loop ends the computing")
  func stream() async throws {
    let options = self.options(30), (session, decoder) = try session()
    var text = ""
    for try await piece in session.generate("the cat", options: options) {
      #expect(!piece.isEmpty)
      text += piece
    }
    var expected = ""
    try self.session().0.generate("the cat", options: options) { piece in
      expected += piece.text
      return true
    }
    #expect(text == expected && !text.isEmpty)
    _ = decoder.counted()
    for try await _ in session.generate("a dog", options: options) { break }
    let computed = decoder.counted()
    #expect(computed < 30, "\(computed) tokens")
    try await Task.sleep(for: .milliseconds(20))
    #expect(decoder.counted() == 0)
  }

  @Test("for try await: errors come into the loop; a cancelled task gets no more text")
  func streamEnds() async throws {
    let session = try session(contextSize: 10).0
    await #expect(throws: GenerationError.self) {
      for try await _ in session.generate("far too long for ten tokens") {}
    }
    let task = Task {
      var pieces = 0
      for try await _ in session.generate("abc") {
        pieces += 1
        withUnsafeCurrentTask { $0?.cancel() }
      }
      return pieces
    }
    #expect(try await task.value == 1)
  }

  @Test("two tasks may use one session: each gets the text that it gets alone")
  func shared() async throws {
    let session = try session().0, options = self.options(15)
    @Sendable func text(_ session: TextSession, _ prompt: String) async throws -> String {
      var text = ""
      for try await piece in session.generate(prompt, options: options) { text += piece }
      return text
    }
    let alone = (try await text(try self.session().0, "the cat"), try await text(try self.session().0, "a dog"))
    async let first = text(session, "the cat")
    async let second = text(session, "a dog")
    #expect(try await (first, second) == alone)
  }
}
