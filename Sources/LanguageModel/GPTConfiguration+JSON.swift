import Base

/// config.json as `transformers` has it for GPT-2. One key is our own: `bias`, false where the model was trained
/// without biases (the file then holds zeros, which `transformers` needs).
extension GPTConfiguration {
  var json: JSON {
    .object([
      JSON.Member("architectures", .array([.string("GPT2LMHeadModel")])),
      JSON.Member("model_type", .string("gpt2")),
      JSON.Member("vocab_size", .integer(Int64(vocabularySize))),
      JSON.Member("n_positions", .integer(Int64(contextLength))),
      JSON.Member("n_ctx", .integer(Int64(contextLength))),
      JSON.Member("n_embd", .integer(Int64(channelCount))),
      JSON.Member("n_layer", .integer(Int64(layerCount))),
      JSON.Member("n_head", .integer(Int64(headCount))),
      JSON.Member("n_inner", feedForwardWidth == 4 * channelCount ? .null : .integer(Int64(feedForwardWidth))),
      JSON.Member("activation_function", .string("gelu_new")),
      JSON.Member("resid_pdrop", .number(dropout)),
      JSON.Member("embd_pdrop", .number(dropout)),
      JSON.Member("attn_pdrop", .number(dropout)),
      JSON.Member("layer_norm_epsilon", .number(layerNormEpsilon)),
      JSON.Member("initializer_range", .number(0.02)),
      JSON.Member("bos_token_id", .null),
      JSON.Member("eos_token_id", .null),
      JSON.Member("tie_word_embeddings", .bool(tiesHead)),
      JSON.Member("torch_dtype", .string("float32")),
      JSON.Member("bias", .bool(hasBias)),
    ])
  }

  init(json: JSON, path: String) throws(LanguageModelError) {
    if let type = json["model_type"]?.stringValue, type != "gpt2" {
      throw .configuration(path: path, "model_type is \"\(type)\"; this version opens \"gpt2\"")
    }
    if let activation = json["activation_function"]?.stringValue, activation != "gelu_new" {
      throw .configuration(path: path, "activation_function is \"\(activation)\"; this version has \"gelu_new\"")
    }
    func size(_ key: String, or other: String? = nil) throws(LanguageModelError) -> Int {
      guard let value = json[key] ?? other.flatMap({ json[$0] }) else {
        throw .configuration(path: path, "the key \"\(key)\" is missing")
      }
      guard let size = value.intValue else {
        throw .configuration(path: path, "\"\(key)\" must be a whole number")
      }
      return size
    }
    try self.init(
      vocabularySize: size("vocab_size"), contextLength: size("n_positions", or: "n_ctx"),
      layerCount: size("n_layer"), headCount: size("n_head"), channelCount: size("n_embd"),
      hasBias: json["bias"]?.boolValue ?? true, dropout: json["resid_pdrop"]?.doubleValue ?? 0)
    tiesHead = json["tie_word_embeddings"]?.boolValue ?? true
    if let width = json["n_inner"], !width.isNull {
      guard let width = width.intValue, width >= 1, width <= 1 << 24 else {
        throw .configuration(path: path, "\"n_inner\" must be null or a whole number from 1 to \(1 << 24)")
      }
      feedForwardWidth = width
    }
    layerNormEpsilon = json["layer_norm_epsilon"]?.doubleValue ?? 1e-5
  }
}
