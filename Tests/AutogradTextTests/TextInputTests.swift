import AutogradBase
import AutogradTestSupport
import AutogradText
import Testing

/// Texts in pieces, against the same texts whole.
@Suite("TextInput") struct TextInputTests {
  private static let texts = [
    "", "a", "plain text of one byte each", "é", "äöü ß", "中文字符", "😀😁😂", "mixed é中😀 text\n", "\u{FEFF}marked",
    "\u{FEFF}", "\r\n\r\n", String(repeating: "é", count: 40) + "x",
  ]

  /// What the parts of a text hold together, or the first error among them.
  private func joined(_ bytes: [UInt8], _ kind: TextInput.Kind, length: Int) -> Result<[UInt8], TextError> {
    Result { () throws(TextError) in
      let input = try TextInput(FileInMemory(path: "t", bytes: bytes), path: "t", kind: kind)
      var whole: [UInt8] = [], asked: [UInt8] = []
      for piece in TextPiece.pieces(of: [input], length: length) {
        for stretch in piece.stretches {
          let part = try input.part(stretch.range)
          asked += part.bytes[part.asked]
          _ = try input.forEachDocument(in: part) { text, isLast, answers throws(TextError) in
            #expect(answers == nil)
            var alphabet = Alphabet()
            _ = try alphabet.add(text)
            for index in text.indices { whole.append(text[index]) }
            if isLast { whole.append(0) }
          }
        }
      }
      #expect(asked == Array(bytes.dropFirst(input.start)), "what is hashed is every byte once")
      return whole
    }
  }

  @Test("the parts of a text are the text, however it is cut", arguments: 1...17)
  func parts(length: Int) throws {
    for text in Self.texts {
      let bytes = Array(text.utf8), mark: [UInt8] = [0xEF, 0xBB, 0xBF]
      let expected = bytes.starts(with: mark) ? Array(bytes.dropFirst(3)) : bytes
      #expect(try joined(bytes, .plain, length: length).get() == (expected.isEmpty ? [] : expected + [0]))
    }
  }

