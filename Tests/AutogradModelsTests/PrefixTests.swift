import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import Testing

/// Results depend neither on what follows nor on what else is in the batch, bit for bit.
@Suite("Prefixes and batches") struct PrefixTests {
  let models: [Decoder<Float>]
  let text: [Int32] = (0..<70).map { Int32(($0 * 37 + $0 * $0) % 50) }
  let other: [Int32] = (0..<70).map { Int32(($0 * 11 + 3) % 50) }

  init() throws {
    func model(
      _ family: ModelFamily, channels: Int, keyValueHeads: Int? = nil, headSize: Int? = nil,
      window: DecoderConfiguration.Window? = nil
    ) throws -> Decoder<Float> {
      var sizes = try DecoderConfiguration(
        vocabularySize: 50, contextLength: 70, layerCount: 2, headCount: 3, channelCount: channels,
        keyValueHeadCount: keyValueHeads, headSize: headSize, family: family)
      sizes.window = window
      return Decoder(sizes, seed: 5)
    }
    models = [
      try model(.gpt2, channels: 51), try model(.llama, channels: 42, keyValueHeads: 1),
      try model(.qwen3, channels: 51, headSize: 18, window: .init(size: 33, layers: .from(1))),
    ]
    // Weights of ordinary size, so that attention is not nearly uniform.
    for named in models.flatMap(\.parameters) where named.parameter.shape.count == 2 {
      named.parameter.set(named.parameter.array.map { $0 * 10 })
    }
  }

  private func logits(_ model: Decoder<Float>, _ tape: Tape<Float>, _ sequences: [[Int32]]) -> [Float] {
    let ids = sequences.flatMap { $0 }, B = sequences.count, T = sequences[0].count
    return tape.step { tape in
      tape.inference { model.logits(tape.tokens(ids.span, shape: [B, T])).array }
    }
  }

  @Test(
    "the first t rows of the logits are those of the first t tokens, alone and inside a batch",
    arguments: InstructionSet.available, 0..<3)
  func prefixes(set: InstructionSet, kind: Int) {
    let model = models[kind], tape = Tape<Float>(backend: Backend(instructionSet: set))
    let whole = logits(model, tape, [text])
    #expect(whole.allSatisfy { $0.isFinite })
    for t in 1...70 {
      let rows = Array(whole.prefix(t * 50))
      #expect(logits(model, tape, [Array(text.prefix(t))]) == rows, "\(t) tokens alone")
      let batch = logits(model, tape, [Array(other.prefix(t)), Array(text.prefix(t)), Array(other.reversed().prefix(t))])
      #expect(Array(batch[t * 50..<2 * t * 50]) == rows, "\(t) tokens inside a batch")
    }
  }

  @Test("a text that has grown beyond the context is seen without a run of its first tokens, as if it began behind them")
  func window() {
    let tape = Tape<Float>(), generator = Generator(model: models[0], sampler: Sampler())
    for (length, seen) in [(69, 69), (70, 70), (71, 35), (90, 54), (106, 70), (107, 35), (140, 68), (139, 67)] {
      let long = Array((text + other).prefix(length))
      #expect(
        generator.nextLogits(long) == Array(logits(models[0], tape, [Array(long.suffix(seen))]).suffix(50)), "\(length)")
    }
  }

  @Test("a generator that is told of another text, other weights or another precision computes what is new")
  func changes() {
    let model = models[1], tape = Tape<Float>(), own = Tape<Float>()
    let generator = Generator(model: model, sampler: Sampler(), tape: own)
    func check(_ text: [Int32], _ what: String) {
      #expect(generator.nextLogits(text) == Array(logits(model, tape, [text]).suffix(50)), "\(what)")
    }
    check(Array(text.prefix(20)), "a text")
    check(Array(text.prefix(20)), "the same")
    check(Array(text.prefix(12)), "its beginning")
    check(Array(text.prefix(12)) + other.prefix(9), "another end")
    check(other, "another text")
    let weight = model.blocks[0].attention.input.weight, before = weight.array
    weight.set(before.map { $0 / 2 })
    check(other, "other weights")
    weight.set(before)
    (own.matmulPrecision, tape.matmulPrecision) = (.bfloat16, .bfloat16)
    check(other, "another precision")
  }

  @Test("an evaluation that is told to stop has measured the windows until then")
  func stopped() throws {
    let tokens = text + other, evaluator = Evaluator(model: models[0])
    let first = try #require(evaluator.loss(of: Array(tokens.prefix(71))))
    let stopped = try #require(evaluator.loss(of: tokens) { _ in false })
    #expect(stopped == first && stopped.tokenCount == 70)
    #expect(try #require(evaluator.loss(of: tokens)).tokenCount == 139)
  }

  @Test("changing a token leaves the logits before it as they are", arguments: 0..<3)
  func causal(kind: Int) {
    let model = models[kind], tape = Tape<Float>(), whole = logits(model, tape, [text])
    for position in [1, 13, 14, 31, 32, 63, 69] {
      var changed = text
      changed[position] = (changed[position] + 1) % 50
      let after = logits(model, tape, [changed])
      #expect(Array(after.prefix(position * 50)) == Array(whole.prefix(position * 50)))
      #expect(Array(after[(position * 50)...]) != Array(whole[(position * 50)...]))
    }
  }

  @Test("packed documents have the hidden states that they have alone, bit for bit", arguments: 0..<3)
  func documents(kind: Int) {
    let model = models[kind], tape = Tape<Float>(), lengths = [1, 37, 4, 28], C = model.configuration.channelCount
    let positions = lengths.flatMap { (0..<Int32($0)).map { $0 } }
    #expect(positions.count == text.count)
    func states(_ ids: [Int32], _ positions: [Int32]?) -> [Float] {
      tape.step { tape in
        tape.inference {
          model.hiddenStates(
            tape.tokens(ids.span, shape: [1, ids.count]),
            positions: positions.map { tape.tokens($0.span, shape: [1, ids.count]) }
          ).array
        }
      }
    }
    let packed = states(text, positions)
    var first = 0
    for length in lengths {
      #expect(Array(packed[first * C..<(first + length) * C]) == states(Array(text[first..<first + length]), nil))
      first += length
    }
    #expect(packed != states(text, nil))
  }
}
