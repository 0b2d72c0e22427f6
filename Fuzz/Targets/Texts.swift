import AutogradBase
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
}
