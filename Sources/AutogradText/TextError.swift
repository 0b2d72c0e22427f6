import AutogradBase

/// Says why a text, a vocabulary or a data set cannot be used.
public indirect enum TextError: Error, Equatable, Sendable {
  case file(FileError)
  /// What is wrong in one of several texts, and in which line where that has lines.
  case inside(path: String, line: Int?, TextError)
  /// A line that holds no document, in words.
  case notDocument(String)
  /// A conversation that a template has no way to write, in words.
  case notConversation(String)
  /// A conversation, and no template to write it by.
  case noTemplate
  /// A template with a token that the vocabulary lacks.
  case templateNeeds(template: String, token: String)
  /// A line that holds no item of a task, in words.
  case notTaskItem(String)
  /// A part of which no document has an answer that a window reaches.
  case noAnswers(path: String, part: TokenDataset.Part, documentCount: Int, blockSize: Int)
  /// A part of which no preference pair has both of its answers where a row reaches.
  case noPairs(path: String, part: TokenDataset.Part, pairCount: Int, blockSize: Int)
  /// A model's own template is none that is known.
  case unknownTemplate(sha256: String)
  /// A file whose contents are others than they were when it was opened; where they are is not always known.
  case changed(path: String, byteOffset: Int?)
  /// Several texts, and a tokenizer that cannot set them apart.
  case noEndOfText
  /// The disk has not the room that a file of tokens takes.
  case noRoom(path: String, byteCount: Int, free: Int)
  /// Reading a text was interrupted.
  case interrupted
  /// Texts that cannot be taken together, in words.
  case notTexts(path: String, String)
  case emptyFile(path: String)
  /// `path` is nil for text that is in no file.
  case invalidUTF8(path: String?, byteOffset: Int)
  case emptyText
  case emptyPrompt
  case unknownCharacter(Unicode.Scalar, scalarIndex: Int, byteOffset: Int)
  case tokenizerNotJSON(JSONError)
  /// A `tokenizer.json` that holds none of the kinds that can be read.
  case notTokenizer(kind: String, reason: String)
  /// Stories are told character by character.
  case notPerCharacter
  case invalidValidationFraction(Double)
  /// A part has no window; `advice` is what would help.
  case tooShort(part: TokenDataset.Part, tokenCount: Int, blockSize: Int, advice: String)
  /// A text of one token, of which nothing is predicted.
  case nothingToPredict(tokenCount: Int)
  case notTokens(path: String, String)
  /// A place where no vocabulary can be read, or written, in words.
  case vocabulary(path: String, String)
  /// Distinct words that do not fit into memory.
  case tooManyWords(byteLimit: Int)
}

