import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradText

/// Bytes as tokens, with the special tokens that a test asks for; as some tokenizers do, it may put a space in front of a
/// text, or join a line feed with what follows.
private struct NamedTokenizer: Tokenizer {
  let names: [String]
  var joins = false
  var addsSpace = false
  var changesCase = false

  var vocabularySize: Int { 257 + names.count }
  var specialTokens: [SpecialToken] {
    names.enumerated().map {
      SpecialToken(id: Int32(257 + $0), name: $1, role: $1 == "</s>" ? .endOfText : .other)
    }
  }

  func encode(_ bytes: [UInt8]) throws(TextError) -> [Int32] {
    var tokens: [Int32] = addsSpace ? [32] : [], index = 0
    while index < bytes.count {
      if joins, bytes[index...].starts(with: "\nA".utf8) {
        tokens.append(256)
        index += 2
      } else {
        tokens.append(changesCase && bytes[index] == UInt8(ascii: "X") ? 120 : Int32(bytes[index]))
        index += 1
      }
    }
    return tokens
  }

  func bytes(of token: Int32) -> ArraySlice<UInt8> {
    token < 256 ? [UInt8(token)] : token == 256 ? ArraySlice("\nA".utf8) : ArraySlice(names[Int(token) - 257].utf8)
  }

  func tokenizerJSON() -> [UInt8] { [] }
}

@Suite("Answers") struct AnswerTests {
  private let chat = [
    ChatMessage(.user, "Q"), ChatMessage(.assistant, "A1"), ChatMessage(.user, "X"), ChatMessage(.assistant, "B"),
  ]
  private let names = ["<|im_start|>", "<|im_end|>", "</s>"]

  private func encoded(_ tokenizer: NamedTokenizer) throws -> (text: [String], counted: [String]) {
    let form = try AnswerForm(ChatTemplate.named("chatml"), tokenizer)
    let text = try form.write(.messages(chat))
    var tokens: [Int32] = [], table = DocumentTable()
    table.append(try text.encode(by: tokenizer, into: &tokens))
    #expect(table.tokenCount == tokens.count && table.count == 1)
    func spelt(_ range: Range<Int>) -> String { String(decoding: tokenizer.decode(Array(tokens[range])), as: UTF8.self) }
    var counted: [String] = []
    table.forEachAnswer(in: 0) { counted.append(spelt($0)) }
    return ([spelt(0..<tokens.count)], counted)
  }

