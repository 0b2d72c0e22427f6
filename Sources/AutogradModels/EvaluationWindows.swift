public import AutogradText

/// Which windows of a row of tokens a model sees one after another, and which of their tokens count: each once.
public struct EvaluationWindows: Sendable {
  public struct Window: Sendable, Equatable {
    /// What the model sees; it is not told the last token, only asked for it.
    public let range: Range<Int>
    /// Tokens that are predicted and count, none of them the window's first.
    public let counted: [Range<Int>]
  }

  private enum Layout: Sendable {
    /// Windows of `length` tokens, each `stride` further; the first token of one is the last of the window before it where
    /// they do not overlap more.
    case text(tokenCount: Int)
    /// By piece: the document, and where the piece begins in it.
    case answers(DocumentTable, pieces: [(document: Int, start: Int)])
  }

  private let layout: Layout
  private let length, stride: Int
  public let count: Int

  /// The tokens of the longest window; 1 where there is none.
  public private(set) var longest = 1

  /// Windows of one text.
  ///
  /// Without a stride, neighbouring windows: each predicts `context` tokens, the first of them from one token before it.
  /// With one, windows of `context` tokens that begin `stride` tokens after one another; of each but the first the last
  /// `stride` count, so that at least `context − stride` tokens stand before them. That is how transformers' guide measures
  /// the perplexity of models of fixed length.
  ///
  /// - Precondition: `stride` lies between 1 and `context` − 1; otherwise stops and says so.
  public static func text(tokenCount: Int, context: Int, stride: Int? = nil) -> EvaluationWindows {
    EvaluationWindows(.text(tokenCount: tokenCount), context: context, stride: stride)
  }

  /// Windows of documents, each by itself, of which the answers count.
  ///
  /// - Precondition: As above.
  public static func answers(_ table: DocumentTable, context: Int, stride: Int? = nil) -> EvaluationWindows {
    let (length, step) = EvaluationWindows.sizes(context, stride)
    var pieces: [(document: Int, start: Int)] = []
    for document in 0..<table.count {
      for piece in 0..<EvaluationWindows.count(of: table.tokens(of: document).count, length, step) {
        pieces.append((document, piece * step))
      }
    }
    return EvaluationWindows(.answers(table, pieces: pieces), context: context, stride: stride)
  }

  private init(_ layout: Layout, context: Int, stride: Int?) {
    if let stride, !(1..<context).contains(stride) {
      fatalError("evaluation windows: a stride of \(stride) must lie between 1 and \(context - 1), the context less one")
    }
    self.layout = layout
    (length, self.stride) = EvaluationWindows.sizes(context, stride)
    switch layout {
    case .text(let tokens):
      count = EvaluationWindows.count(of: tokens, length, self.stride)
      if count > 0 { longest = min(tokens, length) }
    case .answers(let table, let pieces):
      count = pieces.count
      for document in 0..<table.count { longest = max(longest, min(table.tokens(of: document).count, length)) }
    }
  }

  private static func sizes(_ context: Int, _ stride: Int?) -> (length: Int, stride: Int) {
    stride.map { (context, $0) } ?? (context + 1, context)
  }

  /// How many windows a text has.
  private static func count(of tokens: Int, _ length: Int, _ stride: Int) -> Int {
    tokens < 2 ? 0 : 1 + (max(0, tokens - length) + stride - 1) / stride
  }

  public subscript(number: Int) -> Window {
    switch layout {
    case .text(let tokenCount): return window(number * stride, of: 0..<tokenCount)
    case .answers(let table, let pieces):
      let (document, start) = pieces[number], tokens = table.tokens(of: document)
      let whole = window(start, of: tokens)
      var counted: [Range<Int>] = []
      table.forEachAnswer(in: document) { answer in
        let own = (answer.lowerBound + tokens.lowerBound..<answer.upperBound + tokens.lowerBound).clamped(to: whole.counted[0])
        if !own.isEmpty { counted.append(own) }
      }
      return Window(range: whole.range, counted: counted)
    }
  }

  /// The window that begins `start` tokens after a text's first.
  private func window(_ start: Int, of text: Range<Int>) -> Window {
    let begin = text.lowerBound + start, end = min(begin + length, text.upperBound)
    // What the window before this one ended with is predicted already.
    let first = start == 0 ? begin + 1 : begin - stride + length
    return Window(range: begin..<end, counted: [first..<end])
  }
}
