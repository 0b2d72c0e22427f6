public import AutogradBase

/// Turns text into numbers and back, one number per character.
///
/// A character is a Unicode scalar, not what a reader calls one: "é" may be one or two. Ids
/// 0..<`characterCount` are the characters, ordered by code point. When some take several UTF-8 bytes, more
/// ids follow that `encode` never gives: single bytes and beginnings of characters, from which a byte-level
/// BPE builds those characters. So the same ids stand in `tokenizer.json`, and a model must be
/// `vocabularySize` wide. The last id may be the end of a text, `<|endoftext|>`, which `encode` never gives, either: a
/// text with these characters in it is text.
public struct CharacterTokenizer: Tokenizer {
  /// The characters, ordered by code point; the index is the id.
  public let scalars: [Unicode.Scalar]
  /// The bytes of all tokens, one after another.
  private let tokenBytes: [UInt8]
  /// Token i has the bytes `tokenEnds[i − 1]..<tokenEnds[i]`.
  private let tokenEnds: [Int]
  /// Where in `ids` the 256 characters stand whose code points share the upper bits; page 0 knows none.
  private let pages: [UInt16]
  private let ids: [Int32]
  /// How many ids are characters or pieces of them.
  let pieceEnd: Int
  static let endOfTextName = "<|endoftext|>"

  /// Makes the vocabulary of all characters in a text.
  ///
  /// - Throws: `emptyText`, `invalidUTF8` with the byte offset.
  /// - Complexity: O(bytes).
  public init(training bytes: [UInt8]) throws(TextError) {
    var alphabet = Alphabet()
    _ = try alphabet.add(bytes.span)
    try self.init(alphabet)
  }

  /// Makes the vocabulary of these characters.
  ///
  /// - Parameter hasEndOfText: Whether there is one token more, `<|endoftext|>`, which no text has: for documents that
  ///   follow one another. It is the last.
  /// - Throws: `emptyText` where there are none.
  public init(_ alphabet: Alphabet, hasEndOfText: Bool = false) throws(TextError) {
    let scalars = alphabet.scalars
    if scalars.isEmpty { throw .emptyText }
    self.init(sorted: scalars, hasEndOfText: hasEndOfText)
  }

  /// Makes the vocabulary of these characters, in strictly ascending order.
  init(sorted scalars: [Unicode.Scalar], hasEndOfText: Bool = false) {
    self.scalars = scalars
    var pages = [UInt16](repeating: 0, count: 0x1100)
    var ids = [Int32](repeating: -1, count: 256)
    var tokenBytes: [UInt8] = []
    var tokenEnds: [Int] = []
    for (id, scalar) in scalars.enumerated() {
      let page = Int(scalar.value >> 8)
      if pages[page] == 0 {
        pages[page] = UInt16(ids.count / 256)
        ids += repeatElement(-1, count: 256)
      }
      ids[Int(pages[page]) * 256 + Int(scalar.value & 0xFF)] = Int32(id)
      tokenBytes += UTF8.encode(scalar)!
      tokenEnds.append(tokenBytes.count)
    }
    for piece in bytePieces(of: scalars) {
      tokenBytes += piece
      tokenEnds.append(tokenBytes.count)
    }
    pieceEnd = tokenEnds.count
    if hasEndOfText {
      tokenBytes += Self.endOfTextName.utf8
      tokenEnds.append(tokenBytes.count)
    }
    self.pages = pages
    self.ids = ids
    self.tokenBytes = tokenBytes
    self.tokenEnds = tokenEnds
  }

  /// How many ids are characters: those that `encode` gives.
  public var characterCount: Int { scalars.count }

  /// How many ids there are, with the byte pieces and the end of a text.
  public var vocabularySize: Int { tokenEnds.count }

  /// The token that ends a text; nil where the vocabulary has none.
  public var endOfText: Int32? { pieceEnd < tokenEnds.count ? Int32(pieceEnd) : nil }

  /// Turns UTF-8 text into ids.
  ///
  /// - Returns: One id below `characterCount` for each character.
  /// - Throws: `invalidUTF8`, `unknownCharacter` with the character and where it stands.
  /// - Complexity: O(bytes), a few nanoseconds each; one array.
  public func encode(_ bytes: [UInt8]) throws(TextError) -> [Int32] {
    var tokens: [Int32] = []
    try encode(bytes.span, into: &tokens)
    return tokens
  }

