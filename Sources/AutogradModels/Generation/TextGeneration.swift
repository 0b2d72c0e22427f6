import AutogradKernels
import Synchronization

/// Texts under way: each call for the next piece draws one token of each.
///
/// One after another or from several threads: calls take turns.
public final class TextGeneration: Sendable {
  /// What changes with each token.
  private struct State: Sendable {
    var continuations: [TextContinuation]
    var reports: [GenerationReport]
    var waiting: [(sample: Int, piece: GeneratedPiece)] = []
    var hasBegun = false
  }

  private let session: TextSession
  private let prompt: [Int32]
  private let window: ContextWindow
  private let stopwatch = Stopwatch(.wall)
  private let state: Mutex<State>

  init(_ session: TextSession, _ prompt: [Int32], _ samples: Int, _ options: GenerationOptions) {
    (self.session, self.prompt) = (session, prompt)
    window = ContextWindow(size: session.contextSize, keptCount: options.keptTokens)
    var report = GenerationReport()
    report.promptTokens = prompt.count
    let continuations = (0..<samples).map { sample in
      var own = options
      own.stream += UInt32(sample)
      return TextContinuation(prompt: prompt, tokenizer: session.tokenizer, options: own, ends: session.options.ends)
    }
    if continuations[0].finish == .length { report.finish = .length }
    state = Mutex(State(continuations: continuations, reports: Array(repeating: report, count: samples)))
  }

  /// What each text took so far.
  public var reports: [GenerationReport] { state.withLock { $0.reports } }

  /// The prompt and what was drawn, of each text.
  public var tokens: [[Int32]] { state.withLock { $0.continuations.map(\.tokens) } }

  /// Draws a token of each text, where no piece is left of the last time.
  ///
  /// - Parameter isCancelled: Asked before each pass; true ends all texts.
  /// - Returns: Which text, and its piece; nil once all have ended.
  /// - Throws: `sampling`, `model`; nothing more comes then.
  public func next(isCancelled: () -> Bool = { false }) throws(GenerationError) -> (sample: Int, piece: GeneratedPiece)? {
    try state.withLock { state throws(GenerationError) in
      if state.waiting.isEmpty {
        do throws(GenerationError) { try advance(&state, isCancelled) } catch {
          end(&state)
          throw error
        }
      }
      return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
    }
  }

  /// Ends all texts: no piece comes any more.
  public func cancel() { state.withLock { end(&$0) } }

  private func end(_ state: inout State) {
    state.waiting = []
    for sample in state.continuations.indices { _ = state.continuations[sample].end(.cancelled) }
  }

  private func advance(_ state: inout State, _ isCancelled: () -> Bool) throws(GenerationError) {
    let active = state.continuations.indices.filter { state.continuations[$0].finish == nil }
    if active.isEmpty { return }
    let logits: [[Float]]
    if state.hasBegun {
      if isCancelled() { return end(&state) }
      let texts = active.map { (sequence: $0, text: state.continuations[$0].tokens) }
      logits = try session.withTexts { cached throws(LanguageModelError) in try cached.logits(after: texts, in: window) }
    } else {
      guard let row = try begin(&state, isCancelled) else { return end(&state) }
      logits = active.map { _ in row }
    }
    for (sample, row) in zip(active, logits) { try take(row, sample, &state) }
  }

  /// Computes the prompt once for all texts.
  private func begin(_ state: inout State, _ isCancelled: () -> Bool) throws(GenerationError) -> [Float]? {
    let prompt = prompt, window = window, copies = state.continuations.indices.dropFirst()
    let (row, reused) = try session.withTexts { cached throws(LanguageModelError) -> ([Float]?, Int) in
      let reused = cached.reusedCount(of: prompt, in: window)
      let row = try cached.logits(after: prompt, in: window, isCancelled: isCancelled)
      if row != nil { for copy in copies { cached.copy(0, to: copy) } }
      return (row, reused)
    }
    for sample in state.reports.indices { state.reports[sample].reusedTokens = reused }
    state.hasBegun = row != nil
    return row
  }

  private func take(_ logits: [Float], _ sample: Int, _ state: inout State) throws(GenerationError) {
    let piece: GeneratedPiece
    do throws(SamplingError) { piece = try state.continuations[sample].take(logits) } catch { throw .sampling(error) }
    state.waiting.append((sample, piece))
    let seconds = stopwatch.seconds
    if state.reports[sample].generatedTokens == 0 { state.reports[sample].secondsToFirstToken = seconds }
    state.reports[sample].generatedTokens += 1
    state.reports[sample].seconds = seconds
    if let finish = piece.finish { state.reports[sample].finish = finish }
  }
}

/// The text of a continuation, piece by piece: whole characters, each as soon as it is certain.
public struct TextStream: AsyncSequence, Sendable {
  public typealias Element = String
  public typealias Failure = GenerationError

  private let begin: @Sendable () throws(GenerationError) -> TextGeneration

  init(_ begin: @escaping @Sendable () throws(GenerationError) -> TextGeneration) { self.begin = begin }

  public func makeAsyncIterator() -> Iterator { Iterator(begin) }

  public struct Iterator: AsyncIteratorProtocol {
    private let begin: @Sendable () throws(GenerationError) -> TextGeneration
    private var generation: TextGeneration?

    fileprivate init(_ begin: @escaping @Sendable () throws(GenerationError) -> TextGeneration) { self.begin = begin }

    public mutating func next(isolation actor: isolated (any Actor)?) async throws(GenerationError) -> String? {
      if let generation { return try await generation.nextText() }
      let generation = try begin()
      self.generation = generation
      return try await generation.nextText()
    }
  }
}

extension TextGeneration {
  /// The next text that is not empty, of the only sample; nil at the end, or once the task is cancelled.
  @concurrent fileprivate func nextText() async throws(GenerationError) -> String? {
    while let (_, piece) = try next(isCancelled: { Task.isCancelled }) {
      if !piece.text.isEmpty { return piece.text }
    }
    return nil
  }
}
