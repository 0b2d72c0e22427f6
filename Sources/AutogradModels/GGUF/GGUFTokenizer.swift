import AutogradFormats
import AutogradText

extension Tokenizer {
  /// What a GGUF file says of the tokenizer: `tokenizer.ggml.*`.
  ///
  /// - Parameter rows: Those of the model's embedding: rows without a token get one that nobody uses, as the converter has
  ///   it, since llama.cpp wants as many.
  /// - Throws: Where such files have no word for it.
  func ggufKeys(rows: Int) throws(TextError) -> [GGUFMetadata.Entry] {
    let own = (self as? BytePairTokenizer)?.description
    let description = if let own { own } else { try BytePairDescription(TokenizerFile(tokenizerJSON())) }
    var metadata = try description.ggufMetadata
    guard var tokens = metadata["tokenizer.ggml.tokens"]?.stringsValue,
      case .int32(var types)? = metadata["tokenizer.ggml.token_type"]?.arrayValue
    else { return metadata.entries }
    for row in tokens.count..<max(tokens.count, rows) {
      tokens.append("[PAD\(row)]".utf8)
      types.append(5)
    }
    metadata["tokenizer.ggml.tokens"] = .array(.strings(tokens))
    metadata["tokenizer.ggml.token_type"] = .array(.int32(types))
    if case .float32(let scores)? = metadata["tokenizer.ggml.scores"]?.arrayValue, scores.count < tokens.count {
      let rest = [Float](repeating: -1000, count: tokens.count - scores.count)
      metadata["tokenizer.ggml.scores"] = .array(.float32(scores + rest))
    }
    return metadata.entries
  }
}

/// The tokenizer that a GGUF file has.
func ggufTokenizer(_ metadata: GGUFMetadata) throws(TextError) -> any Tokenizer {
  try BytePairTokenizer(BytePairDescription(gguf: metadata))
}
