import AutogradBase
import AutogradModels
import AutogradText

/// Samples from one prompt, drawn together and shown one after another.
struct Samples {
  /// How many texts go through the model in one pass.
  static let mostTogether = 16

  let session: TextSession
  let prompt: String
  let showsPrompt: Bool
  let tokens: [Int32]
  let options: GenerationOptions
  /// The form of the weights, in words.
  let weights: String

  /// Draws and shows them. Ctrl-C ends what is under way; what was drawn by then stands there, and the process ends by it.
  func show(count: Int, json: Bool, stats: Bool) throws {
    Signals.watch()
    var total: GenerationReport?
    for first in stride(from: 0, to: count, by: session.options.sequenceCount) where Console.isWritable && !Signals.isNoted {
      let together = min(session.options.sequenceCount, count - first)
      let reports = try json ? showObjects(first, together, stats) : showTexts(first, together)
      let group = GenerationReport(together: reports)
      if total == nil { total = group } else { total? += group }
    }
    if stats, !json, let total { for line in total.lines(session.memory, weights) { Console.writeError(line) } }
    Signals.endIfNoted()
    Signals.unwatch()
  }

  private func begin(_ first: Int, _ count: Int) throws(GenerationError) -> TextGeneration {
    var options = options
    options.stream = UInt32(first)
    return try session.begin(tokens, samples: count, options: options)
  }

  // MARK: For people

  private func showTexts(_ first: Int, _ count: Int) throws(GenerationError) -> [GenerationReport] {
    let generation = try begin(first, count)
    // The first that has not ended is shown as it comes; what comes of the others meanwhile waits.
    var shown = 0, waiting = [String](repeating: "", count: count), ended = [Bool](repeating: false, count: count)
    startLine(first)
    while let (sample, piece) = try generation.next(isCancelled: { Signals.isNoted }) {
      waiting[sample] += piece.text
      ended[sample] = piece.finish != nil
      while shown < count {
        Console.show(Console.isTerminal ? waiting[shown].escapedForTerminal : waiting[shown])
        waiting[shown] = ""
        guard ended[shown], shown + 1 < count else { break }
        shown += 1
        Console.showLine("")
        startLine(first + shown)
      }
      if !Console.isWritable { generation.cancel() }
    }
    Console.showLine("")
    return generation.reports
  }

  private func startLine(_ number: Int) {
    if number > 0 { Console.showLine("---") }
    if showsPrompt { Console.show(prompt) }
  }

  // MARK: For programs

  private func showObjects(_ first: Int, _ count: Int, _ stats: Bool) throws(GenerationError) -> [GenerationReport] {
    let generation = try begin(first, count)
    var texts = [String](repeating: "", count: count), choices = [[TokenChoice]](repeating: [], count: count)
    while let (sample, piece) = try generation.next(isCancelled: { Signals.isNoted }) {
      texts[sample] += piece.text
      if let choice = piece.choice { choices[sample].append(choice) }
      if !Console.isWritable { generation.cancel() }
    }
    let reports = generation.reports
    for sample in 0..<count {
      var members = [
        JSON.Member("sample", .integer(Int64(first + sample))), JSON.Member("prompt", .string(prompt)),
        JSON.Member("text", .string(texts[sample])),
        JSON.Member("tokens", .array(choices[sample].map(object))),
        JSON.Member("finish_reason", .string(reports[sample].finish.name)),
        JSON.Member("usage", reports[sample].usage),
      ]
      if stats { members.append(JSON.Member("timings", reports[sample].timings(session.memory))) }
      Console.showLine(String(decoding: JSON.object(members).serialized(), as: UTF8.self))
    }
    return reports
  }

  private func object(_ choice: TokenChoice) -> JSON {
    var members = members(choice.token, choice.logprob)
    if options.topLogprobs ?? 0 > 0 {
      members.append(JSON.Member("top_logprobs", .array(choice.top.map { .object(self.members($0.token, $0.logprob)) })))
    }
    return .object(members)
  }

  /// Bytes stand beside the text, because a token need not be whole characters.
  private func members(_ token: Int32, _ logprob: Double) -> [JSON.Member] {
    // A vocabulary may be wider than its tokenizer: such a token has no text.
    let bytes = Int(token) < session.tokenizer.vocabularySize ? session.tokenizer.bytes(of: token) : []
    return [
      JSON.Member("id", .integer(Int64(token))), JSON.Member("text", .string(String(decoding: bytes, as: UTF8.self))),
      JSON.Member("bytes", .array(bytes.map { .integer(Int64($0)) })), JSON.Member("logprob", .number(logprob)),
    ]
  }
}
