import AutogradBase
import Testing
import AutogradText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("The built-in grammar")
struct StoriesTests {
  private let grammar = Grammar.stories

  @Test("has over 200 words and a small automaton, and fits a window of 128")
  func size() {
    #expect(Set(grammar.words.map { $0.lowercased() }).count > 200)
    #expect(grammar.automaton.stateCount < 20_000)
    #expect(grammar.alphabet.count < 64)
    let generator = CorpusGenerator(seed: 5)
    let longest = (0..<4_000).map { generator.document($0).count }.max()!
    #expect(longest <= 128)
  }

  @Test("its own documents are right in everything")
  func ownDocuments() {
    let report = GrammarReport(of: CorpusGenerator(seed: 2).text(characterCount: 40_000), by: grammar)
    #expect(report.words.count > 5_000 && report.words.share == 1)
    #expect(report.sentences.count > 1_000 && report.sentences.share == 1)
    #expect(report.documents.count > 400 && report.documents.share == 1)
  }

  /// The mean of `values` and its standard error.
  private func estimate(_ values: [Double]) -> (mean: Double, error: Double) {
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
    return (mean, (variance / Double(values.count)).squareRoot())
  }

  @Test("the optimum of a window is what sampled windows cost", arguments: [32, 64, 96])
  func sampledOptimum(length: Int) throws {
    let generator = CorpusGenerator(seed: 11)
    let losses = try (0..<6_000).map { window in
      let text = generator.characters(fromDocument: UInt64(window * 100)).prefix(length + 1)
      return try #require(grammar.negativeLogLikelihood(of: text)) / Double(length)
    }
    let (mean, error) = estimate(losses)
    let difference = abs(mean - grammar.windowOptimum(length: length))
    #expect(difference < 4 * error && difference < 0.005, "\(mean) ± \(error)")
  }

  @Test("the entropy rate is what sampled documents cost")
  func sampledRate() throws {
    let generator = CorpusGenerator(seed: 12)
    // A document's cost counts the newline that ends it, so its own first one is free.
    let pairs = try (0..<6_000).map { (index: UInt64) in
      let document = generator.document(index)
      return (try #require(grammar.negativeLogLikelihood(of: document + [10])), Double(document.count))
    }
    let length = estimate(pairs.map(\.1))
    #expect(abs(length.mean - grammar.meanDocumentLength) < 4 * length.error)
    let (excess, error) = estimate(
      pairs.map { ($0.0 - grammar.entropyRate * $0.1) / grammar.meanDocumentLength })
    #expect(abs(excess) < 4 * error && abs(excess) < 0.005, "\(excess) ± \(error)")
  }

  @Test(
    "a model that sees only 4 or 5 characters is at least 0.15 nats per character worse", arguments: [4, 5])
  func shortContext(length: Int) {
    let training = CorpusGenerator(seed: 21).text(characterCount: 1_000_000)
    let heldOut = CorpusGenerator(seed: 21, purpose: .evaluation).text(characterCount: 100_000)
    var model = ContextModel(contextLength: length, alphabet: grammar.alphabet)
    model.count(training)
    // The best of several smoothings, so that a bad one is not the reason.
    let loss = [0.001, 0.01, 0.1, 1].map { model.loss(on: heldOut, smoothing: $0) }.min()!
    #expect(loss - grammar.entropyRate >= 0.15, "\(loss) nats per character")
    #expect(loss - grammar.entropyRate < 1)
  }
}

/// Predicts a character from the ones just before, by counting.
private struct ContextModel {
  private let contextLength: Int
  private var ids = [UInt64](repeating: 0, count: 256)
  private let alphabetCount: Double
  private var counts: [UInt64: Double] = [:]

  init(contextLength: Int, alphabet: [UInt8]) {
    self.contextLength = contextLength
    alphabetCount = Double(alphabet.count)
    // From 1 on, so that 0 fills the place of the character that a context leaves open.
    for (index, character) in alphabet.enumerated() { ids[Int(character)] = UInt64(index + 1) }
  }

  /// Calls `body` with the context and the context with its character, each packed into a word.
  private func forEach(_ text: [UInt8], _ body: (UInt64, UInt64) -> Void) {
    let mask = UInt64(1) << UInt64(8 * (contextLength + 1)) - 1
    var packed: UInt64 = 0
    for (index, character) in text.enumerated() {
      let context = packed << 8 & mask
      packed = context | ids[Int(character)]
      if index >= contextLength { body(context, packed) }
    }
  }

  mutating func count(_ text: [UInt8]) {
    var counts = counts
    forEach(text) { context, whole in
      counts[context, default: 0] += 1
      counts[whole, default: 0] += 1
    }
    self.counts = counts
  }

  func loss(on text: [UInt8], smoothing: Double) -> Double {
    var sum = 0.0
    forEach(text) { context, whole in
      let share = (counts[whole] ?? 0) + smoothing
      sum -= log(share / ((counts[context] ?? 0) + smoothing * alphabetCount))
    }
    return sum / Double(text.count - contextLength)
  }
}
