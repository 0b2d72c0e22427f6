import AutogradBase
import AutogradModels
import AutogradText

/// Asks for texts on standard input and continues each by itself, until the input ends or `/quit`.
struct Prompts {
  let session: TextSession
  let context: ContextOptions
  var options: GenerationOptions
  /// The most tokens to draw; nil for what is usual.
  var length: Int?
  private var count: UInt32 = 0

  init(session: TextSession, context: ContextOptions, options: GenerationOptions, length: Int?) {
    (self.session, self.context, self.options, self.length) = (session, context, options, length)
  }

  mutating func run() throws {
    var input = StandardInput()
    Console.showLine("Type a text to continue. /temp X, /topk N, /len N change how; /quit ends.")
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
    let words = line.split(separator: " "), value = words.count > 1 ? String(words[1]) : ""
    switch words[0] {
    case "/temp":
      guard let temperature = Double(value), temperature >= 0, temperature.isFinite else { return complain("/temp 0.8") }
      options.sampler.temperature = temperature
    case "/topk":
      guard let topK = Int(value), topK >= 1 else { return complain("/topk 200") }
      options.sampler.topK = topK
    case "/len":
      guard let length = Int(value), length >= 0 else { return complain("/len 500") }
      self.length = length
    default: complain("/temp 0.8, /topk 200, /len 500 or /quit")
    }
  }

  private func complain(_ example: String) { Console.showLine("write it like this: \(example)") }

  private mutating func answer(_ prompt: String) {
    do {
      let tokens = try session.tokens(of: prompt)
      options.maximumTokens = context.limit(
        length, usual: GenerateCommand.usualLength, after: tokens.count, in: session.contextSize)
      options.stream = count
      let generation = try session.begin(tokens, options: options)
      Console.show(prompt)
      while let (_, piece) = try generation.next() {
        Console.show(Console.isTerminal ? piece.text.escapedForTerminal : piece.text)
        if !Console.isWritable { generation.cancel() }
      }
      Console.showLine("")
      count += 1
    } catch {
      Console.showLine(sentence(of: error))
    }
  }
}
