import AutogradBase
import AutogradTestSupport
import Testing

@testable import AutogradFuzzTargets

@Suite("Fuzz targets") struct FuzzTargetTests {
  @Test("each file of the corpus is accepted or refused as its line says", arguments: fuzzCorpus())
  func replay(_ one: FuzzCorpusCase) throws {
    let target = try #require(FuzzTarget.named(one.target))
    #expect(try target.accepts(one.bytes) == one.isAccepted)
  }

  @Test("every target has honest files and lies, and every file has its line", arguments: FuzzTarget.all.map(\.name))
  func complete(_ name: String) throws {
    let cases = fuzzCorpus().filter { $0.target == name }
    #expect(cases.contains { $0.isAccepted } && cases.contains { !$0.isAccepted })
    let names = cases.map(\.name).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(try POSIXFileSystem().list(fuzzCorpusFolder + "/" + name) == names)
    let longest = try cases.map { try $0.bytes.count }.max() ?? 0
    #expect(longest <= 8192, "Scripts/fuzz would cut it off")
  }

  @Test("the corpus is not smaller than it was")
  func size() { #expect(fuzzCorpus().count >= 560) }

  @Test("every file cut off anywhere keeps the properties, too", arguments: FuzzTarget.all.map(\.name))
  func prefixes(_ name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    for one in fuzzCorpus() where one.target == name {
      let bytes = try one.bytes
      for count in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 20)) {
        _ = try target.accepts(Array(bytes.prefix(count)))
      }
    }
  }

  @Test("a reader that complains with what a terminal would obey is found out")
  func unprintable() throws {
    struct Refusal: Error, CustomStringConvertible { let description: String }
    func complaint(_ sentence: String) throws -> Int? {
      try accepted { () throws(Refusal) -> Int in throw Refusal(description: sentence) }
    }
    #expect(try complaint("the name \"é\" stands twice") == nil)
    for sentence in ["", "two\nlines", "\u{1B}[2J", "\u{202E}", "\u{2028}"] {
      #expect(throws: BrokenProperty.self) { try complaint(sentence) }
    }
  }

  @Test("a property that does not hold is found out")
  func broken() {
    let never = FuzzTarget("never") { bytes throws(BrokenProperty) in
      try require(bytes.isEmpty, "there are \(bytes.count) bytes")
      return true
    }
    #expect(throws: Never.self) { try never.accepts([]) }
    #expect(throws: BrokenProperty.self) { try never.accepts([1]) }
  }
}
