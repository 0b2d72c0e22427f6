extension ModelFamily {
  /// Llama 2 and 3, TinyLlama, SmolLM: RMS norms, rotary positions, gated feed-forward layers with SiLU, heads that may
  /// share keys and values.
  ///
  /// config.json is that of transformers' LlamaConfig.
  public static let llama = ModelFamily(
    modelType: "llama", architecture: "LlamaForCausalLM", biases: [.attentionInput, .attentionOutput, .feedForward],
    setChoices: setLlamaChoices, setDefaults: { $0.setSizes(vocabulary: 32000, context: 2048, width: 11008) },
    findProblem: requireDividedChannels,
    keys: ConfigurationKey.sizes + [
      .activation(isGated: true),
      .flag("attention_bias", biases: [.attentionInput, .attentionOutput]),
      .flag("mlp_bias", biases: .feedForward),
      .rotary,
    ] + ConfigurationKey.rest + ConfigurationKey.unsupportedRotary,
    harmlessKeys: rotaryHarmlessKeys, tensors: llamaTensors(feedForward: gatedParts),
    gguf: GGUFFamily(
      architecture: "llama", keys: GGUFKey.rotarySizes, tensors: ggufTensors(feedForward: ggufGatedParts, pairsRows: true),
      biases: [.attentionInput, .attentionOutput, .feedForward]))
}
