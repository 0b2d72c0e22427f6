import AutogradBase
import AutogradModels
import AutogradText

/// Asks for prompts on standard input and continues each, until the input ends or `/quit`.
struct Conversation {
  var generator: Generator<Float>
  let tokenizer: any Tokenizer
  var length: Int
  let stops: [String]
  /// How a conversation is written; nil continues each text by itself.
  let form: AnswerForm?
  private var messages: [ChatMessage] = []
  private var count: UInt32 = 0

  init(
    generator: Generator<Float>, tokenizer: any Tokenizer, length: Int, stops: [String], form: AnswerForm? = nil
  ) {
    self.form = form
    self.generator = generator
    self.tokenizer = tokenizer
    self.length = length
    self.stops = stops
  }

  mutating func run() throws {
    var input = StandardInput()
    let what = form == nil ? "a text to continue" : "what you want to say"
    Console.showLine("Type \(what). /temp X, /topk N, /len N change how; /quit ends.")
    while Console.isWritable {
      Console.show("> ")
      guard let bytes = try input.line() else { break }
      if let offset = UTF8Sequence.firstInvalidOffset(in: bytes.span) {
        Console.showLine("\(TextError.invalidUTF8(path: nil, byteOffset: offset))")
        continue
      }
      let line = String(decoding: bytes, as: UTF8.self)
      if line == "/quit" { return }
      if line.hasPrefix("/") { obey(line) } else if !line.isEmpty { answer(line) }
    }
    Console.showLine("")
  }

  private mutating func obey(_ line: String) {
    let words = line.split(separator: " ")
    switch (words[0], words.count > 1 ? String(words[1]) : "") {
    case ("/temp", let value):
      guard let temperature = Double(value), temperature >= 0, temperature.isFinite else { return complain("/temp 0.8") }
      generator.sampler.temperature = temperature
    case ("/topk", let value):
      guard let topK = Int(value), topK >= 1 else { return complain("/topk 200") }
      generator.sampler.topK = topK
    case ("/len", let value):
      guard let length = Int(value), length >= 0 else { return complain("/len 500") }
      self.length = length
    default: complain("/temp 0.8, /topk 200, /len 500 or /quit")
    }
  }

  private func complain(_ example: String) { Console.showLine("write it like this: \(example)") }

  private mutating func answer(_ prompt: String) {
    do throws(TextError) {
      let said = ChatMessage(.user, prompt)
      let tokens =
        if let form { try form.tokens(askingAfter: messages + [said], tokenizer) } else { try tokenizer.encode(prompt) }
      if form == nil { Console.show(prompt) }
      var answer = ""
      generator.generate(after: tokens, count: length, stream: count, tokenizer: tokenizer, stops: stops) { piece in
        Console.show(piece)
        answer += piece
        return Console.isWritable
      }
      Console.showLine("")
      if form != nil { messages += [said, ChatMessage(.assistant, answer)] }
      count += 1
    } catch {
      Console.showLine("\(error)")
    }
  }
}
