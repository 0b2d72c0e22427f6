import AutogradBase
import AutogradKernels
import AutogradTestSupport
import AutogradText
import Foundation
import Testing

@testable import AutogradTraining

/// Texts gone over by threads, piece by piece, against the same texts read whole.
@Suite("TextSurvey") struct TextSurveyTests {
  private static let pools = [1, 2, 5].map { ThreadPool(threads: $0) }

  private func input(_ text: String, _ kind: TextInput.Kind = .plain, path: String = "t") throws -> TextInput {
    try TextInput(FileInMemory(path: path, bytes: Array(text.utf8)), path: path, kind: kind)
  }

  private func survey(
    _ texts: [[TextInput]], ends: Bool = false, _ tokenizer: (any Tokenizer)? = nil, threads: Int = 2, length: Int = 64
  ) throws(TextError) -> TextSurvey {
    try TextSurvey(
      texts, endsDocuments: ends, tokenizer: tokenizer, pool: Self.pools[threads == 1 ? 0 : threads == 2 ? 1 : 2],
      pieceLength: length)
  }

  private let long = String(repeating: "The quick brown fox, häufig schnell, 跳过懒狗 😀.\n", count: 60)

  @Test("one text: its vocabulary, tokens and hash are those of the whole text", arguments: [1, 2, 5], [7, 64, 1 << 20])
  func oneText(threads: Int, length: Int) throws {
    for text in ["a", long, "\u{FEFF}" + long] {
      let found = try survey([[input(text)]], threads: threads, length: length)
      let plain = Array(text.utf8.dropFirst(text.hasPrefix("\u{FEFF}") ? 3 : 0))
      let tokenizer = try CharacterTokenizer(training: plain)
      #expect(found.tokenizer as? CharacterTokenizer == tokenizer)
      #expect(found.tokenCount == (try tokenizer.encode(plain).count) && found.documentCount == 1)
      #expect(found.endOfText == nil && found.byteCount == plain.count)
      #expect(found.sha256 == DataIdentity(path: nil, bytes: plain).sha256)
      let tokens = try found.tokensInMemory()
      #expect(try tokens.tokens(0..<tokens.count) == tokenizer.encode(plain))
      // The same with a tokenizer that was there before.
      let again = try survey([[input(text)]], tokenizer, threads: threads, length: length)
      #expect(again.tokenCount == found.tokenCount && again.sha256 == found.sha256)
      #expect(try again.tokensInMemory().tokens(0..<tokens.count) == tokenizer.encode(plain))
    }
  }

  @Test("documents of several texts end in the token that a new vocabulary gains", arguments: [1, 2, 5], [3, 40, 1 << 20])
  func documents(threads: Int, length: Int) throws {
    let lines = #"{"text": "eins zwei"}"# + "\n" + #"{"text": ""}"# + "\n" + #"{"text": "drei\n"}"# + "\n"
    let found = try survey(
      [[input("ab"), input(long)], [input(lines, .lines)]], ends: true, threads: threads, length: length)
    let tokenizer = found.tokenizer, end = try #require(found.endOfText)
    #expect(end == Int32(tokenizer.vocabularySize - 1))
    #expect(found.sources.map(\.documentCount) == [2, 2])
    let expected = try ["ab", long, "eins zwei", "drei\n"].map { try tokenizer.encode($0) + [end] }
    #expect(found.sources.map(\.tokenCount) == [expected[0].count + expected[1].count, 10 + 6])
    let tokens = try found.tokensInMemory()
    #expect(try tokens.tokens(0..<tokens.count) == expected.flatMap { $0 })
    // Another order is another text; another cut is not.
    let other = try survey([[input(long), input("ab")], [input(lines, .lines)]], ends: true, length: length)
    #expect(other.sha256 != found.sha256)
    #expect(try survey([[input("ab"), input(long)], [input(lines, .lines)]], ends: true).sha256 == found.sha256)
  }

