/// How a GPT's parameters are called in Hugging Face files, and which of them lie transposed there.
///
/// A tensor's name is the parameter's path, which `listParts` of the modules gives (`h.0.attn.c_attn.weight`), behind
/// a prefix. Who renames a part renames its tensor, and the lists here with it.
enum GPTWeightNames {
  /// Before every name; the original GPT-2 files lack it, and readers accept both.
  static let prefix = "transformer."

  /// GPT-2 keeps the weights of its linear layers as [input, output]; ours are [output, input].
  private static let transposed = ["attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"]

  static func isTransposed(_ path: String) -> Bool { transposed.contains { path.hasSuffix($0) } }

  /// A parameter's name in a file. The head stands outside of the transformer.
  static func stored(_ path: String) -> String { path == "lm_head.weight" ? path : prefix + path }

  /// Tensors that files carry and no parameter needs: attention masks, and a head that is tied to the embedding.
  static func isIgnored(_ name: String) -> Bool {
    name.hasSuffix(".attn.bias") || name.hasSuffix(".attn.masked_bias") || name == "lm_head.weight"
  }

  /// The biases that a file holds for every layer, and a model without biases writes as zeros.
  static func biases(_ configuration: GPTConfiguration) -> [(path: String, count: Int)] {
    let inLayer = configuration.layerTensors.filter(\.isBias)
    let layers = (0..<configuration.layerCount).flatMap { layer in
      inLayer.map { (path: "h.\(layer).\($0.path)", count: $0.shape[0]) }
    }
    return layers + configuration.finalTensors.filter(\.isBias).map { (path: $0.path, count: $0.shape[0]) }
  }
}
