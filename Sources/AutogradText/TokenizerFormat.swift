public import AutogradBase
import AutogradFormats

/// A form in which vocabularies stand in files.
///
/// Whoever adds one writes a value and a line in `all`.
public struct TokenizerFormat: Sendable {
  /// What it is, in words.
  public let name: String
  /// What a folder has where it holds a vocabulary in this form.
  let fileName: String
  /// Whether a file of this name, its folders left out, has this form.
  let isNamed: @Sendable (String) -> Bool
  /// Reads a file and what lies beside it.
  let read: @Sendable (_ path: String, any FileSystem, [TokenizerKind]) throws(TextError) -> any Tokenizer
  /// The files that hold a vocabulary, by their paths, where a path is asked for: all that the form can say of it. Nil
  /// where vocabularies are not written so.
  let contents: (@Sendable (_ tokenizer: any Tokenizer, _ path: String) throws(TextError) -> [(path: String, bytes: [UInt8])])?

  /// All forms, in the order in which a folder is looked through; the last one is what a file is taken for whose name says
  /// nothing.
  public static let all: [TokenizerFormat] = [.tiktoken, .vocabularyAndMerges, .gguf, .json]

  /// `tokenizer.json`, with the roles of special tokens in `tokenizer_config.json` or `special_tokens_map.json` beside it.
  static let json = TokenizerFormat(
    name: "tokenizer.json", fileName: TokenVocabulary.tokenizerName, isNamed: { _ in true },
    read: { path, files, kinds throws(TextError) in
      let bytes = try contents(path, files)
      return try readTokenizer(bytes, roles: roles(in: parentDirectory(of: path), files), kinds: kinds)
    }, contents: { tokenizer, path in [(path, tokenizer.tokenizerJSON())] })

  /// GPT-2's `vocab.json`, with `merges.txt` beside it.
  static let vocabularyAndMerges = TokenizerFormat(
    name: "vocab.json and merges.txt", fileName: "vocab.json",
    isNamed: { $0 == "vocab.json" || $0 == "merges.txt" || $0.hasSuffix("-vocab.json") || $0.hasSuffix("-merges.txt") },
    read: { path, files, kinds throws(TextError) in
      let folder = parentDirectory(of: path), (vocabulary, merges) = bothPaths(path)
      let file = try TokenizerFile(
        vocabulary: try contents(vocabulary, files), merges: try contents(merges, files), roles: roles(in: folder, files))
      return try readTokenizer(file, kinds: kinds)
    },
    contents: { tokenizer, path throws(TextError) in
      let (vocabulary, merges) = bothPaths(path)
      let bytes = try bytePairs(tokenizer, path).vocabularyAndMerges()
      return [(vocabulary, bytes.vocabulary), (merges, bytes.merges)]
    })

  /// tiktoken's ranks.
  static let tiktoken = TokenizerFormat(
    name: "tiktoken's ranks", fileName: "tokenizer.tiktoken", isNamed: { $0.hasSuffix(".tiktoken") },
    read: { path, files, _ throws(TextError) in
      try BytePairTokenizer(Tiktoken.description(contents(path, files), name: lastName(of: path)))
    },
    contents: { tokenizer, path throws(TextError) in
      [(path, try Tiktoken.ranks(of: bytePairs(tokenizer, path), name: lastName(of: path)))]
    })

  /// The tokenizer of a model in a GGUF.
  static let gguf = TokenizerFormat(
    name: "GGUF", fileName: "model.gguf", isNamed: { $0.hasSuffix(".gguf") },
    read: { path, files, _ throws(TextError) in
      try BytePairTokenizer(BytePairDescription(gguf: metadata(path, files)))
    }, contents: nil)

  /// `vocab.json` and `merges.txt`: both names have ten letters, and may have the same ones before them.
  private static func bothPaths(_ path: String) -> (vocabulary: String, merges: String) {
    let prefix = parentDirectory(of: path) + "/" + lastName(of: path).dropLast(10)
    return (prefix + "vocab.json", prefix + "merges.txt")
  }

