import ArgumentParser
import AutogradBase
import AutogradText

struct TokenizerConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Writes a vocabulary in another form.",
    discussion: """
      The form is that of the name: a folder for AutoTokenizer, or a file: .json,
      vocab.json (merges.txt is written beside it), .tiktoken. A form that cannot say what
      the vocabulary is is refused.
      """)

  @Argument(help: ArgumentHelp("A vocabulary's file, or a folder.", valueName: "path"))
  var path: String

  @Option(help: ArgumentHelp("A folder, or a file: .json, .tiktoken, vocab.json.", valueName: "path"))
  var out: String

  mutating func run() throws {
    try reportingErrors {
      try TokenizerFolder.requireRoom(at: out)
      let tokenizer = try loadVocabulary(at: path)
      try TokenizerFolder.write(tokenizer, to: out)
      Console.showLine("\(out.escapedForDisplay): \(tokenizer.vocabularySize.grouped) tokens")
    }
  }
}
