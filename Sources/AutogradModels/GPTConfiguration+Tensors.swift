/// A tensor of a GPT that need not exist.
struct GPTTensor {
  /// As `listParts` of the modules gives it; of a layer's tensor what follows `h.0.`.
  let path: String
  let shape: [Int]

  init(_ path: String, _ shape: Int...) { (self.path, self.shape) = (path, shape) }

  /// A Double: sizes that nobody has checked yet may overflow an Int.
  var count: Double { shape.reduce(1) { $0 * Double($1) } }
  var isBias: Bool { path.hasSuffix(".bias") }
}

/// What a model is made of, from its sizes alone: for whoever counts before there is a model, or where none could be.
///
/// The tests hold these lists to the parameters of `GPT`. Everything that counts a model's numbers goes by them:
/// `problem`, `productWeightCount`, the biases of files, and the comparison of config.json with the weights beside it.
extension GPTConfiguration {
  /// The tensors of one layer, biases in any case.
  var layerTensors: [GPTTensor] {
    let C = channelCount, F = feedForwardWidth
    return [
      GPTTensor("ln_1.weight", C), GPTTensor("ln_1.bias", C),
      GPTTensor("attn.c_attn.weight", 3 &* C, C), GPTTensor("attn.c_attn.bias", 3 &* C),
      GPTTensor("attn.c_proj.weight", C, C), GPTTensor("attn.c_proj.bias", C),
      GPTTensor("ln_2.weight", C), GPTTensor("ln_2.bias", C),
      GPTTensor("mlp.c_fc.weight", F, C), GPTTensor("mlp.c_fc.bias", F),
      GPTTensor("mlp.c_proj.weight", C, F), GPTTensor("mlp.c_proj.bias", C),
    ]
  }

  /// The tensors before the layers.
  var embeddingTensors: [GPTTensor] {
    [GPTTensor("wte.weight", vocabularySize, channelCount), GPTTensor("wpe.weight", contextLength, channelCount)]
  }

  /// The tensors after the layers, biases in any case.
  var finalTensors: [GPTTensor] {
    let norm = [GPTTensor("ln_f.weight", channelCount), GPTTensor("ln_f.bias", channelCount)]
    return tiesHead ? norm : norm + [GPTTensor("lm_head.weight", vocabularySize, channelCount)]
  }

  /// The numbers of all tensors.
  var numberCount: Double {
    let layer = layerTensors.reduce(0) { $0 + $1.count }
    return (embeddingTensors + finalTensors).reduce(Double(layerCount) * layer) { $0 + $1.count }
  }
}
