import AutogradBase
public import AutogradEngine
public import AutogradNeuralNetwork
public import AutogradText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a model thinks of a text.
public struct Evaluation: Sendable, Equatable {
  /// Mean negative log-likelihood per predicted token, in nats.
  public let loss: Double
  /// Predicted tokens that count: of a plain text all but the first.
  public let tokenCount: Int
  /// Bytes of the predicted tokens.
  public let byteCount: Int

  /// e^loss: the number of tokens that the model hesitates between.
  public var perplexity: Double { exp(loss) }
  /// What a byte of the text would take when compressed with the model: models with different tokenizers compare by it.
  public var bitsPerByte: Double { loss * Double(tokenCount) / (log(2) * Double(byteCount)) }
}

/// Measures a model's loss on whole texts.
public struct Evaluator<Scalar: TensorScalar> {
  private let model: any LanguageModel<Scalar>
  private let context: Int
  private let tape: Tape<Scalar>

  /// - Parameters:
  ///   - context: How many tokens a prediction may see; nil takes the model's context length.
  ///   - tape: Runs the model; one of its own unless given, since nothing may run on it meanwhile. Evaluating maps its
  ///     arena for a whole window.
  /// - Precondition: `context` is at least 1 and not longer than the model's; otherwise stops and says so.
  public init(model: any LanguageModel<Scalar>, context: Int? = nil, tape: Tape<Scalar> = Tape()) {
    let most = model.configuration.contextLength
    guard (1...most).contains(context ?? most) else {
      fatalError("evaluator: a context of \(context ?? 0) must lie between 1 and \(most), the model's")
    }
    self.model = model
    self.context = context ?? most
    self.tape = tape
  }

  /// Measures a text.
  ///
  /// - Throws: What the tokenizer does not know, and texts of fewer than two tokens.
  public func evaluate(_ text: [UInt8], _ tokenizer: any Tokenizer) throws(TextError) -> Evaluation {
    let tokens = try tokenizer.encode(text)
    guard let result = loss(of: tokens) else {
      throw .nothingToPredict(tokenCount: tokens.count)
    }
    return Evaluation(
      loss: result.loss, tokenCount: result.tokenCount, byteCount: text.count - tokenizer.bytes(of: tokens[0]).count)
  }

  /// Measures tokens that need not fit in memory.
  ///
  /// - Parameters:
  ///   - textByteCount: The bytes of the text that they were made of; nil takes those that the tokens spell, special ones
  ///     apart.
  ///   - stride: As for `EvaluationWindows.text`; nil takes windows that do not overlap.
  ///   - answers: The documents and which of their tokens count; nil counts all tokens of one text.
  ///   - progress: Called after each window with the share done; false ends the evaluation early.
  /// - Throws: What reading tokens throws; `nothingToPredict`.
  /// - Precondition: Tokens lie inside the model's vocabulary.
  public func evaluate(
    _ tokens: any TokenSource, _ tokenizer: any Tokenizer, textByteCount: Int? = nil, stride: Int? = nil,
    answers: DocumentTable? = nil, progress: (Double) -> Bool = { _ in true }
  ) throws -> Evaluation {
    let windows = windows(count: tokens.count, stride: stride, answers: answers)
    var lengths = (0..<Int32(tokenizer.vocabularySize)).map { Int32(tokenizer.bytes(of: $0).count) }
    for special in tokenizer.specialTokens where special.role != .padding { lengths[Int(special.id)] = 0 }
    var spelt = 0, first: Int32?
    let sum = try measure(windows, progress: progress) { (range: Range<Int>) throws -> [Int32] in
      var window = [Int32](repeating: 0, count: range.count), room = window.mutableSpan
      try tokens.read(range, into: &room, at: 0)
      first = first ?? window.first
      return window
    } counted: { token in spelt += Int(lengths[Int(token)]) }
    guard let sum, let first else { throw TextError.nothingToPredict(tokenCount: tokens.count) }
    let byteCount = answers == nil ? textByteCount.map { $0 - Int(lengths[Int(first)]) } : nil
    return Evaluation(loss: sum.loss, tokenCount: sum.tokenCount, byteCount: byteCount ?? spelt)
  }

  /// The mean loss over every token of `tokens` but the first.
  ///
  /// Neighbouring windows of the context length, each predicting one token more than the last one ended with; the
  /// last may be shorter. A token sees what its own window holds before it.
  ///
  /// - Parameters:
  ///   - stride: As for `EvaluationWindows.text`; nil takes windows that do not overlap.
  ///   - progress: Called after each window with the share done; false ends the evaluation early.
  /// - Returns: Loss and number of the predicted tokens; nil where there are fewer than two tokens.
  /// - Precondition: Tokens lie inside the vocabulary.
  /// - Complexity: one forward pass per window; memory for two layers' activations.
  public func loss(
    of tokens: [Int32], stride: Int? = nil, progress: (Double) -> Bool = { _ in true }
  ) -> (loss: Double, tokenCount: Int)? {
    measure(windows(count: tokens.count, stride: stride, answers: nil), progress: progress) { Array(tokens[$0]) }
  }

  private func windows(count: Int, stride: Int?, answers: DocumentTable?) -> EvaluationWindows {
    if let answers { return .answers(answers, context: context, stride: stride) }
    return .text(tokenCount: count, context: context, stride: stride)
  }

  /// Goes over the windows; nil where they predict nothing.
  private func measure<Failure: Error>(
    _ windows: EvaluationWindows, progress: (Double) -> Bool, read: (Range<Int>) throws(Failure) -> [Int32],
    counted note: (Int32) -> Void = { _ in }
  ) throws(Failure) -> (loss: Double, tokenCount: Int)? {
    var sum = CompensatedSum(), count = 0
    // Mapped at once: growing on the way would leave pages behind.
    tape.reserve(tape.plan { _ in _ = windowLoss([Int32](repeating: 0, count: windows.longest), counts: { _ in true }) })
    for number in 0..<windows.count {
      let window = windows[number]
      let own = window.counted.reduce(0) { $0 + $1.count }
      if own == 0 { continue }
      let tokens = try read(window.range)
      let loss = tape.step { _ in
        windowLoss(tokens) { place in window.counted.contains { $0.contains(window.range.lowerBound + place) } }
      }
      sum.add(loss * Double(own))
      count += own
      for range in window.counted { for place in range { note(tokens[place - window.range.lowerBound]) } }
      if !progress(Double(number + 1) / Double(windows.count)) { break }
    }
    return count == 0 ? nil : (sum.total / Double(count), count)
  }

  /// Inside a step: the mean loss of a window's tokens that count; its last token is a target only.
  ///
  /// - Parameter counts: Whether the token at a place counts, the first of the window being 0.
  private func windowLoss(_ window: [Int32], counts: (Int) -> Bool) -> Double {
    let count = window.count - 1, ignored: Int32 = -1
    let wanted = (1..<window.count).map { counts($0) ? window[$0] : ignored }
    return tape.inference {
      let inputs = tape.tokens(window.span.extracting(0..<count), shape: [1, count])
      let targets = tape.tokens(wanted.span, shape: [1, count])
      return Double(model.loss(inputs, targets: targets, ignoring: ignored).value)
    }
  }
}
