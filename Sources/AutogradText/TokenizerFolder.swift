public import AutogradBase

/// A vocabulary by itself on the disk: one file, or a folder that `AutoTokenizer` opens.
public enum TokenizerFolder {
  /// The names of the files that say more of a vocabulary than `tokenizer.json` does.
  package static let configurationName = "tokenizer_config.json", mapName = "special_tokens_map.json"

  /// Whether a path names one file rather than a folder.
  private static func isFile(_ path: String) -> Bool { path.hasSuffix(".json") }

  /// Makes sure that writing there takes no model's vocabulary away.
  ///
  /// - Throws: `notTexts`.
  public static func requireRoom(at path: String, _ files: any FileSystem = POSIXFileSystem()) throws(TextError) {
    let folder = isFile(path) ? parentDirectory(of: path) : path
    for name in ["config.json", "model.safetensors", "model.safetensors.index.json"] where files.exists(folder + "/" + name) {
      throw .vocabulary(
        path: folder, "there is a model in it, and another vocabulary would make it useless; choose another place")
    }
  }

  /// Writes a vocabulary: `tokenizer.json` alone where the path ends in `.json`, or else a folder with what names its special
  /// tokens beside it.
  ///
  /// - Throws: `file`.
  public static func write(
    _ tokenizer: any Tokenizer, to path: String, _ files: some FileSystem = POSIXFileSystem()
  ) throws(TextError) {
    do throws(FileError) {
      guard !isFile(path) else {
        try files.createDirectory(parentDirectory(of: path))
        return try files.writeAtomically(tokenizer.tokenizerJSON(), to: path)
      }
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
