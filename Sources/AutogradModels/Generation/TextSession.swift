public import AutogradEngine
public import AutogradText
import AutogradNeuralNetwork
import Synchronization

/// How much a session holds.
public struct SessionOptions: Sendable, Equatable {
  /// The most tokens of a text, prompt and continuation together; nil takes the model's context, or as much of it as three
  /// quarters of the memory that is left hold.
  public var contextSize: Int?
  /// What keys and values are kept in; nil for what the products take.
  public var cacheType: CacheType?
  /// How many texts are continued in one pass.
  public var sequenceCount = 1
  /// Tokens that end a text, beside the tokenizer's own.
  public var ends: Set<Int32> = []

  public init() {}
}

/// What a session holds in memory.
public struct SessionMemory: Sendable, Equatable {
  public var weightBytes = 0
  /// For all sequences at their longest.
  public var cacheBytes = 0
  public var cacheType = CacheType.f32
  /// What passes make and give up again, scratch memory of threads, tables.
  public var workingBytes = 0

  public init() {}
}

/// Continues texts with one model, and remembers what it has computed: of a prompt that begins as the last text did only
/// the rest goes through the model.
///
/// ```swift
/// let session = try model.session(tokenizer: tokenizer)
/// for try await piece in session.generate("Once upon a time") { print(piece, terminator: "") }
/// ```
///
/// Results do not depend on what was remembered: they have the bits of a session that has just been made. Several tasks
/// may use one session; they take turns, token by token, and each then finds less that it can use. A session of its own
/// for each is quicker.
public final class TextSession: @unchecked Sendable {
  // INVARIANT: `texts` is touched within `turn` only, and weights are only read.
  private let turn = Mutex(())
  private var texts: CachedTexts
  public let tokenizer: any Tokenizer
  /// The most tokens that the cache holds of one text.
  public let contextSize: Int
  public let memory: SessionMemory
  public let options: SessionOptions

  init(_ decoder: any SequenceDecoder, tokenizer: any Tokenizer, options: SessionOptions) {
    texts = CachedTexts(decoder)
    (contextSize, memory) = (decoder.contextSize, decoder.memory)
    self.tokenizer = tokenizer
    self.options = options
  }

  // MARK: Continuing

  /// Continues a prompt: whole characters as they come, each as soon as it is certain.
  ///
  /// Leaving the loop, or cancelling the task, ends the computing; a long prompt is given up between pieces. Computes on
  /// the concurrent executor, never on the caller's actor.
  ///
  /// - Throws: Into the loop: as `begin`.
  public func generate(_ prompt: String, options: GenerationOptions = GenerationOptions()) -> TextStream {
    TextStream { () throws(GenerationError) in try self.begin(try self.tokens(of: prompt), options: options) }
  }

  /// Continues a prompt and hands each token, with the text that is certain by then, to `body`, until that returns false.
  ///
  /// - Returns: What it took, and why it ended.
  /// - Throws: As `begin`, and what goes wrong on the way.
  @discardableResult
  public func generate(
    _ prompt: String, options: GenerationOptions = GenerationOptions(), _ body: (GeneratedPiece) -> Bool
  ) throws(GenerationError) -> GenerationReport {
    try generate(after: tokens(of: prompt), options: options, body)
  }

  /// The same, from tokens.
  @discardableResult
  public func generate(
    after prompt: [Int32], options: GenerationOptions = GenerationOptions(), _ body: (GeneratedPiece) -> Bool
  ) throws(GenerationError) -> GenerationReport {
    let generation = try begin(prompt, options: options)
    while let (_, piece) = try generation.next() {
      if !body(piece) { generation.cancel() }
    }
    return generation.reports[0]
  }

  /// Begins texts after one prompt, which whoever takes them moves on.
  ///
  /// - Parameter samples: How many, in streams from `options.stream` on; as many as there are sequences at most.
  /// - Throws: `text(.emptyPrompt)`, and `tooLong` where the context does not shift and could not hold all that is asked for.
  /// - Precondition: The tokens lie inside the model's vocabulary.
  public func begin(
    _ prompt: [Int32], samples: Int = 1, options: GenerationOptions = GenerationOptions()
  ) throws(GenerationError) -> TextGeneration {
    precondition((1...self.options.sequenceCount).contains(samples), "\(samples) texts in \(self.options.sequenceCount) sequences")
    if prompt.isEmpty { throw .text(.emptyPrompt) }
    var bounded = options
    if options.keptTokens == nil {
      let room = contextSize - prompt.count
      guard options.maximumTokens ?? 1 <= room else {
        throw .tooLong(promptTokens: prompt.count, maximumTokens: options.maximumTokens, contextSize: contextSize)
      }
      bounded.maximumTokens = options.maximumTokens ?? room
    }
    return TextGeneration(self, prompt, samples, bounded)
  }

  /// A prompt's tokens, behind those with which the vocabulary begins a text.
  ///
  /// - Throws: `text`, with what the vocabulary lacks.
  public func tokens(of prompt: String) throws(GenerationError) -> [Int32] {
    do throws(TextError) { return try tokenizer.encodePrompt(prompt) } catch { throw .text(error) }
  }

  /// How many tokens of a text of this length are not in the context, where `keptTokens` at its beginning stay.
  public func leftOutCount(ofLength length: Int, keptTokens: Int) -> Int {
    ContextWindow(size: contextSize, keptCount: keptTokens).dropped(ofLength: length).count
  }

  // MARK: For texts under way

  /// Works with the cache, alone.
  func withTexts<Result: Sendable>(
    _ body: (inout CachedTexts) throws(LanguageModelError) -> Result
  ) throws(GenerationError) -> Result {
    do throws(LanguageModelError) {
      return try turn.withLock { _ throws(LanguageModelError) in try body(&texts) }
    } catch {
      throw .model(error)
    }
  }
}

extension LanguageModel where Scalar == Float {
  /// A session that continues texts with this model. Takes all the memory that it will need.
  ///
  /// - Parameter tape: Runs the model, at its precision and in its product mode; one of its own unless given, since nothing
  ///   may run on it meanwhile.
  /// - Throws: `model` where the context is longer than the model's, or memory does not hold it.
  public func session(
    tokenizer: any Tokenizer, options: SessionOptions = SessionOptions(), tape: Tape<Float>? = nil
  ) throws(GenerationError) -> TextSession {
    do throws(LanguageModelError) {
      let decoder = try DecoderSession(
        self, sequences: options.sequenceCount, contextSize: options.contextSize, cacheType: options.cacheType,
        chunk: max(options.sequenceCount, min(CachedTexts.pieceCount, options.contextSize ?? .max)), tape: tape)
      return TextSession(decoder, tokenizer: tokenizer, options: options)
    } catch {
      throw .model(error)
    }
  }
}
