public import AutogradBase

/// A vocabulary by itself on the disk: one file, or a folder that `AutoTokenizer` opens.
public enum TokenizerFolder {
  /// The names of the files that say more of a vocabulary than `tokenizer.json` does.
  package static let configurationName = "tokenizer_config.json", mapName = "special_tokens_map.json"

  /// The form of the file that a path names; nil where it names a folder.
  private static func form(_ path: String) -> TokenizerFormat? {
    let name = TokenizerFormat.lastName(of: path)
    let named = TokenizerFormat.all.dropLast().first { $0.isNamed(name) }
    return named ?? (name.hasSuffix(".json") ? .json : nil)
  }

  /// Makes sure that writing there takes no model's vocabulary away.
  ///
  /// - Throws: `notTexts`.
  public static func requireRoom(at path: String, _ files: any FileSystem = POSIXFileSystem()) throws(TextError) {
    let folder = form(path) == nil ? path : parentDirectory(of: path)
    for name in ["config.json", "model.safetensors", "model.safetensors.index.json"] where files.exists(folder + "/" + name) {
      throw .vocabulary(
        path: folder, "there is a model in it, and another vocabulary would make it useless; choose another place")
    }
  }

  /// Writes a vocabulary: where the path is the name of a file, in that file's form (`.json`, `vocab.json` with `merges.txt`
  /// beside it, `.tiktoken`), or else a folder with `tokenizer.json` and what names its special tokens.
  ///
  /// - Throws: `file`; `vocabulary`, `notTokenizer` where the form cannot say what this vocabulary is.
  public static func write(
    _ tokenizer: any Tokenizer, to path: String, _ files: some FileSystem = POSIXFileSystem()
  ) throws(TextError) {
    if let form = form(path) { return try write(tokenizer, form, to: path, files) }
    do throws(FileError) {
      try files.createDirectory(path)
      try files.writeAtomically(tokenizer.tokenizerJSON(), to: path + "/" + TokenVocabulary.tokenizerName)
      let configuration = JSON.object(configuration(tokenizer)).serialized(pretty: true)
      try files.writeAtomically(configuration, to: path + "/" + configurationName)
      let map = JSON.object(names(tokenizer)).serialized(pretty: true)
      try files.writeAtomically(map, to: path + "/" + mapName)
    } catch {
      throw .file(error)
    }
  }

  private static func write(
    _ tokenizer: any Tokenizer, _ form: TokenizerFormat, to path: String, _ files: some FileSystem
  ) throws(TextError) {
    guard let contents = form.contents else {
      throw .vocabulary(path: path, "a vocabulary by itself is not written as \(form.name); export the model that it belongs to")
    }
    let written = try contents(tokenizer, path)
    do throws(FileError) {
      try files.createDirectory(parentDirectory(of: path))
      for file in written { try files.writeAtomically(file.bytes, to: file.path) }
    } catch {
      throw .file(error)
    }
  }

  /// What `tokenizer_config.json` says.
  ///
  /// Names the class that takes `tokenizer.json` as it is: without it transformers guesses one by the model, which adds
  /// tokens that the model has no rows for. End and padding are tokens of the vocabulary, for the same reason.
  ///
  /// - Parameter contextLength: The most tokens that the model takes; nil where there is no model.
  package static func configuration(_ tokenizer: any Tokenizer, contextLength: Int? = nil) -> [JSON.Member] {
    [JSON.Member("tokenizer_class", .string("PreTrainedTokenizerFast"))]
      + (contextLength.map { [JSON.Member("model_max_length", .integer(Int64($0)))] } ?? [])
      + [JSON.Member("clean_up_tokenization_spaces", .bool(false))] + names(tokenizer)
  }

  /// Which token begins a text, ends it, and fills batches.
  private static func names(_ tokenizer: any Tokenizer) -> [JSON.Member] {
    func name(_ role: SpecialToken.Role) -> String? { tokenizer.specialTokens.first { $0.role == role }?.name }
    let padding = name(.padding), end = name(.endOfText)
    let names = [("bos_token", name(.beginningOfText)), ("eos_token", end ?? padding), ("pad_token", padding ?? end)]
    return names.compactMap { key, name in name.map { JSON.Member(key, .string($0)) } }
  }
}