  private static func bytePairs(_ tokenizer: any Tokenizer, _ path: String) throws(TextError) -> BytePairDescription {
    guard let tokenizer = tokenizer as? BytePairTokenizer else {
      throw .vocabulary(path: path, "a vocabulary without pairs is written as a tokenizer.json only")
    }
    return tokenizer.description
  }

  private static func metadata(_ path: String, _ files: any FileSystem) throws(TextError) -> GGUFMetadata {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try files.openForReading(path)
    } catch {
      throw .file(error)
    }
    do throws(GGUFError) {
      return try GGUFHeader(file).metadata
    } catch {
      throw .vocabulary(path: path, "\(error)")
    }
  }

  static let byteLimit = 100_000_000

  private static func contents(_ path: String, _ files: any FileSystem) throws(TextError) -> [UInt8] {
    do throws(FileError) {
      return try files.read(path, byteLimit: byteLimit)
    } catch {
      throw .file(error)
    }
  }

  /// What files in a folder say of special tokens: nothing where there are none, or none that can be read.
  static func roles(in folder: String, _ files: any FileSystem) -> SpecialTokenNames {
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
      guard let bytes = try? files.read(folder + "/" + name, byteLimit: 8 << 20), let json = try? JSON(parsing: bytes)
      else { continue }
      let found = SpecialTokenNames(json: json)
      if !found.names.isEmpty { return found }
    }
    return SpecialTokenNames()
  }

  static func lastName(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

  /// Reads the vocabulary that a path names: a file in one of the forms, or a folder with one, such as a model's.
  ///
  /// - Throws: What is wrong with it, with its path.
  public static func tokenizer(
    at path: String, _ files: any FileSystem = POSIXFileSystem(), kinds: [TokenizerKind] = TokenizerKind.all
  ) throws(TextError) -> any Tokenizer {
    let (file, format) = try found(path, files)
    do throws(TextError) {
      return try format.read(file, files, kinds)
    } catch {
      if case .file = error { throw error }
      throw .inside(path: file, line: nil, error)
    }
  }

  /// The file with the vocabulary, and its form.
  static func found(_ path: String, _ files: any FileSystem) throws(TextError) -> (path: String, format: TokenizerFormat) {
    guard files.isDirectory(path) else {
      let name = lastName(of: path)
      if name.hasSuffix(".model") { throw .vocabulary(path: path, sentencePiece) }
      return (path, all.first { $0.isNamed(name) } ?? .json)
    }
    for format in all.reversed() where files.exists(path + "/" + format.fileName) {
      return (path + "/" + format.fileName, format)
    }
    let names = ((try? files.list(path)) ?? []).filter { !$0.hasPrefix(".") }
    for format in all.dropLast() {
      let own = names.filter(format.isNamed)
      if own.count == 1 { return (path + "/" + own[0], format) }
    }
    if names.contains(where: { $0.hasSuffix(".model") }) { throw .vocabulary(path: path, sentencePiece) }
    throw .vocabulary(path: path, "there is no vocabulary in it; name a folder with tokenizer.json, or a file")
  }

  /// Whether what a path names comes with a template for conversations.
  public static func hasChatTemplate(at path: String, _ files: any FileSystem = POSIXFileSystem()) -> Bool {
    guard let (file, format) = try? found(path, files) else { return false }
    if format.fileName == gguf.fileName {
      return (try? metadata(file, files))?["tokenizer.chat_template"]?.stringValue != nil
    }
    let folder = parentDirectory(of: file)
    if files.exists(folder + "/chat_template.jinja") { return true }
    guard let bytes = try? files.read(folder + "/" + TokenizerFolder.configurationName, byteLimit: 8 << 20) else { return false }
    return (try? JSON(parsing: bytes))?["chat_template"].map { !$0.isNull } ?? false
  }

  private static let sentencePiece =
    "it is SentencePiece's own form; open it with transformers and save it again, which makes a tokenizer.json"
}