  @Test("the first error of a text is told with its place in the text", arguments: [1, 5], [5, 64, 1 << 20])
  func errors(threads: Int, length: Int) throws {
    func refusal(_ texts: [[TextInput]], _ tokenizer: (any Tokenizer)? = nil, ends: Bool = false) throws -> TextError? {
      #expect(throws: TextError.self) {
        try survey(texts, ends: ends, tokenizer, threads: threads, length: length)
      }
    }
    let small = try CharacterTokenizer(training: Array(long.utf8))
    let bad = long + "é" + long
    #expect(
      try refusal([[input(bad)]], small)
        == .unknownCharacter("é", scalarIndex: long.unicodeScalars.count, byteOffset: long.utf8.count))
    #expect(
      try refusal([[input(long, path: "one"), input(bad, path: "two")]], try CharacterTokenizer(training: Array("x".utf8)))
        == .inside(path: "one", line: nil, .unknownCharacter("T", scalarIndex: 0, byteOffset: 0)))
    let bytes = Array(long.utf8) + [0xFF] + Array(long.utf8)
    let broken = try TextInput(FileInMemory(bytes: bytes), path: "b", kind: .plain)
    #expect(try refusal([[broken]]) == .invalidUTF8(path: "b", byteOffset: long.utf8.count))
    let lines = String(repeating: #"{"text": "a line"}"# + "\n", count: 100) + "{}\n"
    let error = try refusal([[input(lines, .lines, path: "l")]], ends: true)
    #expect("\(error as Any)".contains("l, line 101: the object has no"))
    let plain = try CharacterTokenizer(training: Array("ab".utf8))
    #expect(try refusal([[input("a"), input("b")]], plain, ends: true) == .noEndOfText)
  }

  @Test("reading can be interrupted, and tells how far it is")
  func interrupted() throws {
    let input = try input(long)
    var told: [Int] = []
    func reading(_ limit: Int) throws(TextError) -> TextSurvey {
      try TextSurvey(
        [[input]], endsDocuments: false, tokenizer: nil, pool: Self.pools[0], pieceLength: 100,
        progress: { done, all in
          told.append(done)
          return told.count < limit && all == input.textByteCount
        })
    }
    _ = try reading(.max)
    #expect(told == told.sorted() && told.last == input.textByteCount && told.count > 5)
    told = []
    #expect(throws: TextError.interrupted) { try reading(3) }
    #expect(told.count == 3)
  }
}

/// The file of tokens, on disks that fail.
@Suite("TokenCache") struct TokenCacheTests {
  private let text = String(repeating: "ein langer Text, häppchenweise. ", count: 40)
  private let pool = ThreadPool(threads: 1)

  private func survey(_ text: String, _ tokenizer: (any Tokenizer)? = nil) throws -> TextSurvey {
    try TextSurvey(
      [[try TextInput(FileInMemory(bytes: Array(text.utf8)), path: "t", kind: .plain)]], endsDocuments: false,
      tokenizer: tokenizer, pool: pool, pieceLength: 300)
  }

  private func tokens(_ file: TokenFile) throws -> [Int32] { try file.tokens(0..<file.count) }

  @Test("the file is used again for the same text and tokenizer, and for no other")
  func again() throws {
    let disk = CrashingFileSystem(), cache = TokenCache(folder: "/run/data", fileSystem: disk)
    let first = try survey(text), expected = try tokens(first.tokensInMemory())
    #expect(cache.tokens(of: first) == nil)
    #expect(try tokens(cache.make(first)) == expected)
    #expect(disk.names == ["run/data/tokenizer.json", "run/data/tokens.bin", "run/data/tokens.json"])
    let found = try #require(cache.tokens(of: try survey(text)))
    #expect(try tokens(found) == expected)
    #expect(cache.tokens(of: try survey(text + "x")) == nil)
    #expect(cache.tokens(of: try survey(String(text.reversed()))) == nil)
    let wider = try CharacterTokenizer(training: Array((text + "xyz").utf8))
    #expect(cache.tokens(of: try survey(text, wider)) == nil)
    // nanoGPT would read the same tokens.
    let bytes = try #require(disk.contents["run/data/tokens.bin"])
    #expect(bytes == expected.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
    #expect(try readTokenizer(try #require(disk.contents["run/data/tokenizer.json"])).isSame(as: first.tokenizer))
  }

  @Test("a file of which any byte was changed, or that was cut off, is made anew")
  func damaged() throws {
    let first = try survey(text)
    let whole = CrashingFileSystem()
    _ = try TokenCache(folder: "/d", fileSystem: whole).make(first)
    let bytes = try #require(whole.contents["d/tokens.bin"]), facts = try #require(whole.contents["d/tokens.json"])
    func isUsed(_ bytes: [UInt8], _ facts: [UInt8]) -> Bool {
      let disk = CrashingFileSystem(files: [("/d/tokens.bin", bytes), ("/d/tokens.json", facts)])
      return TokenCache(folder: "/d", fileSystem: disk).tokens(of: first) != nil
    }
    #expect(isUsed(bytes, facts))
    for place in stride(from: 0, to: bytes.count, by: 37) {
      var changed = bytes
      changed[place] ^= 1
      #expect(!isUsed(changed, facts))
      #expect(!isUsed(Array(bytes.prefix(place)), facts))
    }
    #expect(!isUsed(bytes + [0, 0], facts))
    for place in stride(from: 0, to: facts.count, by: 5) {
      #expect(!isUsed(bytes, Array(facts.prefix(place))))
    }
  }

