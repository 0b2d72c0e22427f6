extension ModelFamily {
  /// Arcee's AFM: a Llama whose feed-forward layers are two, with the square of ReLU between them.
  ///
  /// config.json is that of transformers' ArceeConfig.
  public static let arcee = ModelFamily(
    modelType: "arcee", architecture: "ArceeForCausalLM", biases: [.attentionInput, .attentionOutput, .feedForward],
    setChoices: { configuration in
      setLlamaChoices(&configuration)
      configuration.feedForward = .plain(.reluSquared)
      configuration.normEpsilon = 1e-5
    },
    setDefaults: { $0.setSizes(vocabulary: 32000, context: 4096, channels: 2560, width: 18432) },
    findProblem: requireDividedChannels,
    keys: ConfigurationKey.sizes + [
      .activation(isGated: false),
      .flag("attention_bias", biases: [.attentionInput, .attentionOutput]),
      .flag("mlp_bias", biases: .feedForward),
      .rotary,
    ] + ConfigurationKey.rest + ConfigurationKey.unsupportedRotary,
    harmlessKeys: rotaryHarmlessKeys,
    tensors: llamaTensors(feedForward: [
      .init("feedForward.input", "mlp.up_proj"), .init("feedForward.output", "mlp.down_proj"),
    ]),
    gguf: GGUFFamily(
      architecture: "arcee", keys: GGUFKey.rotarySizes,
      tensors: ggufTensors(
        feedForward: [.init("feedForward.input", "ffn_up"), .init("feedForward.output", "ffn_down")], pairsRows: true),
      biases: .attentionInput))
}
