import AutogradBase
import AutogradEngine

// What the families that came after GPT-2 share in transformers' config.json, key by key.
extension ConfigurationKey {
  /// Vocabulary, context, layers, channels, heads and their size.
  static let sizes: [ConfigurationKey] = [
    .size("vocab_size", at: \.vocabularySize, isRequired: false),
    .size("max_position_embeddings", at: \.contextLength, isRequired: false),
    .size("hidden_size", at: \.channelCount, isRequired: false),
    ConfigurationKey(["intermediate_size"]) { json, configuration in
      guard let width = json.intValue, width >= 1 else { return "must be a whole number of at least 1" }
      configuration.feedForwardWidth = width
      return nil
    } write: { .integer(Int64($0.feedForwardWidth)) },
    .size("num_hidden_layers", at: \.layerCount, isRequired: false),
    .size("num_attention_heads", at: \.headCount, isRequired: false),
    .sizeOrNull("num_key_value_heads", at: \.keyValueHeadCount),
    .sizeOrNull("head_dim", at: \.headSize),
  ]

  /// A size that null leaves to be worked out.
  private static func sizeOrNull(_ name: String, at place: Place<Int>) -> ConfigurationKey {
    ConfigurationKey(orNull: name) { json, configuration in
      guard let value = json.isNull ? 0 : json.intValue, json.isNull || value > 0 else {
        return "must be null or a whole number of at least 1"
      }
      configuration[keyPath: place] = value
      return nil
    } write: { .integer(Int64($0[keyPath: place])) }
  }

  /// Norms, dropout, new weights, the head, and keys for others.
  ///
  /// Two keys are our own: these families drop nothing but attention weights in transformers, and a model that is
  /// trained here may.
  static let rest: [ConfigurationKey] = [
    .number("rms_norm_eps", to: 1, at: \.normEpsilon),
    .number("attention_dropout", to: 1, at: \.dropout.attention),
    .number("embd_pdrop", to: 1, at: \.dropout.embedding, writesZero: false),
    .number("resid_pdrop", to: 1, at: \.dropout.residual, writesZero: false),
    .number("initializer_range", to: 1e6, at: \.initialDeviation),
    .flag("tie_word_embeddings", yes: .tied, no: .own, at: \.head),
    // Absent, they would mean tokens of the family's own vocabulary.
    .carried("bos_token_id", otherwise: .null),
    .carried("eos_token_id", otherwise: .null),
    .carried("pad_token_id", otherwise: .null),
    .written("torch_dtype") { _ in .string("float32") },
  ] + unsupported

  /// What changes the computation, and is not here.
  static let unsupported: [ConfigurationKey] = [
    .only("add_cross_attention", .bool(false)),
    .only("is_encoder_decoder", .bool(false)),
    .only("pruned_heads", .object([])),
    .only("quantization_config"),
    .only("auto_map"),
  ]

  /// The same for rotary models.
  static let unsupportedRotary: [ConfigurationKey] = [
    .only("partial_rotary_factor", .integer(1), .number(1)),
    .only("original_max_position_embeddings"),
    .only("rope_interleaved", .bool(false)),
    .only("use_mrope", .bool(false)),
    .only("no_rope_layers"),
  ]

  /// What stands between the layers of the feed-forward part.
  static func activation(isGated: Bool) -> ConfigurationKey {
    let names: [(name: String, activation: Activation)] = [
      ("silu", .silu), ("swish", .silu), ("gelu", .geluErf), ("gelu_pytorch_tanh", .geluTanh), ("gelu_new", .geluTanh),
      ("relu", .relu), ("relu2", .reluSquared), ("tanh", .tanh), ("sigmoid", .sigmoid),
    ]
    return .choice(
      "hidden_act", names.map { ($0.name, isGated ? .gated($0.activation) : .plain($0.activation)) }, at: \.feedForward)
  }

  // MARK: Rotary positions

  /// The base and the scaling of rotary positions, as old transformers (`rope_theta`, `rope_scaling`) and new ones
  /// (`rope_parameters`) say them. The old keys are written, which everybody reads.
  static let rotary = ConfigurationKey(together: ["rope_theta", "rope_scaling", "rope_parameters"]) { json, configuration in
    guard var rotary = configuration.rotary else { return nil }
    if let base = json["rope_theta"], !base.isNull {
      guard let value = base.doubleValue, value > 0 else { return "\"rope_theta\" must be a number above 0" }
      rotary.base = value
    }
    // As in transformers, the old key counts where it says anything.
    for name in ["rope_scaling", "rope_parameters"] {
      guard let value = json[name], !value.isNull, value != .object([]) else { continue }
      guard value.objectValue != nil else { return "\"\(name)\" must be null or an object" }
      if let problem = readScaling(value, configuration.contextLength, &rotary) { return "\"\(name)\" \(problem)" }
      break
    }
    configuration.positions = .rotary(rotary)
    return nil
  } write: { configuration in
    guard let rotary = configuration.rotary else { return [] }
    return [
      JSON.Member("rope_theta", .number(rotary.base)), JSON.Member("rope_scaling", scaling(rotary.scaling)),
    ]
  }

