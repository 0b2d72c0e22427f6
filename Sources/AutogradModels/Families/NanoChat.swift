extension ModelFamily {
  /// nanochat: norms without weights, one of them behind the embedding; queries and keys normalised, their positions
  /// turned the other way round; the square of ReLU; a soft cap on the logits.
  ///
  /// config.json is that of transformers' NanoChatConfig. transformers normalises queries and keys after it has turned
  /// them: since turning leaves lengths as they are, and this norm has no scale, the order makes no difference.
  ///
  /// GGUF has no architecture for it.
  public static let nanochat = ModelFamily(
    modelType: "nanochat", architecture: "NanoChatForCausalLM", biases: [.attentionInput, .attentionOutput],
    setChoices: { configuration in
      setLlamaChoices(&configuration)
      var rotary = DecoderConfiguration.Rotary()
      rotary.direction = .backward
      configuration.positions = .rotary(rotary)
      configuration.norm = .rms(hasScale: false)
      configuration.normalizesEmbedding = true
      configuration.queryKeyNorm = .plain
      configuration.feedForward = .plain(.reluSquared)
      configuration.softCap = 15
    },
    setDefaults: { configuration in
      configuration.setSizes(vocabulary: 50304, context: 2048, layers: 12, heads: 6, channels: 768, width: 8192)
    },
    keys: ConfigurationKey.sizes + [
      .activation(isGated: false), .flag("attention_bias", biases: [.attentionInput, .attentionOutput]), .rotary,
      .positive("final_logit_softcapping", at: \.softCap),
    ] + ConfigurationKey.rest + ConfigurationKey.unsupportedRotary,
    harmlessKeys: rotaryHarmlessKeys,
    tensors: llamaTensors(feedForward: [
      .init("feedForward.input", "mlp.fc1"), .init("feedForward.output", "mlp.fc2"),
    ]))
}
