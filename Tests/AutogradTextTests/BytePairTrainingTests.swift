import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradText

@Suite("Byte-pair training") struct BytePairTrainingTests {
  private func description(
    _ texts: [String], size: Int, frequency: Int = 0, special: [String] = ["<|endoftext|>"]
  ) throws -> BytePairDescription {
    var training = BytePairTraining(), words = WordCounts()
    (training.vocabularySize, training.minimumFrequency, training.specialTokens) = (size, frequency, special)
    for text in texts { try training.preTokenizer.count(bytes(text).span, in: &words) }
    return try training.description(of: words)
  }

  /// Small alphabets make ties, and tokens that are made in two ways.
  private func randomTexts(_ random: inout RandomStream) -> [String] {
    let letters = Array("abcde\u{E9}".prefix(2 + random.integer(below: 5)))
    return (0..<1 + random.integer(below: 4)).map { _ in
      (0..<1 + random.integer(below: 40)).map { _ in
        String((0..<1 + random.integer(below: 9)).map { _ in letters[random.integer(below: letters.count)] })
      }.joined(separator: random.integer(below: 2) == 0 ? " " : "\n")
    }
  }

  @Test("merges are those of the rules, followed word by word")
  func reference() throws {
    var random = RandomStream(seed: 5, purpose: .evaluation)
    for _ in 0..<300 {
      let texts = randomTexts(&random), size = 257 + random.integer(below: 80), frequency = random.integer(below: 4)
      var words = WordCounts()
      for text in texts { try PreTokenizer.gpt2.count(bytes(text).span, in: &words) }
      var reference = ReferenceTrainer(words)
      let expected = reference.merges(size: size - 257, minimumFrequency: frequency)
      let found = try description(texts, size: size, frequency: frequency)
      let pairs = found.merges.map { [Array(found.tokens[Int($0.left)]), Array(found.tokens[Int($0.right)])] }
      #expect(pairs == expected, "\(texts)")
      if pairs != expected { return }
    }
  }

  @Test("special tokens come first, then bytes in the order of their spelling")
  func order() throws {
    let found = try description(["aaab"], size: 260, special: ["<s>", "!"])
    #expect(Array(found.tokens[0]) == bytes("<s>") && Array(found.tokens[1]) == bytes("!"))
    // "!" is a special token's name and a byte's: one token.
    #expect(Array(found.tokens[2]) == bytes("\"") && found.tokens.count == 260)
    #expect(Set((1..<257).map { Array(found.tokens[$0]) }) == Set((0..<256).map { [UInt8($0)] }))
  }

  @Test("words are counted, however many tables they were counted in")
  func counts() throws {
    var random = RandomStream(seed: 6, purpose: .evaluation), whole = WordCounts(), sum = WordCounts()
    var expected: [[UInt8]: Int] = [:]
    for _ in 0..<20 {
      var part = WordCounts()
      for _ in 0..<2000 {
        let word = (0..<random.integer(below: 4)).map { _ in UInt8(random.integer(below: 12)) }
        whole.add(word.span, 0..<word.count)
        part.add(word.span, 0..<word.count)
        expected[word, default: 0] += 1
      }
      sum.add(part)
    }
    for table in [whole, sum] {
      let found = Dictionary(uniqueKeysWithValues: (0..<table.count).map { (Array(table[$0]), table.counts[$0]) })
      #expect(found == expected)
    }
    #expect(whole.total == 40000)
  }

  @Test("a word of a million equal letters takes no square of it")
  func long() throws {
    let found = try description([String(repeating: "a", count: 1_000_000)], size: 257 + 12)
    #expect(found.tokens.length(of: 257 + 11) == 4096)
  }

