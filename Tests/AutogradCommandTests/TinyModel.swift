import AutogradText
import Foundation

/// A GPT-2 folder whose weights are written by hand, so that a test knows what the model says.
struct TinyModel {
  let tokenizer: CharacterTokenizer
  var contextLength = 16
  /// Channels.
  let width: Int
  /// Weights by their names, [rows, columns] one row after another; what is missing is 0.
  var weights: [String: [Float]] = [:]

  /// Whatever came before, the next token's logits are these.
  init(_ logits: [Character: Float]) throws {
    tokenizer = try CharacterTokenizer(training: Array(String(Array(logits.keys)).utf8))
    width = 2
    // What is no character, but a piece of one, is never drawn.
    var rows = [Float](repeating: -60, count: tokenizer.vocabularySize)
    for (character, logit) in logits { rows[Int(try tokenizer.encode(String(character))[0])] = logit }
    weights["wte.weight"] = rows.flatMap { [$0, 0] }
    weights["ln_f.bias"] = [1, 0]
  }

  /// After each character comes the next of `characters`, and after the last the first: all others are far less likely.
  ///
  /// The embedding is one channel for each character; the hidden layer finds the one that is set, and its way back
  /// sets the next with more weight.
  init(cycle characters: String) throws {
    tokenizer = try CharacterTokenizer(training: Array(characters.utf8))
    let ids = try tokenizer.encode(characters).map { Int($0) }, count = ids.count
    precondition(tokenizer.vocabularySize == count, "each character once, of one byte")
    width = count
    func matrix(_ rows: Int, _ columns: Int, _ value: (Int, Int) -> Float) -> [Float] {
      (0..<rows).flatMap { row in (0..<columns).map { value(row, $0) } }
    }
    let next = Dictionary(uniqueKeysWithValues: zip(ids, ids.dropFirst() + ids.prefix(1)))
    weights["wte.weight"] = matrix(count, count) { $0 == $1 ? 1 : 0 }
    weights["h.0.ln_2.weight"] = [Float](repeating: 1, count: count)
    weights["h.0.mlp.c_fc.weight"] = matrix(count, 4 * count) { $0 == $1 ? 10 : 0 }
    weights["h.0.mlp.c_proj.weight"] = matrix(4 * count, count) { next[$0] == $1 ? 1 : 0 }
    weights["ln_f.weight"] = [Float](repeating: 20, count: count)
  }

  private var shapes: [(name: String, shape: [Int])] {
    let C = width, block = "h.0."
    return [
      ("wte.weight", [tokenizer.vocabularySize, C]), ("wpe.weight", [contextLength, C]),
      (block + "ln_1.weight", [C]), (block + "ln_1.bias", [C]), (block + "attn.c_attn.weight", [C, 3 * C]),
      (block + "attn.c_attn.bias", [3 * C]), (block + "attn.c_proj.weight", [C, C]), (block + "attn.c_proj.bias", [C]),
      (block + "ln_2.weight", [C]), (block + "ln_2.bias", [C]), (block + "mlp.c_fc.weight", [C, 4 * C]),
      (block + "mlp.c_fc.bias", [4 * C]), (block + "mlp.c_proj.weight", [4 * C, C]), (block + "mlp.c_proj.bias", [C]),
      ("ln_f.weight", [C]), ("ln_f.bias", [C]),
    ]
  }

  /// Writes the folder's three files.
  func write(to folder: String) throws {
    var header: [String: Any] = [:], data = Data()
    for (name, shape) in shapes {
      let count = shape.reduce(1, *), values = weights[name] ?? [Float](repeating: 0, count: count)
      precondition(values.count == count, "\(name) has \(values.count) numbers, its shape is \(shape)")
      let start = data.count
      for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
      header["transformer." + name] = ["dtype": "F32", "shape": shape, "data_offsets": [start, data.count]]
    }
    let json = try JSONSerialization.data(withJSONObject: header)
    var file = Data()
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { file.append(contentsOf: $0) }
    try (file + json + data).write(to: URL(fileURLWithPath: folder + "/model.safetensors"))
    try writeJSON(
      [
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": tokenizer.vocabularySize,
        "n_positions": contextLength, "n_ctx": contextLength, "n_embd": width, "n_layer": 1, "n_head": 1,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true, "bias": true,
      ], folder + "/config.json")
    try Data(tokenizer.tokenizerJSON()).write(to: URL(fileURLWithPath: folder + "/tokenizer.json"))
  }

  private func writeJSON(_ object: [String: Any], _ path: String) throws {
    try JSONSerialization.data(withJSONObject: object).write(to: URL(fileURLWithPath: path))
  }
}