extension TextError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .file(let error):
      "\(error)"
    case .inside(let path, let line, let error):
      "\(path.escapedForDisplay)\(line.map { ", line \($0)" } ?? ""): \(error)"
    case .notDocument(let reason):
      "\(reason); a line is one JSON object with the document under \"text\", or with \"messages\", with \"prompt\" and "
        + "\"completion\", with \"instruction\" and \"output\", or with \"prompt\", \"chosen\" and \"rejected\""
    case .notConversation(let reason):
      "the conversation cannot be written: \(reason)"
    case .noTemplate:
      "the text has conversations, and nobody has said how to write them; name a chat template: \(Self.templates)"
    case .templateNeeds(let template, let token):
      "the chat template \(template) is made of special tokens, and the vocabulary has no \(token.quotedForMessage); begin "
        + "with a model that has it, or name a template of plain text: \(Self.plainTemplates)"
    case .notTaskItem(let reason):
      "\(reason); a line is one JSON object with \"question\", \"choices\" and \"answer\", or with \"context\" and "
        + "\"continuation\""
    case .noAnswers(let path, let part, let documentCount, let blockSize):
      "\(path.escapedForDisplay): the \(part.rawValue) part has \(documentCount) "
        + "\(documentCount == 1 ? "document" : "documents"), none with an answer within its first \(blockSize) tokens; give "
        + "more documents, a larger block size, or another validation fraction"
    case .noPairs(let path, let part, let pairCount, let blockSize):
      "\(path.escapedForDisplay): the \(part.rawValue) part has \(pairCount) \(pairCount == 1 ? "pair" : "pairs"), none "
        + "with both answers begun within \(blockSize) tokens; give more pairs, a larger block size, or another validation "
        + "fraction"
    case .unknownTemplate(let sha256):
      "the model's own chat template is none that is known (SHA-256 \(sha256.prefix(12))); name the one that writes the same: "
        + "\(Self.templates)"
    case .changed(let path, let byteOffset):
      "\(path.escapedForDisplay) was changed while it was in use"
        + (byteOffset.map { ": it differs from byte \($0) on, or soon after" } ?? "") + "; leave it as it is during a run"
    case .noEndOfText:
      "the tokenizer has no token that ends a text, so that several texts cannot be set apart; give one plain text, or "
        + "begin with a new model, whose vocabulary gets one"
    case .noRoom(let path, let byteCount, let free):
      "the tokens of the text take \(byteCount) bytes, and the disk of \(path.escapedForDisplay) has \(free) free; free "
        + "some, or choose a folder on another disk"
    case .interrupted:
      "reading the text was interrupted; what was written of its tokens is removed"
    case .notTexts(let path, let reason):
      "\(path.escapedForDisplay) cannot be read as a text: \(reason)"
    case .emptyFile(let path):
      "\(path) is empty; name a file with text in it"
    case .invalidUTF8(let path, let byteOffset):
      "\(path ?? "the text") is not UTF-8 at byte \(byteOffset) (counted from 0); convert it to UTF-8"
    case .emptyText:
      "the text is empty: no vocabulary can be made from it; give it at least one character"
    case .emptyPrompt:
      "the prompt is empty: there is nothing to continue; give it at least one character"
    case .unknownCharacter(let scalar, let scalarIndex, let byteOffset):
      "the character \(Self.display(scalar)) at position \(scalarIndex) (byte \(byteOffset), "
        + "both counted from 0) is not in the vocabulary; "
        + "remove it, or make a vocabulary from a text that has it"
    case .tokenizerNotJSON(let error):
      "the tokenizer file cannot be read: \(error)"
    case .notTokenizer(let kind, let reason):
      "the tokenizer file holds no \(kind): \(reason); use one saved with a model of that kind"
    case .notPerCharacter:
      "the stories are told character by character, and this tokenizer has no token for each of theirs; give a text of "
        + "your own, or take a character tokenizer"
    case .invalidValidationFraction(let fraction):
      "the validation fraction \(fraction) does not lie in 0..<1; take 0.1 for every tenth token"
    case .tooShort(let part, let tokenCount, let blockSize, let advice):
      "the \(part.rawValue) part has \(tokenCount) \(tokenCount == 1 ? "token" : "tokens"), but one window of block "
        + "size \(blockSize) takes \(blockSize) + 1; \(advice)"
    case .nothingToPredict(let tokenCount):
      "the text has \(tokenCount) \(tokenCount == 1 ? "token" : "tokens"), and each is predicted from those before it; "
        + "give a text of at least 2 tokens"
    case .notTokens(let path, let problem):
      "\(path) does not hold tokens: \(problem)"
    case .vocabulary(let path, let problem):
      "\(path.escapedForDisplay): \(problem)"
    case .tooManyWords(let byteLimit):
      "the distinct words of the text take more than \(byteLimit) bytes; a part of it, drawn at random, gives nearly the "
        + "same vocabulary"
    }
  }

  private static var templates: String { ChatTemplate.all.map(\.name).joined(separator: ", ") }
  private static var plainTemplates: String {
    ChatTemplate.all.filter(\.requiredTokens.isEmpty).map(\.name).joined(separator: ", ")
  }

  /// The character in quotes, unless printing it would show nothing, and its number: `'é' (U+00E9)`.
  private static func display(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    let number = "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate, .privateUse,
      .unassigned, .nonspacingMark, .enclosingMark, .spacingMark:
      return number
    default: return "'\(scalar)' (\(number))"
    }
  }
}