  @Test("tokenizers learns the same", .enabled(if: TokenizersPeer.python != nil, TokenizersPeer.comment))
  func peer() throws {
    var random = RandomStream(seed: 7, purpose: .evaluation)
    var cases: [(texts: [String], size: Int, frequency: Int, special: [String])] = (0..<400).map { _ in
      (randomTexts(&random), 257 + random.integer(below: 90), random.integer(below: 4), ["<|endoftext|>"])
    }
    cases.append((sampleTexts, 400, 0, ["<s>", "</s>"]))
    let files = try #require(
      TokenizersPeer.ask(
        ["train"],
        .array(
          cases.map { one in
            .object([
              JSON.Member("texts", .array(one.texts.map { .string($0) })), JSON.Member("size", .integer(Int64(one.size))),
              JSON.Member("frequency", .integer(Int64(one.frequency))),
              JSON.Member("special", .array(one.special.map { .string($0) })),
            ])
          })
      ).arrayValue)
    #expect(files.count == cases.count)
    for (one, file) in zip(cases, files) {
      let theirs = try BytePairDescription(TokenizerFile(bytes(#require(file.stringValue))))
      let own = try description(one.texts, size: one.size, frequency: one.frequency, special: one.special)
      #expect(own == theirs, "\(one.texts)")
      if own != theirs { return }
    }
  }
}

/// The rules of training, followed the long way: every word is gone over for every merge.
private struct ReferenceTrainer {
  var words: [(parts: [[UInt8]], count: Int)]

  init(_ counts: WordCounts) {
    words = (0..<counts.count).map { word in (counts[word].map { [$0] }, counts.counts[word]) }
  }

  private struct Entry {
    var count: Int
    let left, right: [UInt8]
    let words: Set<Int>
  }

  private struct Pair: Hashable { let left, right: [UInt8] }

  mutating func merges(size: Int, minimumFrequency: Int) -> [[[UInt8]]] {
    var ids: [[UInt8]: Int] = [:], counts: [Pair: Int] = [:], places: [Pair: Set<Int>] = [:], queue: [Entry] = []
    for (id, byte) in ByteLevel.bytesBySpelling.enumerated() { ids[[byte]] = id }
    for (index, word) in words.enumerated() {
      for (left, right) in zip(word.parts, word.parts.dropFirst()) {
        counts[Pair(left: left, right: right), default: 0] += word.count
        places[Pair(left: left, right: right), default: []].insert(index)
      }
    }
    func push(_ made: [Pair: Set<Int>]) {
      for (pair, words) in made where counts[pair]! > 0 {
        queue.append(Entry(count: counts[pair]!, left: pair.left, right: pair.right, words: words))
      }
    }
    push(places)
    var merges: [[[UInt8]]] = []
    while ids.count < 256 + size, let top = queue.indices.max(by: { a, b in
      let (x, y) = (queue[a], queue[b])
      if x.count != y.count { return x.count < y.count }
      return (ids[x.left]!, ids[x.right]!) > (ids[y.left]!, ids[y.right]!)
    }) {
      var entry = queue.remove(at: top)
      let pair = Pair(left: entry.left, right: entry.right)
      if entry.count != counts[pair]! {
        entry.count = counts[pair]!
        queue.append(entry)
        continue
      }
      if entry.count < max(1, minimumFrequency) { break }
      let new = entry.left + entry.right
      ids[new] = ids[new] ?? ids.count
      merges.removeAll { $0 == [entry.left, entry.right] }
      merges.append([entry.left, entry.right])
      var made: [Pair: Set<Int>] = [:]
      for index in entry.words {
        for (changed, difference) in join(index, entry.left, entry.right) {
          counts[changed, default: 0] += difference * words[index].count
          if difference > 0 { made[changed, default: []].insert(index) }
        }
      }
      push(made)
    }
    return merges
  }

  private mutating func join(_ index: Int, _ left: [UInt8], _ right: [UInt8]) -> [(Pair, Int)] {
    var changes: [(Pair, Int)] = [], parts = words[index].parts, place = 0
    while place + 1 < parts.count {
      if parts[place] == left, parts[place + 1] == right {
        parts.replaceSubrange(place...place + 1, with: [left + right])
        if place > 0 {
          changes.append((Pair(left: parts[place - 1], right: left), -1))
          changes.append((Pair(left: parts[place - 1], right: left + right), 1))
        }
        if place + 1 < parts.count {
          changes.append((Pair(left: right, right: parts[place + 1]), -1))
          changes.append((Pair(left: left + right, right: parts[place + 1]), 1))
        }
      }
      place += 1
    }
    words[index].parts = parts
    return changes
  }
}
