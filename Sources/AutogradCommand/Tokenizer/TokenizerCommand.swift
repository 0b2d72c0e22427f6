import ArgumentParser
import AutogradBase
import AutogradText

struct TokenizerCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer",
    abstract: "Makes vocabularies, and shows what they make of texts.",
    discussion: """
      A vocabulary is named by its file (tokenizer.json, vocab.json, .tiktoken, .gguf) or
      by the folder of a model or of a run.
      """,
    subcommands: [
      TokenizerTrain.self, TokenizerEncode.self, TokenizerDecode.self, TokenizerConvert.self, TokenizerInspect.self,
    ])

  static let examples = [
    "autograd tokenizer train --data book.txt --vocab-size 8192 --out book-8k",
    "autograd tokenizer encode --tokenizer book-8k chapter.txt",
  ]
}

/// The vocabulary that a command works with.
struct NamedTokenizer: ParsableArguments {
  @Option(name: [.long, .customLong("model")], help: ArgumentHelp("A vocabulary's file, or a folder.", valueName: "path"))
  var tokenizer: String

  func load() throws -> any Tokenizer { try loadVocabulary(at: tokenizer) }
}

/// The vocabulary that a path names; of a run that has not come to its end, the one that its checkpoints or its tokens have.
func loadVocabulary(at path: String) throws(TextError) -> any Tokenizer {
  let files = POSIXFileSystem()
  guard files.isDirectory(path), files.isDirectory(path + "/checkpoints"), !files.exists(path + "/tokenizer.json") else {
    return try TokenizerFormat.tokenizer(at: path)
  }
  let checkpoints = ((try? files.list(path + "/checkpoints")) ?? []).filter { $0.hasPrefix("step-") }
  let places = checkpoints.reversed().map { path + "/checkpoints/" + $0 } + [path + "/data"]
  return try TokenizerFormat.tokenizer(at: places.first { files.exists($0 + "/tokenizer.json") } ?? path)
}
