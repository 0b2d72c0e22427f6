import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import Testing

/// Results depend neither on what follows nor on what else is in the batch, bit for bit.
@Suite("Prefixes and batches") struct PrefixTests {
  let model: Decoder<Float>
  let text: [Int32] = (0..<70).map { Int32(($0 * 37 + $0 * $0) % 50) }
  let other: [Int32] = (0..<70).map { Int32(($0 * 11 + 3) % 50) }

  init() throws {
    model = Decoder(
      try DecoderConfiguration(vocabularySize: 50, contextLength: 70, layerCount: 2, headCount: 3, channelCount: 51),
      seed: 5)
    // Weights of ordinary size, so that attention is not nearly uniform.
    for named in model.parameters where named.parameter.shape.count == 2 {
      named.parameter.set(named.parameter.array.map { $0 * 10 })
    }
  }

  private func logits(_ tape: Tape<Float>, _ sequences: [[Int32]]) -> [Float] {
    let ids = sequences.flatMap { $0 }, B = sequences.count, T = sequences[0].count
    return tape.step { tape in
      tape.inference { model.logits(tape.tokens(ids.span, shape: [B, T])).array }
    }
  }

  @Test(
    "the first t rows of the logits are those of the first t tokens, alone and inside a batch",
    arguments: InstructionSet.available)
  func prefixes(set: InstructionSet) {
    let tape = Tape<Float>(backend: Backend(instructionSet: set))
    let whole = logits(tape, [text])
    #expect(whole.allSatisfy { $0.isFinite })
    for t in 1...70 {
      let rows = Array(whole.prefix(t * 50))
      #expect(logits(tape, [Array(text.prefix(t))]) == rows, "\(t) tokens alone")
      let batch = logits(tape, [Array(other.prefix(t)), Array(text.prefix(t)), Array(other.reversed().prefix(t))])
      #expect(Array(batch[t * 50..<2 * t * 50]) == rows, "\(t) tokens inside a batch")
    }
  }

  @Test("a text longer than the context is continued from as many of its last tokens as the context holds")
  func window() {
    let tape = Tape<Float>(), generator = Generator(model: model, sampler: Sampler())
    for length in [69, 70, 71, 90] {
      let long = (other + text).suffix(length)
      #expect(generator.nextLogits(Array(long)) == Array(logits(tape, [Array(long.suffix(70))]).suffix(50)), "\(length)")
    }
  }

  @Test("an evaluation that is told to stop has measured the windows until then")
  func stopped() throws {
    let tokens = text + other, evaluator = Evaluator(model: model)
    let first = try #require(evaluator.loss(of: Array(tokens.prefix(71))))
    let stopped = try #require(evaluator.loss(of: tokens) { _ in false })
    #expect(stopped == first && stopped.tokenCount == 70)
    #expect(try #require(evaluator.loss(of: tokens)).tokenCount == 139)
  }

  @Test("changing a token leaves the logits before it as they are")
  func causal() {
    let tape = Tape<Float>(), whole = logits(tape, [text])
    for position in [1, 13, 14, 31, 32, 63, 69] {
      var changed = text
      changed[position] = (changed[position] + 1) % 50
      let after = logits(tape, [changed])
      #expect(Array(after.prefix(position * 50)) == Array(whole.prefix(position * 50)))
      #expect(Array(after[(position * 50)...]) != Array(whole[(position * 50)...]))
    }
  }
}
