import Testing
import AutogradText

@Suite("CorpusGenerator")
struct CorpusGeneratorTests {
  private let small = CorpusGenerator(
    grammar: try! Grammar(parsing: "document = a [3] | bc<d>\nd = <> | d<d>"), seed: 7)

  @Test("the same seed and index always give the same document")
  func pinned() {
    let documents = (0..<12).map { String(decoding: small.document($0), as: UTF8.self) }
    #expect(
      documents == [
        "\na", "\na", "\na", "\nbcd", "\na", "\na", "\na", "\nbc", "\nbcd", "\na", "\nbc", "\nbcd",
      ])
    let other = CorpusGenerator(grammar: small.grammar, seed: 8)
    #expect((0..<40).map { other.document($0) } != (0..<40).map { small.document($0) })
    let evaluation = CorpusGenerator(grammar: small.grammar, seed: 7, purpose: .evaluation)
    #expect((0..<40).map { evaluation.document($0) } != (0..<40).map { small.document($0) })
  }

  @Test("a text is the documents one after another, from any of them on")
  func streaming() {
    let joined = (0..<50).flatMap { small.document($0) }
    #expect(small.text(characterCount: joined.count) == joined)
    #expect(small.text(characterCount: 0).isEmpty)
    let later = (20..<50).flatMap { small.document($0) }
    #expect(Array(small.characters(fromDocument: 20).prefix(later.count)) == later)
  }

  @Test("documents come as often as the grammar says")
  func frequencies() {
    var counts = ["\na": 0, "\nbc": 0, "\nbcd": 0]
    for index in 0..<16_000 { counts[String(decoding: small.document(UInt64(index)), as: UTF8.self)]? += 1 }
    // Expected 12000, 2000, 1000; standard deviations 55, 42, 31.
    #expect(abs(counts["\na"]! - 12_000) < 220)
    #expect(abs(counts["\nbc"]! - 2_000) < 168)
    #expect(abs(counts["\nbcd"]! - 1_000) < 124)
  }
}

@Suite("DocumentWindowSampler")
struct DocumentWindowSamplerTests {
  private func batch(
    _ sampler: DocumentWindowSampler, _ batch: UInt64
  ) -> (inputs: [Int32], targets: [Int32]) {
    var room = sampler.makeBatch()
    sampler.fill(&room, number: batch)
    return (room.inputs, room.targets)
  }

  @Test("each row is a text from its beginning, targets are one character further")
  func rows() throws {
    let generator = CorpusGenerator(seed: 3)
    let tokenizer = try CharacterTokenizer(training: generator.grammar.alphabet)
    let sampler = try DocumentWindowSampler(
      generator: generator, tokenizer: tokenizer, blockSize: 100, batchSize: 5)
    let (inputs, targets) = batch(sampler, 2)
    for row in 0..<5 {
      let window = [inputs[row * 100]] + targets[row * 100..<(row + 1) * 100]
      #expect(Array(inputs[row * 100..<(row + 1) * 100]) == window.dropLast())
      let text = Array(generator.characters(fromDocument: UInt64(2 * 5 + row) * 101).prefix(101))
      #expect(tokenizer.decode(window) == text)
      #expect(generator.grammar.negativeLogLikelihood(of: text) != nil)
    }
    #expect(batch(sampler, 2) == (inputs, targets))
    #expect(batch(sampler, 3).inputs != inputs)
  }

  @Test("a tokenizer that lacks a character is refused")
  func foreignTokenizer() throws {
    let tokenizer = try CharacterTokenizer(training: Array("\nabc".utf8))
    #expect(throws: TextError.self) {
      try DocumentWindowSampler(
        generator: CorpusGenerator(seed: 1), tokenizer: tokenizer, blockSize: 8, batchSize: 1)
    }
  }
}
