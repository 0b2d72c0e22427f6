import AutogradBase
import AutogradEngine

extension ModelFamily {
  /// GPT-2: pre-norm blocks, learned positions, GELU, biases everywhere, a head tied to the token embedding.
  ///
  /// config.json is that of transformers' GPT2Config. One key is our own: `bias`, false where the model was trained
  /// without biases; its files hold zeros, which transformers needs.
  public static let gpt2 = ModelFamily(
    modelType: "gpt2", architecture: "GPT2LMHeadModel", setDefaults: { $0.dropout = DropoutShares(0.1) }, keys: keys,
    harmlessKeys: harmlessKeys, tensors: tensors, gguf: gguf)

  private static let keys: [ConfigurationKey] = [
    .size("vocab_size", at: \.vocabularySize),
    .size("n_positions", "n_ctx", at: \.contextLength),
    .written("n_ctx") { .integer(Int64($0.contextLength)) },
    .size("n_embd", at: \.channelCount),
    .size("n_layer", at: \.layerCount),
    .size("n_head", at: \.headCount),
    ConfigurationKey(["n_inner"]) { json, configuration in
      guard let width = json.intValue, 1...1 << 24 ~= width else {
        return "must be null or a whole number from 1 to \(1 << 24)"
      }
      configuration.feedForwardWidth = width
      return nil
    } write: { sizes in
      sizes.feedForwardWidth == 4 * sizes.channelCount ? .null : .integer(Int64(sizes.feedForwardWidth))
    },
    .choice(
      "activation_function",
      [
        ("gelu_new", DecoderConfiguration.FeedForward.plain(.geluTanh)), ("gelu_pytorch_tanh", .plain(.geluTanh)),
        ("gelu", .plain(.geluErf)), ("relu", .plain(.relu)), ("silu", .plain(.silu)), ("swish", .plain(.silu)),
        ("tanh", .plain(.tanh)), ("sigmoid", .plain(.sigmoid)),
      ], at: \.feedForward),
    .number("resid_pdrop", to: 1, at: \.dropout.residual),
    .number("embd_pdrop", to: 1, at: \.dropout.embedding),
    .number("attn_pdrop", to: 1, at: \.dropout.attention),
    .number("layer_norm_epsilon", to: 1, at: \.normEpsilon),
    .number("initializer_range", to: 1e6, at: \.initialDeviation),
    .flag("tie_word_embeddings", yes: .tied, no: .own, at: \.head),
    // Absent, they would mean 50256.
    .carried("bos_token_id", otherwise: .null),
    .carried("eos_token_id", otherwise: .null),
    .written("torch_dtype") { _ in .string("float32") },
    .flag("bias", at: \.hasBias),
    // What changes the computation, and is not here.
    .only("scale_attn_weights", .bool(true)),
    .only("scale_attn_by_inverse_layer_idx", .bool(false)),
  ] + ConfigurationKey.unsupported

  private static let harmlessKeys = commonHarmlessKeys.union([
    "reorder_and_upcast_attn", "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
    "summary_use_proj",
  ])

  /// Linear layers lie as Conv1D has them, [input, output].
  private static let tensors = TensorLayout(
    prefix: "transformer.", block: "h.",
    parts: [
      .init("tokenEmbedding", "wte"), .init("positionEmbedding", "wpe"),
      .init("attentionNorm", "ln_1"),
      .init("attention.input", "attn.c_attn", isTransposed: true),
      .init("attention.output", "attn.c_proj", isTransposed: true),
      .init("feedForwardNorm", "ln_2"),
      .init("feedForward.input", "mlp.c_fc", isTransposed: true),
      .init("feedForward.output", "mlp.c_proj", isTransposed: true),
      .init("finalNorm", "ln_f"),
      .init("head", "lm_head", isOutsidePrefix: true),
    ],
    // Buffers with the causal mask.
    ignoredEndings: [".attn.bias", ".attn.masked_bias"], alwaysHasBiases: true)

  /// Linear layers are turned around there. The head is written although it is tied: llama.cpp reads it so.
  private static let gguf = GGUFFamily(
    architecture: "gpt2",
    keys: GGUFKey.sizes + [
      .number("attention.layer_norm_epsilon", at: \.normEpsilon), .vocabulary, .head,
      .only("attention.causal", .bool(true)),
    ],
    tensors: TensorLayout(
      prefix: "", block: "blk.",
      parts: [
        .init("tokenEmbedding", "token_embd"), .init("positionEmbedding", "position_embd"),
        .init("attentionNorm", "attn_norm"), .init("attention.input", "attn_qkv"), .init("attention.output", "attn_output"),
        .init("feedForwardNorm", "ffn_norm"), .init("feedForward.input", "ffn_up"), .init("feedForward.output", "ffn_down"),
        .init("finalNorm", "output_norm"), .init("head", "output"),
      ], alwaysHasBiases: true),
    biases: .all, singleParts: ["position_embd.weight"], writesTiedHead: true)
}
