extension ModelFamily {
  /// Mistral: a Llama without biases whose attention looks back as far as a window, or everywhere where that is null.
  ///
  /// config.json is that of transformers' MistralConfig, whose window is 4096 where nothing is said.
  public static let mistral = ModelFamily(
    modelType: "mistral", architecture: "MistralForCausalLM", biases: [], setChoices: setLlamaChoices,
    setDefaults: { configuration in
      configuration.setSizes(vocabulary: 32000, context: 131_072, keyValueHeads: 8, width: 14336)
      configuration.window = DecoderConfiguration.Window(size: 4096)
    },
    keys: ConfigurationKey.sizes + [.activation(isGated: true), .rotary, .window, .only("layer_types")]
      + ConfigurationKey.rest + ConfigurationKey.unsupportedRotary,
    harmlessKeys: rotaryHarmlessKeys, tensors: llamaTensors(feedForward: gatedParts),
    // llama.cpp has it as a llama and looks back everywhere: a window that is shorter than the context cannot be written.
    gguf: GGUFFamily(
      architecture: "llama", keys: [.window] + GGUFKey.rotarySizes.filter { $0.names != GGUFKey.window.names },
      tensors: ggufTensors(feedForward: ggufGatedParts, pairsRows: true), biases: []))
}