  @Test("tokens of the answers count with the token that ends a turn")
  func plain() throws {
    let (text, counted) = try encoded(NamedTokenizer(names: names))
    #expect(counted == ["A1<|im_end|>", "B<|im_end|>"])
    #expect(
      text == [
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>user\nX<|im_end|>\n"
          + "<|im_start|>assistant\nB<|im_end|>\n"
      ])
  }

  @Test("a token that reaches into an answer counts; a space that the tokenizer adds, or another case, moves no bound")
  func others() throws {
    #expect(try encoded(NamedTokenizer(names: names, joins: true)).counted == ["\nA1<|im_end|>", "B<|im_end|>"])
    #expect(try encoded(NamedTokenizer(names: names, changesCase: true)).counted == ["A1<|im_end|>", "B<|im_end|>"])
    let spaced = try encoded(NamedTokenizer(names: names, addsSpace: true)).counted
    #expect(spaced.count == 2 && spaced.allSatisfy { $0.hasSuffix("<|im_end|>") && !$0.contains("assistant") })
  }

  @Test("a template whose tokens the vocabulary lacks is refused, with those that need none")
  func lacking() throws {
    let tokenizer = NamedTokenizer(names: ["<|im_start|>", "</s>"])
    #expect(throws: TextError.templateNeeds(template: "chatml", token: "<|im_end|>")) {
      try AnswerForm(ChatTemplate.named("chatml"), tokenizer)
    }
    #expect(throws: TextError.templateNeeds(template: "llama3", token: "<|start_header_id|>")) {
      try AnswerForm.characters(ChatTemplate.named("llama3"))
    }
    let sentence = "\(TextError.templateNeeds(template: "chatml", token: "<|im_end|>"))"
    #expect(sentence.contains("llama2, ") && sentence.contains("alpaca") && !sentence.contains("phi3"))
  }

  @Test("without a template a completion follows its prompt, an instruction is Alpaca's, conversations are refused")
  func forms() throws {
    let plain = AnswerForm(nil, begin: "", end: "</s>")
    let pair = try plain.write(.pair(prompt: "1 + 1 =", completion: " 2"))
    #expect(String(decoding: pair.bytes, as: UTF8.self) == "1 + 1 = 2</s>" && pair.answers == [7..<13])
    let alpaca = try plain.write(.instruction("Add.", input: "", output: "2"))
    #expect(
      String(decoding: alpaca.bytes, as: UTF8.self)
        == "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        + "### Instruction:\nAdd.\n\n### Response:\n2</s>")
    #expect(alpaca.answers.map { String(decoding: alpaca.bytes[$0], as: UTF8.self) } == ["2</s>"])
    let more = try plain.write(.instruction("Add.", input: "1 1", output: "2"))
    let text = String(decoding: more.bytes, as: UTF8.self)
    #expect(text.hasPrefix("Below is an instruction that describes a task, paired with an input that provides further"))
    #expect(text.hasSuffix("### Instruction:\nAdd.\n\n### Input:\n1 1\n\n### Response:\n2</s>"))
    #expect(throws: TextError.noTemplate) { try plain.write(.messages(chat)) }
    #expect(throws: TextError.noEndOfText) {
      try AnswerForm(nil, begin: "", end: "").write(.pair(prompt: "a", completion: "b"))
    }
  }

  @Test("with one, both are a question and its answer")
  func asChat() throws {
    let form = AnswerForm(ChatTemplate.named("chatml"), begin: "", end: "</s>")
    let pair = try form.write(.pair(prompt: "Q", completion: "A"))
    let same = try form.write(.messages([ChatMessage(.user, "Q"), ChatMessage(.assistant, "A")]))
    #expect(pair == same)
    let instruction = try form.write(.instruction("Q", input: "x", output: "A"))
    #expect(instruction == (try form.write(.pair(prompt: "Q\n\nx", completion: "A"))))
  }

  @Test("an answer ends at the token that ends a turn, where the vocabulary has it, or at its text")
  func ends() throws {
    let tokenizer = NamedTokenizer(names: names)
    func ends(_ name: String) throws -> (tokens: [Int32], text: String) {
      AnswerForm(ChatTemplate.named(name), begin: "", end: "</s>").ends(tokenizer)
    }
    #expect(try ends("chatml") == ([258], ""))
    // Its end is the token that ends a text, which ends texts anyway.
    #expect(try ends("zephyr") == ([], "") && ends("alpaca") == ([], ""))
    #expect(try ends("llama3") == ([], "<|eot_id|>"))
    #expect(AnswerForm(nil, begin: "", end: "").ends(tokenizer) == ([], ""))
  }

  @Test("a conversation is written as it is read, whatever it says")
  func messages() throws {
    let messages = [ChatMessage(.system, ""), ChatMessage(.user, "a\"\\\n\u{1B}é"), ChatMessage(.assistant, "</s>")]
    let bytes = ChatMessage.json(messages).serialized()
    #expect(!bytes.contains(10), "one line")
    #expect(try ChatMessage.list(of: JSON(parsing: bytes)) == messages)
    #expect(throws: TextError.notDocument("message 1: the object has no \"role\"")) {
      try ChatMessage.list(of: .object([.init("messages", .array([.object([])]))]))
    }
  }

  @Test("lines are recognised by their keys, those with more to say first")
  func kinds() throws {
    func kind(_ line: String) throws -> String? { LineKind.of(try JSON(parsing: Array(line.utf8)))?.name }
    #expect(try kind(#"{"text": "a"}"#) == "texts")
    #expect(try kind(#"{"text": "a", "instruction": "b", "input": "", "output": "c"}"#) == "instructions")
    #expect(try kind(#"{"prompt": "a", "completion": "b", "messages": []}"#) == "conversations")
    #expect(try kind(#"{"prompt": "a"}"#) == nil)
  }

  @Test("what a line lacks or has wrong is told")
  func problems() throws {
    func problem(_ kind: LineKind, _ line: String) -> String {
      do {
        _ = try kind.contents(of: JSON(parsing: Array(line.utf8)))
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(problem(.conversation, #"{"messages": 4}"#).hasPrefix("\"messages\" is no list; a line is one JSON object"))
    #expect(problem(.conversation, #"{"messages": ["a"]}"#).hasPrefix("message 1: it is no object"))
    #expect(
      problem(.conversation, #"{"messages": [{"role": "tool", "content": "x"}]}"#)
        .hasPrefix("message 1: its role is \"tool\", and known are \"system\", \"user\", \"assistant\""))
    #expect(
      problem(.conversation, #"{"messages": [{"role": "user", "content": null}]}"#)
        .hasPrefix("message 1: \"content\" is no string"))
    #expect(
      problem(.completion, #"{"text": "x"}"#)
        .hasPrefix("the line holds texts, and those before hold prompts with completions; put them into files of their own"))
    #expect(problem(.instruction, #"{"instruction": "x"}"#).hasPrefix("the object has no \"output\""))
    #expect(problem(.instruction, #"{"instruction": "x", "input": 4, "output": ""}"#).hasPrefix("\"input\" is no string"))
    #expect(problem(.instruction, #"{"instruction": "x", "input": null, "output": ""}"#).isEmpty)
  }
}
