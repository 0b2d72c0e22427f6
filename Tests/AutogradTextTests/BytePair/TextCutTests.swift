import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradText

/// Where long texts are cut: nothing of their ids may change.
@Suite("Cuts of long texts") struct TextCutTests {
  private static let names = ["gpt2", "prefix", "smollm", "nfc", "o200k", "llama3", "words", "metaspace"]

  /// Texts made of what is dangerous around a cut.
  private func texts() -> [[UInt8]] {
    var random = RandomStream(seed: 11, purpose: .evaluation, step: 0)
    let atoms = [
      "\n", "\n\n", "\r\n", " ", "  ", "\t", "a", "Ab", "the ", "the", "1", "23", ".", "...", "'s", "\u{301}", "é", "中", "\u{3000}",
      "\u{2581}", "\u{85}", "\u{2028}", "/", "x\n", "\nB", ".\n7", "\u{1100}\u{1161}", "e\u{301}\n", "\u{200D}", "<|endoftext|>",
    ]
    return (0..<60).map { _ in
      Array((0..<60).map { _ in atoms[Int(random.uniform() * Double(atoms.count))] }.joined().utf8)
    } + [[0xE3, 0x80, 0x80, 10, 65, 10, 66, 0xFF, 10, 67, 0xE3, 0x80, 10, 68, 10]]
  }

  @Test("parts between all cuts have together the ids of the whole", arguments: names)
  func parts(name: String) throws {
    let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded(name).description)
    #expect(tokenizer.cutsTexts)
    var cutCount = 0
    for text in texts() {
      var cuts = [0], ids: [Int32] = []
      while let cut = tokenizer.firstCut(in: text.span, from: cuts.last! + 1), cut < text.count { cuts.append(cut) }
      cutCount += cuts.count - 1
      for (first, end) in zip(cuts, cuts.dropFirst() + [text.count]) {
        tokenizer.encode(part: text.span.extracting(first..<end), isFirst: first == 0, into: &ids)
      }
      #expect(ids == tokenizer.encode(text))
    }
    #expect(cutCount > 100)
  }

  @Test("the bytes around a place decide about it", arguments: names)
  func context(name: String) throws {
    let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded(name).description)
    for text in texts().prefix(20) {
      for place in 1..<text.count {
        let first = max(0, place - cutContext), end = min(text.count, place + cutContext)
        let alone = tokenizer.firstCut(in: Array(text[first..<end]).span, from: place - first) == place - first
        #expect(alone == (tokenizer.firstCut(in: text.span, from: place) == place), "at \(place)")
      }
    }
  }

  @Test("parts of a file begin and end at cuts, whatever ranges are asked for", arguments: names, [1, 7, 64, 1000])
  func files(name: String, length: Int) throws {
    let tokenizer = try BytePairTokenizer(PeerVocabulary.recorded(name).description)
    for text in texts().prefix(12) + [[0xEF, 0xBB, 0xBF] + Array("x\nThe\nend".utf8)] {
      let input = try TextInput(FileInMemory(path: "t", bytes: text), path: "t", kind: .plain)
      var joined: [UInt8] = [], ids: [Int32] = []
      for first in stride(from: input.start, to: text.count, by: length) {
        let part = try input.part(first..<min(text.count, first + length), for: tokenizer)
        joined += part.bytes[part.own]
        if part.own.isEmpty { continue }
        tokenizer.encode(part: part.bytes.span.extracting(part.own), isFirst: part.isFirst, into: &ids)
      }
      #expect(joined == Array(text[input.start...]))
      #expect(ids == tokenizer.encode(joined))
    }
  }

  @Test("a vocabulary whose tokens may stand across is not cut: the first part is the whole")
  func noCuts() throws {
    let description = try PeerVocabulary.recorded("added").description
    let tokenizer = try BytePairTokenizer(description), text = Array("one\nTwo\nThree\n".utf8)
    #expect(!tokenizer.cutsTexts && tokenizer.firstCut(in: text.span, from: 1) == nil)
    let input = try TextInput(FileInMemory(path: "t", bytes: text), path: "t", kind: .plain)
    let parts = try stride(from: 0, to: text.count, by: 5).map { first in
      try input.part(first..<min(text.count, first + 5), for: tokenizer)
    }
    #expect(parts.map { $0.own.count } == [text.count, 0, 0])
  }
}
