import AutogradBase
import AutogradModels
import AutogradText

extension FuzzTarget {
  /// A vocabulary that is accepted writes a file that gives it again, and spells what it decodes.
  static let tokenizer = FuzzTarget("tokenizer") { bytes throws(BrokenProperty) in
    let tokenizer = try accepted { () throws(TextError) in try CharacterTokenizer(tokenizerJSON: bytes) }
    guard let tokenizer else { return false }
    let again = try accepted { () throws(TextError) in
      try CharacterTokenizer(tokenizerJSON: tokenizer.tokenizerJSON())
    }
    try require(again == tokenizer, "a tokenizer reads back as another")
    let ids = (0..<Int32(tokenizer.characterCount)).map { $0 }
    let spelt = try accepted { () throws(TextError) in try tokenizer.encode(tokenizer.decode(ids)) }
    try require(spelt == ids, "decoded characters encode as \(String(describing: spelt))")
    return true
  }

  /// A byte-pair vocabulary that is accepted is written as a file that gives it again, and decodes what it encodes.
  static let bytePair = FuzzTarget("bytepair") { bytes throws(BrokenProperty) in
    let tokenizer = try accepted { () throws(TextError) in try BytePairTokenizer(BytePairDescription(TokenizerFile(bytes))) }
    guard let tokenizer else { return false }
    let again = try accepted { () throws(TextError) in
      try BytePairTokenizer(BytePairDescription(TokenizerFile(tokenizer.tokenizerJSON())))
    }
    try require(again?.tokenizerJSON() == tokenizer.tokenizerJSON(), "a tokenizer is written as another")
    try requireCoding(tokenizer, bytes)
    return true
  }

  /// Ranks that are accepted have merges by which every token comes back.
  static let tiktoken = FuzzTarget("tiktoken") { bytes throws(BrokenProperty) in
    let tokenizer = try accepted { () throws(TextError) in
      try BytePairTokenizer(Tiktoken.description(bytes, name: "x.gpt2.tiktoken"))
    }
    guard let tokenizer else { return false }
    try requireCoding(tokenizer, bytes)
    return true
  }

  /// Merges in lines, for a vocabulary that is in order.
  static let merges = FuzzTarget("merges") { bytes throws(BrokenProperty) in
    let vocabulary = Array("{\"a\":0,\"b\":1,\"\u{120}\":2,\"ab\":3,\"\u{120}ab\":4,\"#version:\":5,\"x\":6}".utf8)
    let tokenizer = try accepted { () throws(TextError) in
      try BytePairTokenizer(BytePairDescription(TokenizerFile(vocabulary: vocabulary, merges: bytes)))
    }
    guard let tokenizer else { return false }
    try requireCoding(tokenizer, Array("ab ab x".utf8))
    return true
  }

  /// Whatever a vocabulary encodes are ids of it, and of bytes alone it gives them back.
  private static func requireCoding(_ tokenizer: BytePairTokenizer, _ text: [UInt8]) throws(BrokenProperty) {
    let text = Array(text.prefix(2000))
    let ids = tokenizer.encode(text)
    try require(ids.allSatisfy { 0 <= $0 && Int($0) < tokenizer.vocabularySize }, "an id that is none")
    let description = tokenizer.description
    let isExact = description.decoding == .bytes && description.normalizer == .none && description.addedTokens.isEmpty
      && description.coding == .byteLevel(unknown: nil) && !description.preTokenizer.addsPrefixSpace
    // A byte without a token is left out.
    let known = Set((0..<description.tokens.count).compactMap { id in
      description.tokens.length(of: id) == 1 ? description.tokens[id].first : nil
    })
    if isExact { try require(tokenizer.decode(ids) == text.filter(known.contains), "other bytes come back") }
  }

