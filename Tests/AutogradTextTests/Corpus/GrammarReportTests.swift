import Testing
import AutogradText

@Suite("GrammarReport")
struct GrammarReportTests {
  private let grammar = try! Grammar(
    parsing: """
      document = <tale:she> | <tale:he>
      tale:* = The <who:*> sings. <It:*> is glad.
      who:she = queen
      who:he = king
      It:she = She
      It:he = He
      """)

  private func report(_ text: String) -> GrammarReport { GrammarReport(of: Array(text.utf8), by: grammar) }

  @Test("what the grammar makes is right in everything", arguments: ["", "\n"])
  func good(beginning: String) {
    let report = report(beginning + "The queen sings. She is glad.\nThe king sings. He is glad.\n")
    #expect(report.words.count == 12 && report.words.share == 1 && report.words.offenders.isEmpty)
    #expect(report.sentences.count == 4 && report.sentences.share == 1)
    #expect(report.documents.count == 2 && report.documents.share == 1)
  }

  @Test("a sentence that another document could have is right, the document is not")
  func disagreement() {
    let report = report("The queen sings. He is glad.\n")
    #expect(report.words.share == 1 && report.sentences.share == 1)
    #expect(report.documents.share == 0)
    #expect(report.documents.offenders == ["The queen sings. He is glad."])
  }

  @Test("wrong words and sentences are counted and shown once, in order")
  func bad() {
    let report = report("The quing sings. She is the queen.\nThe quing sings.  He glad\n")
    #expect(report.words.goodCount == 9 && report.words.count == 12)
    #expect(report.words.offenders == ["quing", "the"])
    #expect(report.sentences.goodCount == 0 && report.sentences.count == 4)
    #expect(report.sentences.offenders == ["The quing sings.", "She is the queen.", " He glad"])
    #expect(report.documents.goodCount == 0 && report.documents.count == 2)
  }

  @Test(
    "what is cut off at the end is not judged",
    arguments: [("The queen sings. She is gl", 5), ("The queen sings. S", 3), ("The queen sings. ", 3)])
  func cutOff(text: String, words: Int) {
    let report = report(text)
    #expect(report.words.count == words && report.words.share == 1)
    #expect(report.sentences.count == 1 && report.sentences.share == 1)
    #expect(report.documents.count == 0 && report.documents.share == 0)
  }

  @Test("at most five offenders are kept, and nothing is said of an empty text")
  func limits() {
    let many = report("a b c d e f a b.\n")
    #expect(many.words.offenders == ["a", "b", "c", "d", "e"] && many.words.count == 8)
    #expect(report("").words.count == 0)
  }

  @Test("the description has a line for each")
  func description() {
    #expect(
      report("The queen sings. He is glad.\n").description == """
        words in the grammar: 6 of 6 (100.0 %)
        sentences in the grammar: 2 of 2 (100.0 %)
        documents in the grammar: 0 of 1 (0.0 %); not: The queen sings. He is glad.
        """)
  }
}
