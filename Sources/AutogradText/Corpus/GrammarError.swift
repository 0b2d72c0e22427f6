/// Says why rules are not a grammar that can be used. Lines count from 1.
public enum GrammarError: Error, Equatable, Sendable {
  case tooLarge(byteCount: Int, limit: Int)
  case invalidCharacter(UInt8, line: Int)
  case continuationWithoutRule(line: Int)
  case missingEquals(line: Int)
  case invalidName(String, line: Int)
  case duplicateRule(String, line: Int, firstLine: Int)
  case emptyAlternative(rule: String, line: Int)
  case invalidWeight(String, line: Int)
  case unclosedReference(line: Int)
  case starWithoutTag(reference: String, line: Int)
  case noDocumentRule
  case undefinedRule(String, line: Int)
  case unusedRule(String, line: Int)
  /// A rule contains itself elsewhere than at the end.
  case notRegular(rule: String, line: Int)
  case endless(rule: String, line: Int)
  /// Two derivations have led to the same place when `beginning` is read; no newline is in it.
  case ambiguous(beginning: String)
  case tooManyStates(limit: Int)
}

extension GrammarError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .tooLarge(let byteCount, let limit):
      "the grammar has \(byteCount) bytes, more than the limit of \(limit); shorten it"
    case .invalidCharacter(let byte, let line):
      "line \(line) of the grammar has the byte \(byte), which no text may hold; "
        + "use printable ASCII without < > [ ] | = except where they have their meaning"
    case .continuationWithoutRule(let line):
      "line \(line) of the grammar begins with a space, but there is no rule to continue; remove the space"
    case .missingEquals(let line):
      "line \(line) of the grammar has no =; write a rule as name = text, "
        + "or begin the line with a space to continue the rule above"
    case .invalidName(let name, let line):
      "line \(line) of the grammar has the name \(quoted(name)); "
        + "names are letters, digits and hyphens, with one tag at most, as in name:tag or name:*"
    case .duplicateRule(let name, let line, let firstLine):
      "line \(line) of the grammar defines \(name) again, after line \(firstLine); join the two with |"
    case .emptyAlternative(let rule, let line):
      "the rule \(rule) has nothing between two bars near line \(line); write <> for no text, or remove a bar"
    case .invalidWeight(let weight, let line):
      "line \(line) of the grammar has the weight \(quoted(weight)); "
        + "write a number from 0.000001 to 1000000 in brackets at the end of a text"
    case .unclosedReference(let line):
      "line \(line) of the grammar has a < without its >; write <name> on one line"
    case .starWithoutTag(let reference, let line):
      "line \(line) of the grammar asks for <\(reference)> where there is no tag; "
        + "name the tag, or end the rule's own name with :*"
    case .noDocumentRule:
      "the grammar has no rule named document; add one: it says what a document is"
    case .undefinedRule(let name, let line):
      "line \(line) of the grammar asks for <\(name)>, which no rule defines; correct the name or add the rule"
    case .unusedRule(let name, let line):
      "the rule \(name) in line \(line) of the grammar is never asked for; remove it or use it"
    case .notRegular(let rule, let line):
      "the rule \(rule) is asked for inside itself in line \(line) of the grammar; "
        + "a rule may repeat itself only at the very end of a text"
    case .endless(let rule, let line):
      "the rule \(rule) in line \(line) of the grammar never ends; give it a text that does not repeat it"
    case .ambiguous(let beginning):
      "the grammar makes a document that begins \(quoted(beginning)) in two ways, "
        + "so its entropy is not known; remove one of them"
    case .tooManyStates(let limit):
      "the grammar needs more than \(limit) states; use fewer words, shorter texts or fewer tags"
    }
  }
}

/// In quotes, cut to its last 60 characters.
private func quoted(_ text: String) -> String { "'\(text.suffix(60))'" }
