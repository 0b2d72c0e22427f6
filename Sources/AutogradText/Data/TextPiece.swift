import AutogradBase

/// What one thread reads at a time: a part of a long text, or several short ones.
public struct TextPiece: Sendable {
  /// A part of one text.
  public struct Stretch: Sendable {
    public let input: Int
    public let range: Range<Int>
  }

  public private(set) var stretches: [Stretch] = []
  public private(set) var byteCount = 0

  /// Bytes of a piece: few enough that all threads' pieces fit into caches, many enough that going over to the next one
  /// costs nothing.
  package static let length = 512 << 10

  /// Cuts texts into pieces, in their order.
  ///
  /// - Parameters:
  ///   - first: The number of the first text.
  ///   - length: Bytes of a piece, but for the last of a text that is longer.
  package static func pieces(
    of inputs: [TextInput], first: Int = 0, length: Int = TextPiece.length
  ) -> [TextPiece] {
    var pieces: [TextPiece] = [], current = TextPiece()
    func end() {
      if !current.stretches.isEmpty { pieces.append(current) }
      current = TextPiece()
    }
    for (index, input) in inputs.enumerated() {
      // A text that does not fit with others is on its own.
      if current.byteCount + input.textByteCount > length { end() }
      for begin in stride(from: input.start, to: input.byteCount, by: length) {
        let range = begin..<min(input.byteCount, begin + length)
        current.stretches.append(Stretch(input: first + index, range: range))
        current.byteCount += range.count
        if current.byteCount >= length { end() }
      }
    }
    end()
    return pieces
  }
}

extension TextInput {
  /// Goes over the documents of a part.
  ///
  /// - Parameters:
  ///   - form: How questions and answers are written, where lines hold some; without it such lines are refused.
  ///   - body: Is given the text of a document, or the piece of it that the part holds, whether nothing of the document
  ///     comes after that, and which bytes are answers; nil where all is text. Documents without text are left out.
  /// - Returns: How many lines there were.
  /// - Throws: What `body` throws, with the place in the file; `inside` with the line, counted from 1 in this part, where a
  ///   line holds something else; an empty line holds nothing.
  package func forEachDocument(
    in part: Part, _ form: AnswerForm? = nil, _ body: (Span<UInt8>, Bool, [Range<Int>]?) throws(TextError) -> Void
  ) throws(TextError) -> Int {
    guard kind == .lines else {
      do throws(TextError) {
        let text = part.bytes.span.extracting(part.own)
        if !text.isEmpty { try body(text, part.origin + part.own.upperBound == byteCount, nil) }
        return 0
      } catch {
        throw error.moved(by: part.origin + part.own.lowerBound, in: path)
      }
    }
    var line = 0, first = part.own.lowerBound
    while first < part.own.upperBound {
      let end = part.bytes[first..<part.own.upperBound].firstIndex(of: UInt8(ascii: "\n")) ?? part.own.upperBound
      line += 1
      do throws(TextError) {
        let bytes = part.bytes[first..<end]
        if !TextInput.isBlank(bytes) {
          for document in try documents(ofLine: Array(bytes), form) where lineKind.hasAnswers || !document.bytes.isEmpty {
            try body(document.bytes.span, true, lineKind.hasAnswers ? document.answers : nil)
          }
        }
      } catch {
        throw .inside(path: path, line: line, error)
      }
      first = end + 1
    }
    return line
  }

  /// The documents in a line of JSON; other members of the object are none of them.
  ///
  /// - Throws: `notDocument`, with what stands there instead.
  private func documents(ofLine line: [UInt8], _ form: AnswerForm?) throws(TextError) -> [AnsweredText] {
    guard line.count <= TextInput.longestLine else {
      throw .notDocument("the line is longer than \(TextInput.longestLine) bytes")
    }
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: line)
    } catch {
      throw .notDocument("\(error)")
    }
    guard json.objectValue != nil else { throw .notDocument("the line is no object") }
    var documents: [AnsweredText] = []
    for content in try lineKind.contents(of: json) {
      documents.append(try form.map { form throws(TextError) in try form.write(content) } ?? content.words)
    }
    return documents
  }
}

extension TextError {
  /// The same failure of a text that begins at byte `offset` of a file.
  func moved(by offset: Int, in path: String) -> TextError {
    switch self {
    case .invalidUTF8(_, let place): .invalidUTF8(path: path, byteOffset: place + offset)
    case .unknownCharacter(let scalar, let index, let place):
      .unknownCharacter(scalar, scalarIndex: index, byteOffset: place + offset)
    default: self
    }
  }

  /// The same failure of a text, `characters` and `lines` of which came before in its file.
  package func moved(characters: Int, lines: Int) -> TextError {
    switch self {
    case .unknownCharacter(let scalar, let index, let place):
      .unknownCharacter(scalar, scalarIndex: index + characters, byteOffset: place)
    case .inside(let path, let line?, let error): .inside(path: path, line: line + lines, error)
    default: self
    }
  }
}
