import AutogradBase
public import AutogradKernels
public import AutogradText

/// What texts hold: found in one pass over them, by all threads, before anything is written or kept.
///
/// Checks every byte, makes the vocabulary unless there is one, counts tokens and documents, and takes the hash of each
/// text on the way. Memory stays small, however long the texts are.
public struct TextSurvey: Sendable {
  /// Some of the texts, which belong together.
  public struct Source: Sendable {
    public let inputs: Range<Int>
    public fileprivate(set) var tokenCount = 0
    public fileprivate(set) var documentCount = 0
    public fileprivate(set) var byteCount = 0
    /// Which of its tokens are answers; nil where it holds none.
    public fileprivate(set) var answers: DocumentTable?
  }

  public let inputs: [TextInput]
  public private(set) var sources: [Source]
  /// SHA-256 of each text, a byte order mark left out.
  public private(set) var hashes: [[UInt8]] = []
  public let tokenizer: any Tokenizer
  /// What follows every document; nil where the texts are one document, which nothing follows.
  public let endOfText: Int32?
  /// How questions and answers are written; nil where there are none.
  public let form: AnswerForm?
  public let pool: ThreadPool
  let pieces: [TextPiece]
  /// By piece.
  private(set) var tokenCounts: [Int] = []

  public var tokenCount: Int { sources.reduce(0) { $0 + $1.tokenCount } }
  public var documentCount: Int { sources.reduce(0) { $0 + $1.documentCount } }
  /// Bytes of all texts.
  public var byteCount: Int { inputs.reduce(0) { $0 + $1.textByteCount } }

  /// Called with the bytes that are done and with all; false interrupts.
  public typealias Progress = (_ done: Int, _ all: Int) -> Bool

  /// Goes over the texts of some sources.
  ///
  /// - Parameters:
  ///   - endsDocuments: Whether each document is to end in the tokenizer's end token; a new vocabulary has one then.
  ///     Documents with answers end as their form says.
  ///   - tokenizer: Nil makes the vocabulary of all characters that the texts have.
  ///   - template: Writes conversations, where the texts hold some.
  /// - Throws: What is wrong with the texts, the first such place; `unknownCharacter`, `noEndOfText`, `interrupted`.
  public init(
    _ texts: [[TextInput]], endsDocuments: Bool, tokenizer: (any Tokenizer)?, template: ChatTemplate? = nil,
    pool: ThreadPool, progress: Progress = { _, _ in true }
  ) throws(TextError) {
    try self.init(
      texts, endsDocuments: endsDocuments, tokenizer: tokenizer, template: template, pool: pool,
      pieceLength: TextPiece.length, progress: progress)
  }

  /// - Parameter pieceLength: Bytes that a thread takes at once: no result depends on it but the blocks of a file.
  init(
    _ texts: [[TextInput]], endsDocuments: Bool, tokenizer given: (any Tokenizer)?, template: ChatTemplate? = nil,
    pool: ThreadPool, pieceLength: Int, progress: Progress = { _, _ in true }
  ) throws(TextError) {
    (inputs, self.pool) = (texts.flatMap { $0 }, pool)
    let form: AnswerForm? =
      if !inputs.contains(where: \.hasAnswers) { nil } else if let given { try AnswerForm(template, given) } else {
        try .characters(template)
      }
    self.form = form
    var sources: [Source] = [], pieces: [TextPiece] = [], sourceOfPiece: [Int] = []
    for texts in texts {
      let first = sources.last?.inputs.upperBound ?? 0
      let own = TextPiece.pieces(of: texts, first: first, length: pieceLength)
      pieces += own
      sourceOfPiece += repeatElement(sources.count, count: own.count)
      var source = Source(inputs: first..<first + texts.count)
      if texts.contains(where: \.hasAnswers) { source.answers = DocumentTable() }
      sources.append(source)
    }
    let pass = TextPass(byteCounts: pieces.map(\.byteCount), pool: pool), inputs = inputs, cut = pieces
    let alphabets = given == nil ? (0..<pass.width).map { _ in Place(Alphabet()) } : []
    let hashing = Place(Hashing()), all = inputs.reduce(0) { $0 + $1.textByteCount }
    var counts: [Int] = [], counter = Counter(inputs: inputs)
    try pass.run(
      { piece, place in
        cut[piece].stretches.map { stretch in
          StretchFacts(inputs, stretch, form, given, alphabets.isEmpty ? nil : alphabets[place])
        }
      },
      alongside: { round in hashing.value.withLock { hash in for facts in round.joined() { hash.add(facts) } } },
      collect: { piece, found throws(TextError) in
        var tokens = 0
        for facts in found {
          try counter.add(facts)
          let endsHere = endsDocuments && !inputs[facts.input].hasAnswers
          let source = sourceOfPiece[piece], count = facts.tokenCount + (endsHere ? facts.documentCount : 0)
          sources[source].answers?.append(facts.answers)
          tokens += count
          sources[source].tokenCount += count
          sources[source].documentCount += facts.documentCount
          sources[source].byteCount += facts.byteCount
        }
        counts.append(tokens)
      }, progress: { progress($0, all) })
    if let given {
      tokenizer = given
    } else {
      let alphabet = alphabets.dropFirst().reduce(into: alphabets[0].value.withLock { $0 }) { union, place in
        union.formUnion(place.value.withLock { $0 })
      }
      tokenizer = try CharacterTokenizer(alphabet, hasEndOfText: endsDocuments || form != nil)
    }
    if endsDocuments, tokenizer.endOfText == nil, !inputs.allSatisfy(\.hasAnswers) { throw .noEndOfText }
    endOfText = endsDocuments ? tokenizer.endOfText : nil
    (self.sources, self.pieces, tokenCounts) = (sources, pieces, counts)
    hashes = hashing.value.withLock { $0.finished(inputs.count) }
  }