  private static func scaling(_ scaling: RotaryScaling) -> JSON {
    switch scaling {
    case .none: .null
    case .linear(let factor):
      .object([JSON.Member("rope_type", .string("linear")), JSON.Member("factor", .number(factor))])
    case .llama3(let factor, let low, let high, let context):
      .object([
        JSON.Member("rope_type", .string("llama3")), JSON.Member("factor", .number(factor)),
        JSON.Member("low_freq_factor", .number(low)), JSON.Member("high_freq_factor", .number(high)),
        JSON.Member("original_max_position_embeddings", .integer(Int64(context))),
      ])
    }
  }

  private static let scalingKeys: [String: [String]] = [
    "default": [], "linear": ["factor"],
    "llama3": ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
  ]

  /// - Returns: What is wrong, as it follows the key's name.
  private static func readScaling(
    _ json: JSON, _ contextLength: Int, _ rotary: inout DecoderConfiguration.Rotary
  ) -> String? {
    let type: String
    switch json["rope_type"] ?? json["type"] {
    case nil, .null?: type = "default"
    case .string(let name)?: type = name
    default: return "has a rope_type that is no string"
    }
    guard let keys = scalingKeys[type] else {
      return "has the rope_type \(type.quotedForMessage), which this version cannot compute; it has "
        + listed(["default", "linear", "llama3"])
    }
    for member in json.objectValue ?? [] where !(keys + ["rope_type", "type", "rope_theta"]).contains(member.key) {
      if member.key == "partial_rotary_factor", member.value.doubleValue == 1 { continue }
      return "has the key \(member.key.quotedForMessage), which means nothing to this version with the rope_type "
        + "\"\(type)\"; remove it if it changes nothing"
    }
    func number(_ key: String) -> Double? { json[key]?.doubleValue.flatMap { $0 > 0 && $0.isFinite ? $0 : nil } }
    for key in keys + ["rope_theta"] where json[key] != nil || keys.contains(key) && !key.hasPrefix("original") {
      if number(key) == nil { return "needs a number above 0 under \"\(key)\"" }
    }
    rotary.base = number("rope_theta") ?? rotary.base
    switch type {
    case "linear": rotary.scaling = .linear(factor: number("factor") ?? 1)
    case "llama3":
      guard let context = json["original_max_position_embeddings"].map(\.intValue) ?? contextLength else {
        return "needs a whole number under \"original_max_position_embeddings\""
      }
      rotary.scaling = .llama3(
        factor: number("factor") ?? 1, lowFactor: number("low_freq_factor") ?? 1,
        highFactor: number("high_freq_factor") ?? 4, originalContext: context)
    default: rotary.scaling = .none
    }
    return nil
  }

  // MARK: Windows

  /// Mistral's: one window for all layers.
  static let window = ConfigurationKey(orNull: "sliding_window") { json, configuration in
    if json.isNull {
      configuration.window = nil
      return nil
    }
    guard let size = json.intValue, size >= 1 else { return "must be null or a whole number of at least 1" }
    configuration.window = DecoderConfiguration.Window(size: size)
    return nil
  } write: { $0.window.map { .integer(Int64($0.size)) } ?? .null }

  /// Qwen's: windows in the layers that `layer_types` names, or from `max_window_layers` on.
  static let layerWindows = ConfigurationKey(
    together: ["use_sliding_window", "sliding_window", "max_window_layers", "layer_types"]
  ) { json, configuration in
    func value<Value>(_ key: String, _ otherwise: Value, _ read: (JSON) -> Value?) -> Value? {
      guard let found = json[key], !found.isNull else { return otherwise }
      return read(found)
    }
    guard let isUsed = value("use_sliding_window", false, \.boolValue) else {
      return "\"use_sliding_window\" must be true or false"
    }
    guard let size = json["sliding_window"]?.isNull == true ? 0 : value("sliding_window", 4096, \.intValue),
      size >= 1 || json["sliding_window"]?.isNull == true
    else { return "\"sliding_window\" must be null or a whole number of at least 1" }
    guard let first = value("max_window_layers", 28, \.intValue), first >= 0 else {
      return "\"max_window_layers\" must be a whole number of at least 0"
    }
    let hasWindow = isUsed && size > 0
    configuration.window = hasWindow && first < configuration.layerCount
      ? DecoderConfiguration.Window(size: size, layers: .from(first)) : nil
    guard let types = json["layer_types"], !types.isNull else { return nil }
    let names = ["full_attention", "sliding_attention"]
    guard let list = types.arrayValue, list.count == configuration.layerCount else {
      return "\"layer_types\" must be a list of one name for each of the \(configuration.layerCount) layers"
    }
    if let other = list.first(where: { type in !names.contains { type == .string($0) } }) {
      return "\"layer_types\" has \(other.short), which this version cannot compute; it has \(listed(names))"
    }
    let sliding = list.indices.filter { list[$0] == .string(names[1]) }
    if !sliding.isEmpty, !hasWindow {
      return "\"layer_types\" has layers with a window, but there is none; set \"use_sliding_window\" and "
        + "\"sliding_window\""
    }
    let isSuffix = sliding.last == list.count - 1 && sliding.count == list.count - (sliding.first ?? 0)
    configuration.window = sliding.isEmpty
      ? nil : DecoderConfiguration.Window(size: size, layers: isSuffix ? .from(sliding[0]) : .only(sliding))
    return nil
  } write: { configuration in
    let size = configuration.window?.size, count = configuration.layerCount
    var members = [
      JSON.Member("use_sliding_window", .bool(size != nil)),
      JSON.Member("sliding_window", size.map { .integer(Int64($0)) } ?? .null),
    ]
    switch configuration.window?.layers {
    case nil: members.append(JSON.Member("max_window_layers", .integer(Int64(count))))
    case .from(let first)?: members.append(JSON.Member("max_window_layers", .integer(Int64(first))))
    case .only(let layers)?:
      members.append(JSON.Member("max_window_layers", .integer(Int64(layers.first ?? count))))
      let types = (0..<count).map { layers.contains($0) ? "sliding_attention" : "full_attention" }
      members.append(JSON.Member("layer_types", .array(types.map { .string($0) })))
    }
    return members
  }
}

