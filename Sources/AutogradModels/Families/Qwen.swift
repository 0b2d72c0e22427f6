extension ModelFamily {
  /// Qwen 2 and 2.5: a Llama with biases of queries, keys and values, and none elsewhere.
  ///
  /// config.json is that of transformers' Qwen2Config.
  public static let qwen2 = ModelFamily(
    modelType: "qwen2", architecture: "Qwen2ForCausalLM", biases: .attentionInput,
    setChoices: { configuration in
      setLlamaChoices(&configuration)
      configuration.biases = .attentionInput
    },
    setDefaults: { $0.setSizes(vocabulary: 151_936, context: 32768, keyValueHeads: 32, width: 22016) },
    keys: ConfigurationKey.sizes + [.activation(isGated: true), .rotary, .layerWindows] + ConfigurationKey.rest
      + ConfigurationKey.unsupportedRotary,
    harmlessKeys: rotaryHarmlessKeys, tensors: llamaTensors(feedForward: gatedParts),
    gguf: GGUFFamily(
      architecture: "qwen2", keys: GGUFKey.rotarySizes, tensors: ggufTensors(feedForward: ggufGatedParts, pairsRows: false),
      biases: .attentionInput))

  /// Qwen 3: a Llama whose queries and keys are normalised, head by head, and whose heads have a size of their own.
  ///
  /// config.json is that of transformers' Qwen3Config.
  public static let qwen3 = ModelFamily(
    modelType: "qwen3", architecture: "Qwen3ForCausalLM", biases: [.attentionInput, .attentionOutput],
    setChoices: { configuration in
      setLlamaChoices(&configuration)
      configuration.queryKeyNorm = .scaled
    },
    setDefaults: { $0.setSizes(vocabulary: 151_936, context: 32768, keyValueHeads: 32, headSize: 128, width: 22016) },
    keys: ConfigurationKey.sizes + [
      .activation(isGated: true), .flag("attention_bias", biases: [.attentionInput, .attentionOutput]), .rotary,
      .layerWindows,
    ] + ConfigurationKey.rest + ConfigurationKey.unsupportedRotary,
    harmlessKeys: rotaryHarmlessKeys, tensors: llamaTensors(feedForward: gatedParts),
    gguf: GGUFFamily(
      architecture: "qwen3", keys: GGUFKey.rotarySizes, tensors: ggufTensors(feedForward: ggufGatedParts, pairsRows: false),
      biases: .attentionInput))
}
