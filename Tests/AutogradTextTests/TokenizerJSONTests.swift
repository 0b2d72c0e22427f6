import AutogradBase
import Testing
import AutogradText

/// Applies byte-pair merges the slow way, as any byte-level BPE does, to one pre-token.
private func applyMerges(_ text: String, _ json: JSON) throws -> [Int] {
  // The spelling of single bytes is taken from the vocabulary of the file: GPT-2's table, written out.
  var spelling: [String] = []
  var next: UInt32 = 256
  for byte in 0..<256 as Range<UInt32> {
    let isItself = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
    spelling.append(String(Unicode.Scalar(isItself ? byte : next)!))
    if !isItself { next += 1 }
  }
  let merges = try #require(json["model"]?["merges"]?.arrayValue).map {
    ($0.arrayValue ?? []).compactMap(\.stringValue)
  }
  var parts = text.utf8.map { spelling[Int($0)] }
  while true {
    let candidate = merges.first { merge in
      zip(parts, parts.dropFirst()).contains {
        $0.hasSameBytes(as: merge[0]) && $1.hasSameBytes(as: merge[1])
      }
    }
    guard let merge = candidate else { break }
    var merged: [String] = []
    for part in parts {
      if let last = merged.last, last.hasSameBytes(as: merge[0]), part.hasSameBytes(as: merge[1]) {
        merged[merged.count - 1] = last + part
      } else {
        merged.append(part)
      }
    }
    parts = merged
  }
  let vocabulary = try #require(json["model"]?["vocab"])
  return try parts.map { try #require(vocabulary[$0]?.intValue) }
}

@Suite("tokenizer.json")
struct TokenizerJSONTests {
  private func text(_ tokenizer: CharacterTokenizer) -> String {
    String(decoding: tokenizer.tokenizerJSON(), as: UTF8.self)
  }

  @Test("our own file gives an equal tokenizer", arguments: sampleTexts)
  func roundTrip(text: String) throws {
    let tokenizer = try CharacterTokenizer(training: bytes(text))
    let read = try CharacterTokenizer(tokenizerJSON: tokenizer.tokenizerJSON())
    #expect(read == tokenizer)
    #expect(read.tokenizerJSON() == tokenizer.tokenizerJSON())
    #expect(try read.encode(text) == tokenizer.encode(text))
  }

  @Test("the file says what the format asks for")
  func format() throws {
    let json = try JSON(parsing: CharacterTokenizer(training: bytes("a é")).tokenizerJSON())
    #expect(json["version"] == .string("1.0"))
    #expect(json["added_tokens"] == .array([]))
    for part in ["pre_tokenizer", "decoder"] {
      #expect(json[part]?["type"] == .string("ByteLevel"))
      #expect(json[part]?["add_prefix_space"] == .bool(false))
      #expect(json[part]?["use_regex"] == .bool(true))
    }
    let vocabulary = try #require(json["model"]?["vocab"]?.objectValue)
    #expect(vocabulary.map(\.key) == ["Ġ", "a", "Ã©", "©", "Ã"])
    #expect(vocabulary.map(\.value.intValue) == [0, 1, 2, 3, 4])
    #expect(json["model"]?["merges"] == .array([.array([.string("Ã"), .string("©")])]))
  }

  @Test("a byte-level BPE run on the file gives the ids of encode", arguments: sampleTexts)
  func agreesWithMerging(text: String) throws {
    let tokenizer = try CharacterTokenizer(training: bytes(text))
    let json = try JSON(parsing: tokenizer.tokenizerJSON())
    var random = RandomStream(seed: 2, purpose: .evaluation)
    for _ in 0..<20 {
      let sample = randomText(tokenizer, &random, maximumCount: 12)
      #expect(try applyMerges(sample, json) == tokenizer.encode(sample).map { Int($0) })
    }
  }