extension ModelFamily {
  /// What transformers has written beside a family's keys in some version or other: about other tasks, about training
  /// elsewhere, about how to generate, or about how to compute the same.
  static let commonHarmlessKeys: Set<String> = [
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "attn_implementation",
    "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward", "cls_token_id", "cross_attention_hidden_size",
    "decoder_start_token_id", "diversity_penalty", "do_sample", "dtype", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
    "forced_eos_token_id", "gradient_checkpointing", "id2label", "is_decoder", "label2id", "length_penalty",
    "max_length", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "pad_token_id", "prefix",
    "problem_type", "remove_invalid_values", "repetition_penalty", "return_dict", "return_dict_in_generate",
    "sep_token_id", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
    "tokenizer_class", "top_k", "top_p", "torchscript", "transformers_version", "typical_p", "use_bfloat16", "use_cache",
  ]

  /// The same, of rotary models: what published folders have besides.
  static let rotaryHarmlessKeys = commonHarmlessKeys.union([
    "is_llama_config", "pretraining_tp", "transformers.js_config", "unsloth_fixed",
  ])

  /// How the families that go back to Llama call their tensors.
  ///
  /// - Parameter feedForward: The parts of the feed-forward layers.
  static func llamaTensors(feedForward: [TensorLayout.Part]) -> TensorLayout {
    TensorLayout(
      prefix: "model.", block: "layers.",
      parts: [
        .init("tokenEmbedding", "embed_tokens"), .init("attentionNorm", "input_layernorm"),
        .init(
          "attention.input", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
          rows: { $0.attentionInputRows }),
        .init("attention.output", "self_attn.o_proj"), .init("attention.queryNorm", "self_attn.q_norm"),
        .init("attention.keyNorm", "self_attn.k_norm"), .init("feedForwardNorm", "post_attention_layernorm"),
      ] + feedForward + [.init("finalNorm", "norm"), .init("head", "lm_head", isOutsidePrefix: true)],
      // Buffers that old files carry: they follow from config.json.
      ignoredEndings: [".rotary_emb.inv_freq"])
  }

  /// SwiGLU's three matrices, the first two of which lie row by row in one here.
  static let gatedParts: [TensorLayout.Part] = [
    .init("feedForward.input", alternating: ["mlp.gate_proj", "mlp.up_proj"]), .init("feedForward.output", "mlp.down_proj"),
  ]

  /// What a model that goes back to Llama is, where its family says nothing else.
  static func setLlamaChoices(_ configuration: inout DecoderConfiguration) {
    configuration.norm = .rms(hasScale: true)
    configuration.normEpsilon = 1e-6
    configuration.positions = .rotary(DecoderConfiguration.Rotary())
    configuration.feedForward = .gated(.silu)
    configuration.head = .own
    configuration.biases = []
  }

  /// transformers makes no such model.
  static func requireDividedChannels(_ sizes: DecoderConfiguration) -> String? {
    sizes.channelCount % sizes.headCount == 0
      ? nil
      : "\(sizes.channelCount) channels do not divide into \(sizes.headCount) heads, which the family demands whatever the "
        + "head size; make the channels a multiple of the heads"
  }
}

extension DecoderConfiguration {
  /// The sizes that transformers takes where a file says none.
  mutating func setSizes(
    vocabulary: Int, context: Int, layers: Int = 32, heads: Int = 32, keyValueHeads: Int = 0, headSize: Int = 0,
    channels: Int = 4096, width: Int
  ) {
    (vocabularySize, contextLength, layerCount) = (vocabulary, context, layers)
    (headCount, keyValueHeadCount, self.headSize) = (heads, keyValueHeads, headSize)
    (channelCount, feedForwardWidth) = (channels, width)
  }
}
