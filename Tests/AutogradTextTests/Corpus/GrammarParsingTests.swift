import Testing
import AutogradText

@Suite("Grammar: reading rules")
struct GrammarParsingTests {
  private func documents(_ rules: String, count: UInt64 = 40) throws -> Set<String> {
    let generator = CorpusGenerator(grammar: try Grammar(parsing: rules), seed: 1)
    return Set((0..<count).map { String(decoding: generator.document($0).dropFirst(), as: UTF8.self) })
  }

  @Test("a rule goes on over lines that begin with a space; a bar may stand at either end of a line")
  func continuation() throws {
    let rules = """
      # A comment.
      document = one |   # another
        two <rest>
        three
        | four\r

      rest = and
      """
    #expect(try documents(rules) == ["one", "two and three", "four"])
  }

  @Test("spaces at the ends are dropped, several are one, and _ is one that stays")
  func spaces() throws {
    #expect(try documents("document =  a   b<c>\nc = _d <> \t e__ ") == ["a b d e  "])
  }

  @Test("<> is no text, a weight stands at the end")
  func emptyText() throws {
    #expect(try documents("document = a<b>\nb = <> [0.5] | <> x [1e-1]") == ["a", "a x"])
  }

  @Test("a star is the tag that was asked for; a rule with that tag goes first")
  func tags() throws {
    let rules = """
      document = <pair:m> | <pair:f>
      pair:* = <noun:*> loves <own:*> <noun:cat>
      noun:m = he
      noun:f = she
      noun:* = the cat
      own:m = his
      own:* = her
      """
    #expect(try documents(rules) == ["he loves his the cat", "she loves her the cat"])
  }

  @Test(
    "each mistake has its error with its line",
    arguments: [
      ("", GrammarError.noDocumentRule),
      ("documents = a", .noDocumentRule),
      ("  a", .continuationWithoutRule(line: 1)),
      ("document = a\nb", .missingEquals(line: 2)),
      ("a b = c", .invalidName("a b", line: 1)),
      ("document = <a:>\na = b", .invalidName("a:", line: 1)),
      ("document = a\n\ndocument = b", .duplicateRule("document", line: 3, firstLine: 1)),
      ("document = a | | b", .emptyAlternative(rule: "document", line: 1)),
      ("document =", .emptyAlternative(rule: "document", line: 1)),
      ("document = a [0]", .invalidWeight("0", line: 1)),
      ("document = a\n  | b [nan]", .invalidWeight("nan", line: 2)),
      ("document = a [1e7]", .invalidWeight("1e7", line: 1)),
      ("document = a [two]", .invalidWeight("two", line: 1)),
      ("document = a <b", .unclosedReference(line: 1)),
      ("document = a > b", .invalidCharacter(UInt8(ascii: ">"), line: 1)),
      ("document = a = b", .invalidCharacter(UInt8(ascii: "="), line: 1)),
      ("document = caf\u{E9}", .invalidCharacter(0xC3, line: 1)),
      ("document = a [1] b", .invalidCharacter(UInt8(ascii: "["), line: 1)),
      ("document = <b:*>\nb:* = c", .starWithoutTag(reference: "b:*", line: 1)),
      ("document = a\n  | <b>", .undefinedRule("b", line: 2)),
      ("document = <b:x>\nb = c", .undefinedRule("b:x", line: 1)),
      ("document = a\nb = c", .unusedRule("b", line: 2)),
      ("document = (<document>) | a", .notRegular(rule: "document", line: 1)),
      ("document = <b>\nb = c<d>\nd = <b>e", .notRegular(rule: "b", line: 3)),
      ("document = <b>\nb = c<b>", .endless(rule: "document", line: 1)),
      ("document = a | <b>\nb = c<b>", .endless(rule: "b", line: 2)),
    ])
  func mistakes(rules: String, error: GrammarError) {
    #expect(throws: error) { try Grammar(parsing: rules) }
  }

  @Test(
    "two derivations of one document are found, wherever they part and meet",
    arguments: [
      ("document = a | a", "a"),
      ("document = <x> | ab | c\nx = a<y>\ny = b | d", "ab"),
      ("document = a<b>c\nb = <> | <>", "a"),
      ("document = <document> | a", ""),
      ("document = a<b>\nb = b<b> | bb<b> | c", "abb"),
      ("document = the <n> is here | the <n>s are here\nn = bee | bees", nil),
      ("document = <d><d>\nd = x | xx", "xxx"),
    ])
  func ambiguity(rules: String, beginning: String?) throws {
    guard let beginning else {
      #expect(throws: Never.self) { try Grammar(parsing: rules) }
      return
    }
    #expect(throws: GrammarError.ambiguous(beginning: beginning)) { try Grammar(parsing: rules) }
  }

  @Test("limits end in errors")
  func limits() {
    let large = [UInt8](repeating: UInt8(ascii: "#"), count: 1 << 20 + 1)
    #expect(throws: GrammarError.tooLarge(byteCount: large.count, limit: 1 << 20)) {
      try Grammar(parsing: String(decoding: large, as: UTF8.self))
    }
    let long = "document = " + String(repeating: "a", count: 50_001)
    #expect(throws: GrammarError.tooManyStates(limit: 50_000)) { try Grammar(parsing: long) }
    // Short rules, copied a hundred times, in each of which they are again, and so on.
    let hundred = { (name: String) in String(repeating: "<\(name)>", count: 100) }
    let nested = "document = \(hundred("b"))\nb = \(hundred("c"))\nc = \(hundred("d"))\nd = x"
    #expect(throws: GrammarError.tooManyStates(limit: 200_000)) { try Grammar(parsing: nested) }
  }

  @Test("sentences say what and where")
  func sentences() {
    #expect(
      "\(GrammarError.ambiguous(beginning: "The c"))"
        == "the grammar makes a document that begins 'The c' in two ways, "
        + "so its entropy is not known; remove one of them")
    #expect(
      "\(GrammarError.undefinedRule("b:x", line: 4))"
        == "line 4 of the grammar asks for <b:x>, which no rule defines; correct the name or add the rule")
  }
}