  @Test("whatever operation the disk fails at, the run gets an error or its tokens, and nothing unfinished stays")
  func failures() throws {
    let first = try survey(text), expected = try tokens(first.tokensInMemory())
    let whole = CrashingFileSystem()
    _ = try TokenCache(folder: "/run/data", fileSystem: whole).make(first)
    for number in whole.operations.indices {
      let disk = CrashingFileSystem(failure: .at(number)), cache = TokenCache(folder: "/run/data", fileSystem: disk)
      if let made = try? cache.make(first) {
        #expect(try tokens(made) == expected)
      } else {
        #expect(!disk.names.contains { $0.hasSuffix(".tmp") }, "after \(disk.operations)")
      }
      // Once the disk is well again, it goes as if nothing had been.
      let healed = TokenCache(folder: "/run/data", fileSystem: disk.copy())
      if let found = healed.tokens(of: first) { #expect(try tokens(found) == expected) }
      #expect(try tokens(healed.make(first)) == expected)
    }
  }

  @Test("killed or without power after any operation, the next process finds the tokens or makes them anew")
  func crashes() throws {
    let first = try survey(text), expected = try tokens(first.tokensInMemory())
    let whole = CrashingFileSystem()
    _ = try TokenCache(folder: "/run/data", fileSystem: whole).make(first)
    var found = 0
    for number in 0...whole.operations.count {
      let disk = CrashingFileSystem(failure: .from(number))
      _ = try? TokenCache(folder: "/run/data", fileSystem: disk).make(first)
      for crashed in disk.afterCrash() {
        let cache = TokenCache(folder: "/run/data", fileSystem: crashed)
        if let old = cache.tokens(of: first) {
          found += 1
          #expect(try tokens(old) == expected)
        } else {
          #expect(try tokens(cache.make(first)) == expected)
          #expect(!crashed.names.contains { $0.hasSuffix(".tmp") })
        }
      }
    }
    #expect(found > 0)
  }

  @Test("a text that changed between two readings is an error, and leaves nothing")
  func changed() throws {
    try temporaryDirectory { folder in
      let path = folder + "/t", files = POSIXFileSystem()
      try files.create(path, Array(text.utf8))
      let found = try TextSurvey(
        [[try TextInput(path, kind: .plain)]], endsDocuments: false, tokenizer: nil, pool: pool, pieceLength: 300)
      try files.writeAtomically(Array(text.reversed().description.utf8), to: path)
      let cache = TokenCache(folder: folder + "/data")
      #expect(throws: TextError.self) { try cache.make(found) }
      #expect(try files.list(folder + "/data") == [])
    }
  }

  @Test("tokens that are written to while a run reads them are an error with the place")
  func writtenTo() throws {
    try temporaryDirectory { folder in
      let found = try survey(text), file = try TokenCache(folder: folder).make(found)
      #expect(try tokens(file).count == found.tokenCount)
      let path = folder + "/tokens.bin"
      var bytes = try POSIXFileSystem().read(path, byteLimit: 1 << 20)
      let place = bytes.count / 2
      bytes[place] = bytes[place] == 1 ? 2 : 1
      try overwrite(path, bytes)
      let error = #expect(throws: TextError.self) { try file.tokens(0..<5) }
      guard case .changed(path, let offset?)? = error else {
        Issue.record("\(error as Any)")
        return
      }
      #expect(offset <= place && place - offset < 2 * 300)
      try overwrite(path, Array(bytes.prefix(100)))
      #expect(throws: TextError.file(.truncated(path: path, byteCount: 100, expected: 120))) { try file.tokens(40..<60) }
    }
  }
}

/// Writes into a file that stays the same file.
private func overwrite(_ path: String, _ bytes: [UInt8]) throws {
  let file = try #require(FileHandle(forWritingAtPath: path))
  try file.truncate(atOffset: 0)
  try file.write(contentsOf: Data(bytes))
  try file.close()
}