  @Test("merges as strings, in another order, and fields left out are accepted")
  func variants() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("中é"))
    let minimal = """
      {"model":{"merges":["ä¸ Ń","Ã ©","ä ¸"],"type":"BPE","vocab":{"ä¸":7,"Ã©":0,"ä¸Ń":1,
      "©":2,"Ń":3,"¸":4,"Ã":5,"ä":6}},"decoder":{"type":"ByteLevel"},
      "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}}
      """
    #expect(try CharacterTokenizer(tokenizerJSON: bytes(minimal)) == tokenizer)
  }

  @Test(
    "files that mean something else are refused, each with its reason",
    arguments: [
      ("\"type\": \"BPE\"", "\"type\": \"Unigram\"", "model type is not BPE"),
      ("\"added_tokens\": []", "\"added_tokens\": [{\"id\": 9}]", "added tokens"),
      ("\"added_tokens\": []", "\"added_tokens\": 9", "added tokens are no list"),
      ("\"added_tokens\": []", "\"added_tokens\": [{\"id\": 5, \"content\": \"<|endoftext|>\"}]", "\"<|endoftext|>\""),
      ("\"added_tokens\": []", "\"added_tokens\": [{\"id\": 1.0, \"content\": \"a\"}]", "added tokens"),
      ("\"added_tokens\": []", "\"added_tokens\": [{\"id\": 0, \"content\": \"a\"}]", "added tokens"),
      ("\"added_tokens\": []", "\"added_tokens\": [{\"id\": 1, \"content\": \"a\", \"lstrip\": true}]", "added tokens"),
      ("\"truncation\": null", "\"truncation\": {\"max_length\": 2}", "its truncation cuts texts"),
      ("\"padding\": null", "\"padding\": {\"strategy\": \"BatchLongest\"}", "its padding lengthens texts"),
      (
        "\"post_processor\": null",
        "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\"}}, "
          + "{\"SpecialToken\": {\"id\": \"a\"}}]}", "post_processor"
      ),
      ("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", "normalizer"),
      ("\"add_prefix_space\": false", "\"add_prefix_space\": true", "adds a space"),
      (
        "\"post_processor\": null", "\"post_processor\": {\"type\": \"TemplateProcessing\"}", "post_processor"
      ),
      (
        "\"pre_tokenizer\": {\n    \"type\": \"ByteLevel\"", "\"pre_tokenizer\": {\n    \"type\": \"X\"",
        "pre_tokenizer"
      ),
      ("\"unk_token\": null", "\"unk_token\": \"a\"", "sets unk_token"),
      ("\"dropout\": null", "\"dropout\": 0.1", "sets dropout"),
      ("\"vocab\"", "\"words\"", "no model with a vocab"),
      ("\"a\": 1", "\"a\": 2", "both have the id 2"),
      ("\"a\": 1", "\"a\": 99", "is not in 0..<5"),
      ("\"a\": 1", "\"a\": -1", "no whole number of at least 0"),
      ("\"a\": 1", "\"a\": 1.5", "no whole number of at least 0"),
      ("\"a\": 1", "\"a\": 1.0", "no whole number of at least 0"),
      ("\"a\": 1", "\"a\": 1e0", "no whole number of at least 0"),
      ("\"a\": 1", "\"中\": 1", "not in byte-level spelling"),
      ("\"a\": 1", "\"ab\": 1", "token 1, \"ab\", is neither"),
      ("\"a\": 1", "\"\": 1", "token 1, \"\", is neither"),
      ("\"Ġ\": 0,\n      \"a\": 1", "\"a\": 0,\n      \"Ġ\": 1", "not ordered by code point"),
      ("\"©\": 3", "\"x\": 3", "joins \"©\", which is no token"),
      ("\"©\": 3", "\"ª\": 3", "joins \"©\", which is no token"),
      (",\n      \"Ã\": 4", "", "joins \"Ã\", which is no token"),
      ("\"Ã\": 4", "\"Ã\": 4,\n\"ÃÃ\": 5", "token 5, \"ÃÃ\", is neither"),
      ("\"Ã\",\n        \"©\"", "\"a\",\n        \"a\"", "the merge \"a a\" does not"),
      ("\"Ã\",\n        \"©\"", "\"Ã\"", "neither a pair"),
      ("\"merges\"", "\"margins\"", "1 merges that build characters are missing"),
    ])
  func refused(original: String, replacement: String, reason: String) throws {
    var file = bytes(text(try CharacterTokenizer(training: bytes("a é"))))
    let pattern = bytes(original)
    let place = try #require(file.indices.first { file[$0...].starts(with: pattern) })
    file.replaceSubrange(place..<place + pattern.count, with: bytes(replacement))
    let error = #expect(throws: TextError.self) { try CharacterTokenizer(tokenizerJSON: file) }
    #expect(try #require(error).description.contains(reason))
  }

  @Test("what transformers writes beside the vocabulary is accepted where it adds nothing")
  func savedElsewhere() throws {
    let tokenizer = try CharacterTokenizer(training: bytes("a é\n"))
    let original = text(tokenizer)
    let changed = original.replacing("\"added_tokens\": []", with: """
      "added_tokens": [{"id": 0, "content": "Ċ", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}]
      """
    ).replacing("\"post_processor\": null", with: """
      "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {}}
      """)
    #expect(changed != original)
    #expect(try CharacterTokenizer(tokenizerJSON: bytes(changed)) == tokenizer)
  }

  @Test("an added token that texts of the vocabulary may hold is refused: others would give it another id")
  func addedTokenInTexts() throws {
    // The byte of a line feed is spelt as a letter that this vocabulary has.
    let tokenizer = try CharacterTokenizer(training: bytes("\naĊ"))
    let changed = text(tokenizer).replacing("\"added_tokens\": []", with: """
      "added_tokens": [{"id": 0, "content": "Ċ"}]
      """)
    let error = #expect(throws: TextError.self) { try CharacterTokenizer(tokenizerJSON: bytes(changed)) }
    #expect(try #require(error).description.contains("is also text of its vocabulary"))
  }

  @Test(
    "the token for padding is one of the vocabulary that texts have least",
    arguments: [("abé\n", "Ã", true), ("a\tb\n", "ĉ", false), ("ab\n", "Ċ", false), ("abz", "z", false)])
  func padding(text: String, name: String, isPiece: Bool) throws {
    let tokenizer = try CharacterTokenizer(training: bytes(text)), special = tokenizer.specialTokens
    #expect(special.map(\.role) == [.padding])
    let token = try #require(special.first)
    // Of several pieces the first byte that is.
    #expect(isPiece ? Int(token.id) >= tokenizer.characterCount : token.name == name, "\(token)")
  }

  @Test("bytes that are no JSON are refused")
  func notJSON() {
    #expect(throws: TextError.tokenizerNotJSON(.unexpectedEnd(offset: 0))) {
      try CharacterTokenizer(tokenizerJSON: [])
    }
    for other in ["[]", "{}", "null", "{\"model\":[]}"] {
      #expect(throws: TextError.self) { try CharacterTokenizer(tokenizerJSON: bytes(other)) }
    }
  }
}
