import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradModels
import AutogradTestSupport
import AutogradText
import Testing

/// Every tensor of a file is used, equal to one that is used, known to be harmless, or named.
@Suite("Weights from elsewhere") struct ForeignWeightsTests {
  private let files = POSIXFileSystem()
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefg".utf8))

  /// Saves a small model, and its weights again as `change` leaves them: names, shapes, numbers.
  private func folder(
    bias: Bool = true, _ path: String, _ change: (inout [(name: String, shape: [Int], floats: [Float])]) -> Void
  ) throws -> Decoder<Float> {
    let model = Decoder<Float>(
      try DecoderConfiguration(
        vocabularySize: 7, contextLength: 6, layerCount: 2, headCount: 2, channelCount: 8, hasBias: bias), seed: 3)
    try ModelDirectory(path).save(model, tokenizer: tokenizer)
    let file = try SafetensorsFile(bytes: try files.read(path + "/model.safetensors", byteLimit: 1 << 20))
    var tensors = try file.header.entries.map { (name: $0.name, shape: $0.shape, floats: try file.floats($0.name)) }
    change(&tensors)
    var writer = SafetensorsWriter()
    for tensor in tensors { try writer.add(tensor.name, shape: tensor.shape, floats: tensor.floats) }
    try files.writeAtomically(try writer.serialized(), to: path + "/model.safetensors")
    return model
  }

  private func sentence(_ path: String) throws -> String {
    let error = #expect(throws: LanguageModelError.self) { try ModelDirectory(path).load() }
    return "\(try #require(error))"
  }

  @Test("a head beside a tied embedding is taken where it is equal, and named where it differs", arguments: [nil, 0, 55])
  func head(place: Int?) throws {
    try temporaryDirectory { path in
      let model = try folder(path) { tensors in
        var head = tensors.first { $0.name == "transformer.wte.weight" }!.floats
        if let place { head[place] = -head[place] }
        tensors.append(("lm_head.weight", [7, 8], head))
      }
      guard let place else {
        let loaded = try ModelDirectory(path).loadModel()
        #expect(zip(loaded.parameters, model.parameters).allSatisfy { $0.parameter.array == $1.parameter.array })
        return
      }
      let sentence = try sentence(path)
      #expect(sentence.contains("lm_head.weight differs from transformer.wte.weight at index \(place)"), "\(sentence)")
      #expect(sentence.contains("\"tie_word_embeddings\" to false"))
    }
  }

  @Test("biases of a model without any must be zeros")
  func biases() throws {
    try temporaryDirectory { path in
      _ = try folder(bias: false, path) { _ in }
      _ = try ModelDirectory(path).load()
      _ = try folder(bias: false, path) { tensors in
        let index = tensors.firstIndex { $0.name == "transformer.h.1.mlp.c_fc.bias" }!
        tensors[index].floats[5] = 0.5
      }
      let sentence = try sentence(path)
      #expect(sentence.contains("transformer.h.1.mlp.c_fc.bias holds 0.5 at index 5"), "\(sentence)")
    }
  }

  @Test("a layer that config.json knows nothing of, and a tensor under both of its names, are named")
  func surplus() throws {
    try temporaryDirectory { path in
      _ = try folder(path) { tensors in
        tensors.append(("transformer.h.2.ln_1.weight", [8], [Float](repeating: 1, count: 8)))
        tensors.append(("ln_f.weight", [8], [Float](repeating: 2, count: 8)))
        tensors.append(("transformer.h.0.attn.bias", [1], [1]))
      }
      let sentence = try sentence(path)
      #expect(sentence.contains("\"transformer.h.2.ln_1.weight\" is unexpected"))
      #expect(sentence.contains("\"ln_f.weight\" is unexpected") && !sentence.contains("attn.bias"))
    }
  }

  @Test("prefixes that wrappers leave are named, once for all tensors", arguments: ["_orig_mod.", "module.", "model."])
  func wrapped(prefix: String) throws {
    try temporaryDirectory { path in
      _ = try folder(path) { tensors in
        for index in tensors.indices { tensors[index].name = prefix + tensors[index].name }
      }
      let sentence = try sentence(path)
      #expect(sentence.contains("names begin with \"\(prefix)\""), "\(sentence)")
      #expect(!sentence.contains("missing") && !sentence.contains("unexpected"))
    }
  }

  @Test(
    "a folder without model.safetensors says what is there and what to do",
    arguments: [
      ("pytorch_model.bin", "pickled"),
      ("pytorch_model.bin.index.json", "pickled"), ("tf_model.h5", "TensorFlow"), ("flax_model.msgpack", "Flax"),
      ("adapter_model.safetensors", "adapter"),
    ])
  func otherFiles(name: String, word: String) throws {
    try temporaryDirectory { path in
      _ = try folder(path) { _ in }
      try files.rename(path + "/model.safetensors", to: path + "/" + name)
      let sentence = try sentence(path)
      #expect(sentence.contains(name) && sentence.contains(word) && sentence.contains("save_pretrained"), "\(sentence)")
    }
  }

  @Test("a model in Double has the file's numbers exactly, of files in Double too")
  func double() throws {
    try temporaryDirectory { path in
      let model = try folder(path) { _ in }
      let (double, _) = try ModelDirectory(path).load(as: Double.self)
      for (a, b) in zip(double.parameters, model.parameters) { #expect(a.parameter.array == b.parameter.array.map { Double($0) }) }
      let file = try SafetensorsFile(bytes: try files.read(path + "/model.safetensors", byteLimit: 1 << 20))
      var writer = SafetensorsWriter()
      for entry in file.header.entries {
        try writer.add(entry.name, shape: entry.shape, doubles: try file.doubles(entry.name).map { $0 + 1e-12 })
      }
      try files.writeAtomically(try writer.serialized(), to: path + "/model.safetensors")
      let exact = try ModelDirectory(path).loadModel(as: Double.self)
      for (a, b) in zip(exact.parameters, double.parameters) { #expect(a.parameter.array == b.parameter.array.map { $0 + 1e-12 }) }
      // What evaluates and generates takes it as it takes any.
      let tokens: [Int32] = [1, 2, 3, 4, 5, 6, 0, 1, 2]
      let loss = try #require(Evaluator(model: double).loss(of: tokens)).loss
      let single = try #require(Evaluator(model: model).loss(of: tokens)).loss
      #expect(abs(loss - single) < 1e-5)
      var greedy = Sampler()
      greedy.temperature = 0
      #expect(try double.generate("abc", tokenizer: tokenizer, maximumTokens: 9, sampler: greedy).utf8.count == 9)
    }
  }
}
