import AutogradBase
import Testing

@testable import AutogradText

/// Normalisation form C against the standard library's, which knows newer characters.
@Suite("NormalizationFormC") struct NormalizationTests {
  private func normalized(_ text: [UInt8]) -> [UInt8] {
    unsafe text.withUnsafeBufferPointer { NormalizationFormC.shared.normalized(unsafe TextView($0, .standard)) }
  }

  @Test("compositions, exclusions, marks out of order, Hangul")
  func examples() {
    let pairs = [
      ("e\u{301}", "\u{E9}"), ("a\u{323}\u{307}", "\u{1EA1}\u{307}"), ("a\u{307}\u{323}", "\u{1EA1}\u{307}"),
      ("\u{212B}", "\u{C5}"), ("\u{958}", "\u{915}\u{93C}"), ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"),
      ("\u{AC00}\u{11A8}", "\u{AC01}"), ("\u{1100}\u{301}\u{1161}", "\u{1100}\u{301}\u{1161}"), ("\u{344}", "\u{308}\u{301}"),
      ("\u{301}\u{301}", "\u{301}\u{301}"), ("x\u{301}", "x\u{301}"), ("\u{1E9B}\u{323}", "\u{1E9B}\u{323}"),
    ]
    for (text, expected) in pairs { #expect(normalized(Array(text.utf8)) == Array(expected.utf8), "\(text)") }
  }

  @Test("bytes that are not UTF-8 stay, and nothing is composed across them")
  func invalid() {
    #expect(normalized([0x65, 0xFF, 0xCC, 0x81]) == [0x65, 0xFF, 0xCC, 0x81])
    #expect(normalized([0xFF, 0xCC, 0x81, 0x65, 0xCC, 0x81, 0xCC]) == [0xFF, 0xCC, 0x81, 0xC3, 0xA9, 0xCC])
  }

  @Test("what is normal stays, and is found to be normal")
  func twice() {
    var random = RandomStream(seed: 2, purpose: .evaluation, step: 0)
    for _ in 0..<300 {
      let scalars = (0..<12).map { _ in
        Unicode.Scalar([0x61, 0xE9, 0x300, 0x323, 0x327, 0x915, 0x93C, 0x1100, 0x1161, 0x11A8, 0xAC00][Int(random.uniform() * 11)])!
      }
      var text = ""
      text.unicodeScalars.append(contentsOf: scalars)
      let once = normalized(Array(text.utf8))
      #expect(normalized(once) == once)
    }
  }
}