  public func encode(_ text: Span<UInt8>, into tokens: inout [Int32]) throws(TextError) {
    let first = tokens.count
    tokens += repeatElement(0, count: text.count)
    var room = tokens.mutableSpan
    let (byteCount, count) = TextBytes.encode(text, pages: pages, ids: ids, into: &room, at: first)
    guard byteCount == text.count else {
      guard case .scalar(let scalar, _) = UTF8Sequence.read(text, at: byteCount) else {
        throw .invalidUTF8(path: nil, byteOffset: byteCount)
      }
      throw .unknownCharacter(scalar, scalarIndex: count, byteOffset: byteCount)
    }
    tokens.removeLast(text.count - count)
  }

  public var encodesCharactersAlone: Bool { true }

  /// The end of a text, where there is one. Otherwise a token for others to fill batches with, since their tools want
  /// one: a piece of a character, which no text has; or else a control character, the line feed last; or else the last
  /// character.
  ///
  /// None is added for that, because a model has no row for it. What it stands for is lost where a tool leaves special tokens
  /// out of what it shows: with a vocabulary of ASCII those are mostly the line ends.
  public var specialTokens: [SpecialToken] {
    if let endOfText { return [SpecialToken(id: endOfText, name: Self.endOfTextName, role: .endOfText)] }
    let pieces = Int32(characterCount)..<Int32(vocabularySize), controls = scalars.indices.filter { scalars[$0].value < 32 }
    let candidates = Array(pieces) + controls.filter { scalars[$0] != "\n" }.map { Int32($0) }
      + controls.filter { scalars[$0] == "\n" }.map { Int32($0) } + [Int32(characterCount - 1)]
    // Others look for its name in texts: that must not be text of this vocabulary.
    let id = candidates.first { id in
      let name = ByteLevel.string(bytes(of: id))
      guard let tokens = try? encode(name) else { return true }
      return tokens == [id]
    }
    return id.map { [SpecialToken(id: $0, name: ByteLevel.string(bytes(of: $0)), role: .padding)] } ?? []
  }

  /// The bytes of one token: a character, a single byte or the beginning of a character.
  ///
  /// - Precondition: `token` lies in 0..<`vocabularySize`; otherwise stops and prints it.
  public func bytes(of token: Int32) -> ArraySlice<UInt8> {
    let index = Int(token)
    guard tokenEnds.indices.contains(index) else {
      fatalError("token \(token) is not in the vocabulary of \(vocabularySize); ids go from 0 to size - 1")
    }
    return tokenBytes[(index == 0 ? 0 : tokenEnds[index - 1])..<tokenEnds[index]]
  }
}

extension CharacterTokenizer {
  public var facts: [JSON.Member] {
    [
      JSON.Member("kind", .string(TokenizerKind.character.name)),
      JSON.Member("characters", .integer(Int64(characterCount))),
    ]
  }
}

extension CharacterTokenizer: Equatable {
  /// The characters and the end of a text determine everything else.
  public static func == (left: CharacterTokenizer, right: CharacterTokenizer) -> Bool {
    left.scalars == right.scalars && left.endOfText == right.endOfText
  }
}

/// The bytes and proper beginnings of all characters of several bytes, shortest first, then by bytes.
///
/// No piece is a character: the first byte of a character says how long it is, and no later byte is ASCII.
private func bytePieces(of scalars: [Unicode.Scalar]) -> [[UInt8]] {
  // A piece packed into a word, its length on top: numbers compare as pieces do.
  var packed: [UInt32] = []
  for scalar in scalars where scalar.value >= 0x80 {
    let bytes = Array(UTF8.encode(scalar)!)
    for byte in bytes { packed.append(1 << 24 | UInt32(byte)) }
    for length in 2..<max(2, bytes.count) {
      packed.append(bytes.prefix(length).reduce(0) { $0 << 8 | UInt32($1) } | UInt32(length) << 24)
    }
  }
  packed.sort()
  var pieces: [[UInt8]] = []
  for (index, word) in packed.enumerated() where index == 0 || packed[index - 1] != word {
    let length = Int(word >> 24)
    pieces.append((0..<length).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32(length - 1 - $0))) })
  }
  return pieces
}
