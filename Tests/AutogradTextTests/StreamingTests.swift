import AutogradBase
import Testing

@testable import AutogradText

/// Text that comes in pieces and ends before a stop string.
@Suite("StopMatcher") struct StopMatcherTests {
  /// All that is shown of pieces, and how much was shown after each.
  private func shown(_ pieces: [String], _ stops: [String]) -> (text: String, lengths: [Int], hasStopped: Bool) {
    var matcher = StopMatcher(stops), text = "", lengths: [Int] = []
    for piece in pieces {
      text += matcher.push(piece)
      lengths.append(text.utf8.count)
    }
    text += matcher.finish()
    return (text, lengths, matcher.hasStopped)
  }

  @Test(
    "what is shown ends before the first stop string",
    arguments: [
      (["abc", "def"], ["cd"], "ab", true), (["abcdef"], ["cd"], "ab", true), (["a", "b", "c"], ["cd"], "abc", false),
      (["ab", "ab", "ac"], ["abac"], "ab", true), (["aaab"], ["aab"], "a", true), (["abc"], [], "abc", false),
      (["abc"], [""], "abc", false), (["abc"], ["", "b"], "a", true), (["xyz"], ["x"], "", true),
      (["abb"], ["abb", "b"], "a", true), (["ab"], ["ab", "b"], "", true), (["über"], ["b"], "ü", true), (["ab"], ["abc", "b"], "a", true), (["a\n", "\nb"], ["\n\n"], "a", true),
      ([], ["a"], "", false), (["stop", "stop"], ["stop"], "", true),
    ])
  func ends(pieces: [String], stops: [String], text: String, hasStopped: Bool) {
    let found = shown(pieces, stops)
    #expect(found.text == text && found.hasStopped == hasStopped)
  }

  @Test("nothing comes after the stop, in whatever call")
  func after() {
    var matcher = StopMatcher(["b"])
    #expect(matcher.push("ab") == "a" && matcher.hasStopped)
    #expect(matcher.push("c") == "" && matcher.finish() == "" && matcher.finish() == "")
    var open = StopMatcher(["bc"])
    #expect(open.push("ab") == "a" && !open.hasStopped)
    #expect(open.finish() == "b" && open.finish() == "")
  }

  @Test("as a search in the whole text finds it: never a byte too many, and none held that is certain", arguments: 0..<500)
  func random(seed: Int) {
    var random = RandomStream(seed: UInt64(seed), purpose: .sampling)
    func word(_ length: Int) -> String { String((0..<length).map { _ in "aab".randomElement(&random) }) }
    let stops = (0..<Int(1 + 3 * random.uniform())).map { _ in word(Int(1 + 4 * random.uniform())) }
    let pieces = (0..<12).map { _ in word(Int(4 * random.uniform())) }
    let whole = Array(pieces.joined().utf8), patterns = stops.map { Array($0.utf8) }
    // The stop that is complete first, of several at once the longest.
    let ends = (0...whole.count).lazy.compactMap { end in
      patterns.filter { whole[..<end].reversed().starts(with: $0.reversed()) }.map { end - $0.count }.min()
    }
    let end = ends.first
    let found = shown(pieces, stops)
    #expect(Array(found.text.utf8) == Array(whole[..<(end ?? whole.count)]))
    #expect(found.hasStopped == (end != nil))
    var pushed = 0
    for (piece, length) in zip(pieces, found.lengths) {
      pushed += piece.utf8.count
      // What may yet become a stop is the longest end that begins one.
      let known = whole[..<min(pushed, end ?? pushed)]
      if end == nil || pushed <= end ?? 0 {
        let held = (0...known.count).first { start in
          start == known.count || patterns.contains { $0.count > known.count - start && $0.starts(with: known[start...]) }
        }
        #expect(length == held, "after \(pushed) of \(whole)")
      }
    }
  }
}

extension String {
  fileprivate func randomElement(_ random: inout RandomStream) -> Character {
    Array(self)[Int(random.uniform() * Double(count))]
  }
}

/// Ids become text one at a time.
@Suite("StreamingDecoder, token by token") struct StreamingTokenTests {
  /// A vocabulary with every piece of é, 中 and 😀 as a token of its own.
  private func decoder() throws -> (StreamingDecoder, (UInt8) throws -> Int32) {
    let tokenizer = try CharacterTokenizer(training: Array("aé中😀".utf8))
    return (
      StreamingDecoder(tokenizer),
      { byte in
        try #require((0..<Int32(tokenizer.vocabularySize)).first { Array(tokenizer.bytes(of: $0)) == [byte] })
      }
    )
  }

  @Test(
    "a character shows when its last byte has come, and what can be none shows at once",
    arguments: [
      ([0x61], ["a"], ""), ([0xC3, 0xA9], ["", "é"], ""), ([0xE4, 0xB8, 0xAD], ["", "", "中"], ""),
      ([0xF0, 0x9F, 0x98, 0x80], ["", "", "", "😀"], ""), ([0xC3, 0x61], ["", "\u{FFFD}a"], ""),
      ([0xC3, 0xC3, 0xA9], ["", "\u{FFFD}", "é"], ""), ([0xA9, 0x61], ["\u{FFFD}", "a"], ""),
      ([0xE4, 0xB8], ["", ""], "\u{FFFD}"), ([0xF0, 0x9F, 0x61], ["", "", "\u{FFFD}a"], ""), ([0xC3], [""], "\u{FFFD}"),
    ] as [([UInt8], [String], String)])
  func bytes(given: [UInt8], shown: [String], rest: String) throws {
    var (decoder, token) = try decoder()
    #expect(try given.map { decoder.push(try token($0)) } == shown)
    #expect(decoder.finish() == rest)
    #expect(decoder.finish() == "", "the end comes once")
    #expect(decoder.push(try token(0x61)) == "a", "and nothing of it is left")
  }
}