  /// Text is what the standard library takes for UTF-8; it comes back from its tokens, whole and piece by piece.
  static let text = FuzzTarget("text") { bytes throws(BrokenProperty) in
    let isText: Void? = try accepted { () throws(TextError) in try requireText(bytes, path: "text.txt") }
    let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
    try require((isText != nil) == (isUTF8 && !bytes.isEmpty), "the standard library differs about UTF-8")
    let tokenizer = try accepted { () throws(TextError) in try CharacterTokenizer(training: bytes) }
    try require((tokenizer != nil) == (isText != nil), "a vocabulary of what is no text")
    guard let tokenizer else { return false }
    let tokens = try accepted { () throws(TextError) in try tokenizer.encode(bytes) }
    try require(tokens.map { tokenizer.decode($0) } == bytes, "a text differs from what its tokens decode to")
    // Any ids, also pieces of characters in any order.
    let ids = bytes.map { Int32(Int($0) % tokenizer.vocabularySize) }
    var decoder = StreamingDecoder(tokenizer)
    let streamed = ids.reduce("") { $0 + decoder.push($1) } + decoder.finish()
    let whole = String(decoding: tokenizer.decode(ids), as: UTF8.self)
    let difference = "streamed \(streamed.quotedForMessage), not \(whole.quotedForMessage)"
    try require(streamed.hasSameBytes(as: whole), difference)
    return true
  }

  /// A file of tokens that is accepted has as many as its header says, and each is one of the vocabulary or is refused.
  static let tokens = FuzzTarget("tokens") { bytes throws(BrokenProperty) in
    let file = FileInMemory(bytes: bytes)
    let tokens = try accepted { () throws(TextError) in
      let opened = try TokenFile.opened(file, path: "x.bin", vocabularySize: 3)
      return (opened, try opened.tokens(0..<opened.count))
    }
    guard let (opened, all) = tokens else { return false }
    try require(opened.start + all.count * opened.format.byteCount == bytes.count, "bytes that are no token's")
    try require(all.allSatisfy { (0..<3).contains($0) }, "a token that the vocabulary does not have")
    let again = try accepted { () throws(TextError) in
      try TokenFile.opened(
        FileInMemory(bytes: Array(bytes.prefix(opened.start)) + opened.format.bytes(of: all)), path: "x.bin",
        vocabularySize: 3
      ).tokens(0..<all.count)
    }
    try require(again == all, "tokens that are written and read again differ")
    return true
  }

  /// A task that is accepted has items of one kind, whose right answers are among the choices.
  static let task = FuzzTarget("task") { bytes throws(BrokenProperty) in
    guard let file = try accepted({ () throws(TextError) in try TaskFile(bytes, path: "x.jsonl") }) else { return false }
    try require(!file.items.isEmpty, "a task of nothing")
    for item in file.items {
      try require(item.choices.indices.contains(item.answer), "an answer that is no choice")
      try require(item.choices.allSatisfy { !$0.isEmpty }, "a choice of nothing")
      try require((item.choices.count == 1) == (file.kind == .continuation), "choices of another kind")
    }
    return true
  }

  /// The documents of a file of lines are the same, however the file is cut, and are text; answers lie inside them, in order.
  static let lines = FuzzTarget("lines") { bytes throws(BrokenProperty) in
    let form = try accepted { () throws(TextError) in try AnswerForm.characters(.named("alpaca")) }
    func documents(_ length: Int) throws(TextError) -> [[UInt8]] {
      let input = try TextInput(FileInMemory(bytes: bytes), path: "x.jsonl", kind: .lines)
      if input.textByteCount == 0 { throw .emptyFile(path: "x.jsonl") }
      var documents: [[UInt8]] = []
      for piece in TextPiece.pieces(of: [input], length: length) {
        for stretch in piece.stretches {
          _ = try input.forEachDocument(in: input.part(stretch.range), form) { text, isLast, answers throws(TextError) in
            documents.append(text.indices.map { text[$0] })
            // Bounds are compared as a document of their own.
            if let answers { documents.append(Array("\(answers)".utf8)) }
          }
        }
      }
      return documents
    }
    let whole = try accepted { () throws(TextError) in try documents(1 << 20) }
    for length in [1, 7, 64] {
      let cut = try accepted { () throws(TextError) in try documents(length) }
      try require(cut == whole, "in pieces of \(length) bytes the documents are others")
    }
    guard let whole else { return false }
    try require(whole.allSatisfy { String(validating: $0, as: UTF8.self) != nil && !$0.isEmpty }, "no text")
    return true
  }
}