  /// What the texts are, in one hash: that of one plain text is its own; that of several is over their kinds, hashes and
  /// order.
  public var sha256: String {
    if endOfText == nil, hashes.count == 1 { return hexadecimal(hashes[0]) }
    let texts = sources.map { source in
      JSON.array(source.inputs.map { .string("\(inputs[$0].kind.rawValue) \(hexadecimal(hashes[$0]))") })
    }
    return Digest.of(JSON.array(texts).serialized())
  }
}

/// What was found in a stretch of a text.
private struct StretchFacts: Sendable {
  let input: Int
  /// Tokens without those that end documents of texts.
  private(set) var tokenCount = 0
  private(set) var documentCount = 0
  private(set) var lineCount = 0
  private(set) var byteCount = 0
  /// Of documents that have answers.
  private(set) var answers = DocumentTable()
  private(set) var error: TextError?
  /// The bytes to hash.
  private(set) var part = TextInput.Part()

  /// Reads a stretch: the alphabet takes its characters, or else the tokenizer encodes it.
  init(
    _ inputs: [TextInput], _ stretch: TextPiece.Stretch, _ form: AnswerForm?, _ tokenizer: (any Tokenizer)?,
    _ alphabet: Place<Alphabet>?
  ) {
    input = stretch.input
    let text = inputs[input]
    do throws(TextError) {
      part = try text.part(stretch.range, for: tokenizer)
      let isFirst = part.isFirst
      var tokens: [Int32] = []
      func note(_ count: Int, _ bytes: Int, _ isLast: Bool) {
        tokenCount += count
        byteCount += bytes
        documentCount += isLast ? 1 : 0
      }
      if let alphabet {
        let result = alphabet.value.withLock { alphabet in
          Result<Int, TextError> { () throws(TextError) in
            try text.forEachDocument(in: part, form) { document, isLast, answers throws(TextError) in
              if let answers {
                let runs = try AnsweredText(document, answers).add(to: &alphabet, endOfText: form?.end ?? "")
                self.answers.append(runs)
                note(runs.reduce(0) { $0 + Int($1) }, document.count, true)
              } else {
                note(try alphabet.add(document), document.count, isLast)
              }
            }
          }
        }
        lineCount = try result.get()
      } else if let tokenizer {
        lineCount = try text.forEachDocument(in: part, form) { document, isLast, answers throws(TextError) in
          tokens.removeAll(keepingCapacity: true)
          if let answers {
            self.answers.append(try AnsweredText(document, answers).encode(by: tokenizer, into: &tokens))
          } else {
            try tokenizer.encode(part: document, isFirst: isFirst, into: &tokens)
          }
          note(tokens.count, document.count, isLast)
        }
      }
    } catch {
      self.error = error
    }
  }
}

/// Counts what came before in each text, so that an error says where in the text it is.
private struct Counter {
  let inputs: [TextInput]
  private var input = 0
  private var characters = 0, lines = 0

  init(inputs: [TextInput]) { self.inputs = inputs }

  mutating func add(_ facts: StretchFacts) throws(TextError) {
    if facts.input != input { (input, characters, lines) = (facts.input, 0, 0) }
    if let error = facts.error?.moved(characters: characters, lines: lines) {
      if case .unknownCharacter = error, inputs.count > 1 {
        throw .inside(path: inputs[facts.input].path, line: nil, error)
      }
      throw error
    }
    characters += facts.tokenCount
    lines += facts.lineCount
  }
}

/// Hashes texts one after another.
private struct Hashing: Sendable {
  private var done: [[UInt8]] = []
  private var current = SHA256()

  mutating func add(_ facts: StretchFacts) {
    end(before: facts.input)
    // INVARIANT: bytes are bytes, and they outlive the call.
    current.update(unsafe facts.part.bytes.span.extracting(facts.part.asked).bytes)
  }

  private mutating func end(before input: Int) {
    while done.count < input {
      done.append(current.finalize())
      current = SHA256()
    }
  }

  /// The hashes of all texts, those of empty ones among them.
  func finished(_ count: Int) -> [[UInt8]] {
    var last = self
    last.end(before: count)
    return last.done
  }
}
