import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradText

@Suite("Preference pairs") struct PreferencePairTests {
  private let form = AnswerForm(ChatTemplate.named("chatml"), begin: "", end: "</s>")

  /// The texts of a line, « and » around what counts.
  private func written(_ line: String, _ form: AnswerForm) throws -> [String] {
    try LineKind.preference.contents(of: JSON(parsing: Array(line.utf8))).map { content in
      let text = try form.write(content)
      var shown = text.bytes
      for answer in text.answers.reversed() {
        shown.insert(contentsOf: "»".utf8, at: answer.upperBound)
        shown.insert(contentsOf: "«".utf8, at: answer.lowerBound)
      }
      return String(decoding: shown, as: UTF8.self)
    }
  }

  private func problem(_ line: String) -> String {
    do {
      _ = try written(line, form)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test("strings are a prompt and its continuations, with a template a question and its answers")
  func strings() throws {
    let line = #"{"prompt": "The sky is", "chosen": " blue.", "rejected": " green", "score": 3}"#
    let plain = try written(line, AnswerForm(nil, begin: "", end: "</s>"))
    #expect(plain == ["The sky is« blue.</s>»", "The sky is« green</s>»"])
    let turns = ["blue.", "green"].map { answer in
      "<|im_start|>user\nThe sky is<|im_end|>\n<|im_start|>assistant\n« \(answer)<|im_end|>»\n"
    }
    #expect(try written(line, form) == turns)
    #expect(throws: TextError.noEndOfText) { try written(line, AnswerForm(nil, begin: "", end: "")) }
  }

  @Test("of messages only what follows the prompt counts, whatever was answered before")
  func messages() throws {
    let prompt =
      #"[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}, "#
      + #"{"role": "user", "content": "R"}]"#
    func line(_ prompt: String, _ chosen: String, _ rejected: String) -> String {
      #"{"prompt": \#(prompt), "chosen": \#(chosen), "rejected": \#(rejected)}"#
    }
    let before = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nR<|im_end|>\n"
    let expected = ["yes", "no"].map { before + "<|im_start|>assistant\n«\($0)<|im_end|>»\n" }
    let lists = [#"[{"role": "assistant", "content": "yes"}]"#, #"[{"role": "assistant", "content": "no"}]"#]
    #expect(try written(line(prompt, lists[0], lists[1]), form) == expected)
    #expect(try written(line(prompt, #""yes""#, #""no""#), form) == expected)
    #expect(try written(line(prompt, lists[0], #""no""#), form) == expected)
    let short = try written(line(#""R""#, lists[0], lists[1]), form)
    #expect(short == ["yes", "no"].map { "<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n«\($0)<|im_end|>»\n" })
    // Whole conversations beside a prompt in a string, as UltraFeedback has them.
    let whole = lists.map { String(prompt.dropLast()) + ", " + $0.dropFirst() }
    #expect(try written(line(#""R""#, whole[0], whole[1]), form) == expected)
  }

  @Test("a line with these keys is a pair, whatever else it has")
  func kind() throws {
    let line = #"{"prompt": "a", "chosen": "b", "rejected": "c", "messages": [], "completion": "d"}"#
    #expect(LineKind.of(try JSON(parsing: Array(line.utf8))) == .preference)
    #expect(LineKind.preference.documentsPerLine == 2 && LineKind.preference.hasAnswers)
  }

  @Test("what a line lacks or has wrong is told")
  func problems() {
    let end = "; a line is one JSON object with"
    #expect(problem(#"{"prompt": "a", "chosen": "b"}"#).hasPrefix("the object has no \"rejected\"" + end))
    #expect(
      problem(#"{"prompt": "a", "chosen": 4, "rejected": "c"}"#)
        .hasPrefix("\"chosen\" is neither a string nor a list of messages" + end))
    #expect(
      problem(#"{"prompt": "a", "chosen": [{"role": "tool", "content": ""}], "rejected": "c"}"#)
        .hasPrefix("\"chosen\", message 1: its role is \"tool\""))
    let completion = problem(#"{"prompt": "a", "completion": "b"}"#)
    #expect(completion.hasPrefix("the line holds prompts with completions, and those before hold preference pairs"))
    let user = #"[{"role": "user", "content": "x"}]"#
    #expect(
      problem(#"{"prompt": [], "chosen": \#(user), "rejected": "c"}"#)
        .contains("what follows has no message of the assistant"))
    let other = #"[{"role": "user", "content": "y"}, {"role": "assistant", "content": "z"}]"#
    #expect(problem(#"{"prompt": "a", "chosen": \#(user), "rejected": \#(other)}"#).contains("their prompts differ"))
    let longer = String(user.dropLast()) + #", {"role": "assistant", "content": "z"}]"#
    let shorter = problem(#"{"prompt": "a", "chosen": \#(user), "rejected": \#(longer)}"#)
    #expect(shorter.contains("goes no further than the other"))
    let list = #"[{"role": "assistant", "content": "x"}]"#
    #expect(throws: TextError.noTemplate) {
      try written(#"{"prompt": [], "chosen": \#(list), "rejected": "c"}"#, AnswerForm(nil, begin: "", end: "</s>"))
    }
  }
}
