import AutogradBase
import AutogradEngine

extension ModelFamily {
  /// GPT-2: pre-norm blocks, learned positions, GELU, biases everywhere, a head tied to the token embedding.
  ///
  /// config.json is that of transformers' GPT2Config. One key is our own: `bias`, false where the model was trained
  /// without biases; its files hold zeros, which transformers needs.
  public static let gpt2 = ModelFamily(
    modelType: "gpt2", architecture: "GPT2LMHeadModel", setDefaults: { $0.dropout = DropoutShares(0.1) }, keys: keys,
    harmlessKeys: harmlessKeys, tensors: tensors)

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
        ("gelu_new", Activation.geluTanh), ("gelu_pytorch_tanh", .geluTanh), ("gelu", .geluErf), ("relu", .relu),
        ("silu", .silu), ("swish", .silu), ("tanh", .tanh), ("sigmoid", .sigmoid),
      ], at: \.activation),
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
    .only("add_cross_attention", .bool(false)),
    .only("is_encoder_decoder", .bool(false)),
    .only("pruned_heads", .object([])),
    .only("quantization_config"),
    .only("auto_map"),
  ]

  /// What transformers has written beside them in some version or other: about other tasks, about training elsewhere,
  /// about how to generate, or about how to compute the same.
  private static let harmlessKeys: Set<String> = [
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "attn_implementation",
    "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward", "cls_token_id", "cross_attention_hidden_size",
    "decoder_start_token_id", "diversity_penalty", "do_sample", "dtype", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
    "forced_eos_token_id", "gradient_checkpointing", "id2label", "is_decoder", "label2id", "length_penalty",
    "max_length", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "pad_token_id", "prefix",
    "problem_type", "remove_invalid_values", "reorder_and_upcast_attn", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "sep_token_id", "summary_activation", "summary_first_dropout",
    "summary_proj_to_labels", "summary_type", "summary_use_proj", "suppress_tokens", "task_specific_params",
    "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tokenizer_class", "top_k", "top_p", "torchscript",
    "transformers_version", "typical_p", "use_bfloat16", "use_cache",
  ]

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
}
