import AutogradBase

/// config.json as `transformers` has it for GPT-2. One key is our own: `bias`, false where the model was trained
/// without biases (the file then holds zeros, which `transformers` needs).
extension GPTConfiguration {
  package var json: JSON {
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

  /// - Throws: `configuration`, with the first key that is missing, of the wrong kind or out of bounds.
  package init(json: JSON, path: String) throws(LanguageModelError) {
    let keys = ConfigurationKeys(json: json, path: path)
    try keys.require("model_type", "gpt2", "this version opens")
    try keys.require("activation_function", "gelu_new", "this version has")
    do throws(LanguageModelError) {
      try self.init(
        vocabularySize: keys.size("vocab_size"), contextLength: keys.size("n_positions", or: "n_ctx"),
        layerCount: keys.size("n_layer"), headCount: keys.size("n_head"), channelCount: keys.size("n_embd"),
        hasBias: keys.optional("bias", "true or false", \.boolValue) ?? true,
        dropout: keys.optional("resid_pdrop", "a number", \.doubleValue) ?? 0)
      if let width = try keys.optional("n_inner", "null or a whole number from 1 to \(1 << 24)", Self.width) {
        feedForwardWidth = width
        if let problem { throw .invalidConfiguration(problem) }
      }
    } catch {
      guard case .invalidConfiguration(let problem) = error else { throw error }
      throw .configuration(path: path, problem)
    }
    tiesHead = try keys.optional("tie_word_embeddings", "true or false", \.boolValue) ?? true
    layerNormEpsilon = try keys.optional("layer_norm_epsilon", "a number from 0 to 1", Self.epsilon) ?? 1e-5
  }

  private static func width(_ json: JSON) -> Int? { json.intValue.flatMap { 1...1 << 24 ~= $0 ? $0 : nil } }

  private static func epsilon(_ json: JSON) -> Double? { json.doubleValue.flatMap { 0...1 ~= $0 ? $0 : nil } }
}

/// Takes values out of a config.json; errors name file and key.
private struct ConfigurationKeys {
  let json: JSON
  let path: String

  private func error(_ problem: String) -> LanguageModelError { .configuration(path: path, problem) }

  func size(_ key: String, or other: String? = nil) throws(LanguageModelError) -> Int {
    guard let value = json[key] ?? other.flatMap({ json[$0] }) else { throw error("the key \"\(key)\" is missing") }
    guard let size = value.intValue else { throw error("\"\(key)\" must be a whole number") }
    return size
  }

  /// The value of a key that may be missing or null.
  func optional<Value>(
    _ key: String, _ kind: String, _ take: (JSON) -> Value?
  ) throws(LanguageModelError) -> Value? {
    guard let found = json[key], !found.isNull else { return nil }
    guard let value = take(found) else { throw error("\"\(key)\" must be \(kind)") }
    return value
  }

  /// Refuses any other value of a key that is there.
  func require(_ key: String, _ only: String, _ sentence: String) throws(LanguageModelError) {
    guard let value = try optional(key, "a string", \.stringValue), value != only else { return }
    throw error("\(key) is \(value.quotedForMessage); \(sentence) \"\(only)\"")
  }
}