  @Test("malformed text is found at the same byte, however it is cut")
  func malformed() {
    let pieces: [[UInt8]] = [
      [0x80], [0xC0, 0x80], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0xE4, 0xB8],
      [0xC3], [0x80, 0x80, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98, 0x80, 0x80],
    ]
    for piece in pieces {
      for before in 0..<6 {
        let bytes = [UInt8](repeating: 97, count: before) + Array("é".utf8) + piece + Array("after it".utf8)
        let offset = UTF8Sequence.firstInvalidOffset(in: bytes.span)!
        for length in 1...12 {
          guard case .failure(.invalidUTF8("t", offset)) = joined(bytes, .plain, length: length) else {
            Issue.record("\(piece) after \(before), in pieces of \(length): \(joined(bytes, .plain, length: length))")
            continue
          }
        }
      }
    }
  }

  @Test("each line is a document, however the file is cut; what is no document is told by its line")
  func lines() throws {
    let lines = [
      #"{"text": "one"}"#, #"{"id": 3, "text": "twö \n lines \ud83d\ude00", "more": {"text": 4}}"#, #" {"text":"three"} "#,
      #"{"text": ""}"#, "", " \t", #"{"text": "last"}"#,
    ]
    for ending in ["", "\n"] {
      for length in [1, 2, 3, 7, 20, 40, 1000] {
        let bytes = Array((lines.joined(separator: "\n") + ending).utf8)
        let documents = try joined(bytes, .lines, length: length).get()
        #expect(documents == Array("one\0twö \n lines 😀\0three\0last\0".utf8))
      }
    }
    for (bad, reason) in [
      ("{", "JSON ends at byte 1"), ("[1]", "the line is no object"),
      (#"{"txt": "a"}"#, "the object has no \"text\""), (#"{"text": 4}"#, "\"text\" is no string"),
      (#"{"text": "a"} x"#, "JSON is complete before byte 14"), (#"{"text": "a", "text": "b"}"#, "JSON has the key \"text\" twice"),
    ] {
      let bytes = Array((lines[0] + "\n" + lines[1] + "\n" + bad + "\n" + lines[2]).utf8)
      guard case .failure(let error) = joined(bytes, .lines, length: 1000) else {
        Issue.record("\(bad) is a document")
        continue
      }
      #expect("\(error)".hasPrefix("t, line 3: \(reason)"), "\(error)")
    }
  }

  @Test("many short texts share a piece, and a long one has its own")
  func pieces() throws {
    func input(_ count: Int) throws -> TextInput {
      try TextInput(FileInMemory(bytes: [UInt8](repeating: 97, count: count)), path: "t", kind: .plain)
    }
    let inputs = try [3, 3, 3, 25, 1, 0, 9, 2].map(input)
    let cut = TextPiece.pieces(of: inputs, first: 10, length: 10)
    #expect(cut.map(\.byteCount) == [9, 10, 10, 6, 9, 2])
    #expect(cut.map { $0.stretches.map(\.input) } == [[10, 11, 12], [13], [13], [13, 14], [16], [17]])
  }

  @Test("a file that was cut off or written to meanwhile is an error")
  func changed() throws {
    try temporaryDirectory { folder in
      let path = folder + "/t", files = POSIXFileSystem()
      try files.create(path, Array("some text".utf8))
      let input = try TextInput(path, kind: .plain)
      _ = try input.part(0..<9)
      try files.writeAtomically(Array("some tex".utf8), to: path)
      #expect(throws: TextError.file(.truncated(path: path, byteCount: 8, expected: 9))) { try input.part(0..<9) }
      try files.writeAtomically(Array("same size".utf8), to: path)
      #expect(throws: TextError.changed(path: path, byteOffset: nil)) { try input.part(0..<9) }
    }
  }
}

@Suite("DataSource") struct DataSourceTests {
  private func names(_ source: DataSource, _ folder: String) -> [String] {
    switch source {
    case .texts(let training, let validation):
      training.map { "\($0.kind) " + $0.path.dropFirst(folder.count + 1) }
        + (validation ?? []).map { "validation " + $0.path.dropFirst(folder.count + 1) }
    case .tokens(let training, let validation):
      training.map { "tokens " + $0.dropFirst(folder.count + 1) }
        + (validation ?? []).map { "validation " + $0.dropFirst(folder.count + 1) }
    }
  }

  @Test("what a path names, in the order of bytes")
  func named() throws {
    try temporaryDirectory { folder in
      let files = POSIXFileSystem()
      for path in ["b.txt", "B.txt", "a-/x", "a/z.jsonl", "a/.hidden", "a0", "é.txt", ".git/x"] {
        try files.createDirectory(parentDirectory(of: folder + "/t/" + path))
        try files.create(folder + "/t/" + path, Array("text".utf8))
      }
      try files.create(folder + "/t/empty", [])
      let all = ["plain t/B.txt", "plain t/a-/x", "lines t/a/z.jsonl", "plain t/a0", "plain t/b.txt", "plain t/é.txt"]
      #expect(try names(.named(folder + "/t"), folder) == all)
      #expect(try names(.named(folder + "/t/*.txt"), folder) == ["plain t/B.txt", "plain t/b.txt", "plain t/é.txt"])
      #expect(try names(.named(folder + "/t/b.txt"), folder) == ["plain t/b.txt"])
      #expect(throws: TextError.emptyFile(path: folder + "/t/empty")) { try DataSource.named(folder + "/t/empty") }
      #expect(throws: TextError.notTexts(path: folder + "/t/*.md", "no file's name matches it")) { try DataSource.named(folder + "/t/*.md") }
      // A file may be called like a pattern.
      try files.create(folder + "/t/x[1].txt", Array("text".utf8))
      #expect(try names(.named(folder + "/t/x[1].txt"), folder) == ["plain t/x[1].txt"])
      for (name, expected) in [("train.jsonl", ["lines t/train.jsonl"]),
        ("val.jsonl", ["lines t/train.jsonl", "validation t/val.jsonl"]), ("valid.jsonl", ["lines t/train.jsonl", "validation t/valid.jsonl"]),
        ("train.bin", ["tokens t/train.bin"]), ("val.bin", ["tokens t/train.bin", "validation t/val.bin"])]
      {
        try files.create(folder + "/t/" + name, Array("text".utf8))
        #expect(try names(.named(folder + "/t"), folder) == expected)
      }
      #expect(try names(.named(folder + "/t/train.bin"), folder) == ["tokens t/train.bin", "validation t/val.bin"])
      #expect(try names(.named(folder + "/t/*.bin"), folder) == ["tokens t/train.bin", "tokens t/val.bin"])
      let error = #expect(throws: TextError.self) { try DataSource.named(folder + "/t/[bt]*") }
      #expect("\(error as Any)".contains("it is a file of tokens among texts"))
      try files.createDirectory(folder + "/none")
      #expect(throws: TextError.self) { try DataSource.named(folder + "/none") }
    }
  }

  @Test("llm.c's header is read, and its lies are told", arguments: [(20_240_520, 1, 2), (20_240_801, 7, 4)])
  func header(magic: Int, version: Int, width: Int) throws {
    func words(_ words: [Int]) -> [UInt8] {
      words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }
    func file(_ magic: Int, _ version: Int, _ count: Int) -> [UInt8] {
      words([magic, version, count] + [Int](repeating: 0, count: 253))
    }
    func refusal(_ bytes: [UInt8]) throws -> String {
      try temporaryDirectory { folder in
        try POSIXFileSystem().create(folder + "/t.bin", bytes)
        let error = #expect(throws: TextError.self) { try TokenFile.opened(folder + "/t.bin", vocabularySize: 9) }
        return "\(error as Any)".replacing(folder + "/", with: "")
      }
    }
    let tokens: [UInt8] = [7, 0, 8, 0, 3, 0, 0, 0, 1, 0, 0, 0]
    try temporaryDirectory { folder in
      try POSIXFileSystem().create(folder + "/t.bin", file(magic, version, 12 / width) + tokens)
      let opened = try TokenFile.opened(folder + "/t.bin", vocabularySize: width == 2 ? 9 : 1 << 20)
      #expect(try contents(opened) == (width == 2 ? [7, 8, 3, 0, 1, 0] : [524295, 3, 1]))
    }
    let short = "t.bin does not hold tokens: it begins as a file of llm.c and ends within the header, at byte 1000"
    #expect(try refusal(Array(file(magic, version, 0).prefix(1000))).contains(short))
    #expect(try refusal(file(magic, 9, 0)).contains("its header has version 9, and version \(version) is known"))
    #expect(try refusal(file(magic, version, 5)).contains("its header says 5 tokens, and there are bytes for 0; get"))
    #expect(try refusal(file(magic, version, 1) + [1]).contains("says 1 tokens, and there are bytes for 0 and a part of one"))
    #expect(try refusal(file(magic, version, -1)).contains("its header says -1 tokens"))
    #expect(try refusal([1, 0, 2]).contains("it has 3 bytes, which are no whole number of uint16 tokens"))
    #expect(try refusal([]).contains("t.bin is empty"))
    // Another number at the beginning is two tokens.
    try temporaryDirectory { folder in
      try POSIXFileSystem().create(folder + "/t.bin", [1, 0, 2, 0])
      #expect(try contents(TokenFile.opened(folder + "/t.bin", vocabularySize: 9)) == [1, 2])
    }
  }

  @Test("nanoGPT's vocabulary of characters, and what is none")
  func meta() throws {
    func read(_ text: String) throws -> CharacterTokenizer { try TokenVocabulary.character(meta: Array(text.utf8)) }
    let tokenizer = try read(#"{"vocab_size": 3, "itos": {"0": "\n"}, "stoi": {"\n": 0, "é": 2, "a": 1}}"#)
    #expect(try tokenizer.encode("aé\n") == [1, 2, 0])
    for bad in [
      "{}", #"{"stoi": {}}"#, #"{"stoi": {"ab": 0}}"#, #"{"stoi": {"a": 1}}"#, #"{"stoi": {"b": 0, "a": 1}}"#,
      #"{"stoi": {"a": 0.5}}"#, #"{"stoi": {"a": 0}, "vocab_size": 2}"#, #"{"stoi": {"a": 0, "b": 0}}"#,
    ] {
      #expect(throws: TextError.self, "\(bad)") { try read(bad) }
    }
  }
}

@Suite("The end of a text") struct EndOfTextTests {
  @Test("a vocabulary with an end of text keeps the characters' ids, and comes back from its file")
  func vocabulary() throws {
    for text in ["abc", "aé中", "<|endoftext|>"] {
      let plain = try CharacterTokenizer(training: Array(text.utf8))
      var alphabet = Alphabet()
      _ = try alphabet.add(Array(text.utf8).span)
      let ending = try CharacterTokenizer(alphabet, hasEndOfText: true)
      #expect(ending.vocabularySize == plain.vocabularySize + 1 && ending.endOfText == Int32(plain.vocabularySize))
      #expect(plain.endOfText == nil && plain != ending && !plain.isSame(as: ending))
      #expect(try ending.encode(text) == plain.encode(text))
      #expect(String(decoding: ending.decode([ending.endOfText!]), as: UTF8.self) == "<|endoftext|>")
      #expect(ending.specialTokens == [SpecialToken(id: ending.endOfText!, name: "<|endoftext|>", role: .endOfText)])
      #expect(try CharacterTokenizer(tokenizerJSON: ending.tokenizerJSON()) == ending)
      #expect(try readTokenizer(ending.tokenizerJSON()).endOfText == ending.endOfText)
    }
  }

  @Test("an added token that is no end of a text is refused as before")
  func lies() throws {
    var alphabet = Alphabet()
    _ = try alphabet.add(Array("ab".utf8).span)
    let honest = String(decoding: try CharacterTokenizer(alphabet, hasEndOfText: true).tokenizerJSON(), as: UTF8.self)
    for (old, new) in [
      ("\"special\": true", "\"special\": false"), ("\"lstrip\": false", "\"lstrip\": true"), ("\"id\": 2", "\"id\": 1"),
      ("\"content\": \"<|endoftext|>\"", "\"content\": \"<|end|>\""),
    ] {
      let lie = honest.replacing(old, with: new)
      try #require(lie != honest, "\(old) is not in \(honest)")
      #expect(throws: TextError.self, "\(new)") { try CharacterTokenizer(tokenizerJSON: Array(lie.utf8)) }
    }
  }
}
