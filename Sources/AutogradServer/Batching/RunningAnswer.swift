import AutogradModels
import AutogradText

/// An answer that has its place.
struct RunningAnswer {
  let submission: Submission
  private var continuation: TextContinuation
  private var usage: GenerationUsage

  init(_ submission: Submission, _ tokenizer: any Tokenizer, reused: Int) {
    let request = submission.request
    self.submission = submission
    continuation = TextContinuation(
      prompt: request.prompt, tokenizer: tokenizer, options: request.options, ends: request.ends)
    usage = GenerationUsage(promptTokens: request.prompt.count, reusedTokens: reused)
  }

  /// Prompt and drawn tokens.
  var text: [Int32] { continuation.tokens }

  /// Whether its prompt is not read to the end.
  var isReading: Bool { !hasDrawn }

  var hasDrawn: Bool { usage.answerTokens > 0 }

  /// Draws the next token.
  ///
  /// - Parameter logits: [V], behind the whole text.
  /// - Returns: Whether another one is wanted.
  mutating func advance(_ logits: [Float], contextSize: Int) -> Bool {
    if submission.request.options.maximumTokens == 0 { return finish(.length) }
    let piece: GeneratedPiece
    do throws(SamplingError) {
      piece = try continuation.take(logits)
    } catch {
      submission.deliver(.failed(.model("\(error)")))
      return false
    }
    usage.answerTokens += 1
    // The token that ends a text is none of it.
    let isEnd = if case .endToken? = piece.finish { true } else { false }
    let reports = isEnd ? [] : piece.choice.map { [TokenReport($0)] } ?? []
    // The first piece goes out even if it is empty: it says that the answer has begun.
    if !piece.text.isEmpty || !reports.isEmpty || usage.answerTokens == 1 { submission.deliver(.text(piece.text, reports)) }
    if let reason = piece.finish { return finish(reason) }
    return text.count > contextSize ? finish(.length) : true
  }

  /// Reports prompt tokens whose probabilities are known by now.
  ///
  /// - Parameters:
  ///   - count: Tokens that were read.
  ///   - rows: The logits behind the last of them.
  func tellPrompt(upTo count: Int, _ rows: ArraySlice<[Float]>) {
    guard isReading else { return }
    let request = submission.request, first = count - rows.count
    var reports = first == 0 ? [TokenReport(first: request.prompt[0])] : []
    for (offset, row) in rows.enumerated() where first + offset + 1 < request.prompt.count {
      // A row tells of the token behind it.
      let token = request.prompt[first + offset + 1]
      reports.append(TokenReport(TokenChoice(token, of: row, top: request.options.topLogprobs ?? 0)))
    }
    submission.deliver(.prompt(reports))
  }

  private mutating func finish(_ reason: FinishReason) -> Bool {
    let rest = continuation.end(reason)
    if !rest.isEmpty { submission.deliver(.text(rest, [])) }
    submission.deliver(.finished(reason, usage))
    return false
  }
}
