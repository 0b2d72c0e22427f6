import AutogradBase
import AutogradKernels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradTraining

@Suite("Words of texts") struct WordSurveyTests {
  /// Lines with words, spaces at their ends, empty ones, and long stretches without a place to cut.
  private func text(_ random: inout RandomStream, lines: Int) -> [UInt8] {
    var text = ""
    for _ in 0..<lines {
      for _ in 0..<random.integer(below: 8) {
        text += ["the", " a", "  ", "Zürich", "!?", "\t", "12", "\u{3000}", "'s", "x"][random.integer(below: 10)]
      }
      if random.integer(below: 20) == 0 { text += String(repeating: "=", count: random.integer(below: 9000)) }
      text += random.integer(below: 3) == 0 ? "\n\n" : "\n"
    }
    return Array(text.utf8)
  }

  private func counts(_ words: WordCounts) -> [[UInt8]: Int] {
    Dictionary(uniqueKeysWithValues: (0..<words.count).map { (Array(words[$0]), words.counts[$0]) })
  }

  @Test("a text has the same words, however it is cut and by how many threads", arguments: [PreTokenizer.gpt2, .cl100k, .smollm])
  func cuts(_ kind: PreTokenizer) throws {
    var random = RandomStream(seed: 3, purpose: .evaluation)
    for round in 0..<6 {
      let bytes = text(&random, lines: 300)
      var whole = WordCounts()
      try kind.count(bytes.span, in: &whole)
      let input = try TextInput(FileInMemory(bytes: bytes), path: "x.txt", kind: .plain)
      for length in [64, 1000, 1 << 20] {
        let survey = try WordSurvey(
          [input, input], kind, pool: ThreadPool(threads: 1 + round % 3), pieceLength: length)
        let expected = counts(whole).mapValues { 2 * $0 }
        #expect(counts(survey.words) == expected, "\(length)")
        #expect(survey.textByteCount == 2 * bytes.count)
      }
    }
  }

  @Test("bytes that are no text are refused, with their place in the file")
  func invalid() throws {
    let bytes = Array(String(repeating: "one line\n", count: 100).utf8) + [0xFF] + Array("more\n".utf8)
    let input = try TextInput(FileInMemory(bytes: bytes), path: "x.txt", kind: .plain)
    #expect(throws: TextError.invalidUTF8(path: "x.txt", byteOffset: 900)) {
      try WordSurvey([input], .gpt2, pool: .shared, pieceLength: 100)
    }
  }
}
