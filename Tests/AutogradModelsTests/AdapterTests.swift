import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

@Suite("Adapters over a model") struct AdapterTests {
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefgh".utf8)), disk = POSIXFileSystem()

  private func model(_ family: String = "llama") throws -> Decoder<Float> {
    var sizes = try DecoderConfiguration(
      vocabularySize: 8, contextLength: 8, layerCount: 2, headCount: 4, channelCount: 32, hasBias: false,
      family: try #require(ModelFamily.named(family)))
    if family != "gpt2" { sizes.keyValueHeadCount = 2 }
    return Decoder<Float>(sizes, seed: 3)
  }

  /// An adapter whose B is not zero.
  private func adapter(
    _ model: Decoder<Float>, _ targets: AdapterTargets = .all, rank: Int = 3, seed: UInt64 = 1
  ) throws -> ModelAdapter<Float> {
    var configuration = AdapterConfiguration()
    (configuration.rank, configuration.targets) = (rank, targets)
    let adapter = try ModelAdapter<Float>(configuration, for: model)
    adapter.initialize(seed: seed)
    for (index, named) in adapter.parameters.enumerated() where named.path.contains("lora_B") {
      let numbers: Tensor<Float> = randomTensor(named.parameter.shape, seed: seed &* 100 &+ UInt64(index))
      named.parameter.set(numbers.elements.map { $0 * 0.1 })
    }
    return adapter
  }

  private func save(_ adapter: ModelAdapter<Float>, to path: String, _ base: AdapterBase) throws {
    try disk.replaceFiles(try AdapterDirectory.files(adapter, base: base), in: path)
  }

  private func logits(_ model: Decoder<Float>) -> [Float] {
    let tape = Tape<Float>(), ids: [Int32] = [1, 7, 0, 3, 5]
    return tape.step { tape in tape.inference { model.logits(tape.tokens(ids.span, shape: [1, 5])).array } }
  }

  @Test("is called as PEFT calls it, of the shapes that it has, for the weights that were asked for")
  func names() throws {
    let all = try adapter(try model()), prefix = "model.layers.1."
    #expect(all.parameters.count == 2 * 2 * 7 && all.targetNames.sorted().joined(separator: " ")
      == "down_proj gate_proj k_proj o_proj q_proj up_proj v_proj")
    let shapes = Dictionary(uniqueKeysWithValues: all.parameters.map { ($0.path, $0.parameter.shape) })
    #expect(shapes[prefix + "self_attn.k_proj.lora_A.weight"] == [3, 32])
    #expect(shapes[prefix + "self_attn.k_proj.lora_B.weight"] == [16, 3])
    let attention = try adapter(try model(), .attention), one = try adapter(try model(), .named(["v_proj"]))
    #expect(attention.parameters.count == 16 && one.parameters.count == 4)
    let gpt2 = try adapter(try model("gpt2"), .named(["attn.c_proj"]))
    #expect(gpt2.parameters.map(\.path).first == "transformer.h.0.attn.c_proj.lora_A.weight" && gpt2.isTransposed)
    #expect(throws: LanguageModelError.self) { try adapter(try model(), .named(["q_proj", "c_attn"])) }
    #expect(AdapterTargets("q_proj,,v") == nil && AdapterTargets("") == nil && AdapterTargets("mlp")?.description == "mlp")
  }

  @Test("computes what the merged model computes, alone and with another; and comes back from its files", arguments: ["llama", "gpt2"])
  func merged(_ family: String) throws {
    let base = try model(family), first = try adapter(base), second = try adapter(base, .attention, rank: 2, seed: 2)
    try temporaryDirectory { folder in
      try ModelDirectory(folder + "/base").save(base, tokenizer: tokenizer)
      let origin = AdapterBase(path: folder + "/base", sha256: try openModel(folder + "/base").weightsDigest())
      try save(first, to: folder + "/first", origin)
      try save(second, to: folder + "/second", origin)
      let opened = try openModel(folder + "/first")
      #expect(opened is AdaptedStoredModel)
      for (adapters, scales) in [(["first"], [1.0]), (["first", "second"], [0.5, -2])] {
        let source = AdaptedStoredModel(
          try openModel(folder + "/base"),
          zip(adapters, scales).map { (AdapterDirectory(folder + "/" + $0), $1) })
        let applied = logits(try source.loadModel(weights: .float32)), merged = logits(try source.loadModel())
        expectClose(applied, merged, Tolerance(relative: 1e-4, absolute: 1e-5))
        #expect(zip(applied, logits(base)).contains { abs($0 - $1) > 1e-3 })
      }
      first.attach(to: base)
      expectClose(logits(base), logits(try opened.loadModel()), Tolerance(relative: 1e-4, absolute: 1e-5))
    }
  }

  /// What is wrong with a folder, as a sentence.
  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "nothing"
    } catch {
      return "\(error)"
    }
  }

  @Test("an adapter over other weights is refused by their hash, unless somebody says that they will do")
  func otherBase() throws {
    let base = try model(), own = try adapter(base)
    try temporaryDirectory { folder in
      try ModelDirectory(folder + "/base").save(base, tokenizer: tokenizer)
      try save(own, to: folder + "/a", AdapterBase(path: folder + "/base", sha256: try openModel(folder + "/base").weightsDigest()))
      base.parameters[3].parameter.set(base.parameters[3].parameter.array.map { $0 + 1 })
      try ModelDirectory(folder + "/base").save(base, tokenizer: tokenizer)
      let problem = sentence { _ = try openModel(folder + "/a").loadModel(weights: .float32) }
      #expect(problem.contains("/a was made for weights with the SHA-256 ") && problem.contains("take the base that it was made for"))
      let adapters = [(directory: AdapterDirectory(folder + "/a"), scale: 1.0)]
      _ = try AdaptedStoredModel(try openModel(folder + "/base"), adapters, takesAnyBase: true).loadModel()
      try disk.removeTree(folder + "/base")
      #expect(sentence { _ = try openModel(folder + "/a") }.contains("which is not here; open the base"))
    }
  }

  @Test("damage is a sentence")
  func damage() throws {
    let base = try model(), own = try adapter(base)
    try temporaryDirectory { folder in
      try save(own, to: folder, AdapterBase(path: nil, sha256: nil))
      let directory = AdapterDirectory(folder), configuration = folder + "/adapter_config.json"
      let good = String(decoding: try disk.read(configuration, byteLimit: 1 << 20), as: UTF8.self)
      func problem(_ replaced: String, _ by: String) throws -> String {
        #expect(good.contains(replaced))
        let text = good.replacing(replaced, with: by)
        try disk.writeAtomically(Array(text.utf8), to: configuration)
        defer { try? disk.writeAtomically(Array(good.utf8), to: configuration) }
        return sentence { _ = try directory.load(for: base) }
      }
      #expect(try problem("\"LORA\"", "\"IA3\"").contains("peft_type is no \"LORA\""))
      #expect(try problem("\"r\": 3", "\"r\": 0").contains("rank must lie between 1 and 65536, got 0"))
      #expect(try problem("\"r\": 3", "\"r\": 4").contains("lora_A.weight"))
      #expect(try problem("\"none\"", "\"all\"").contains("it asks for bias, which this version does not compute"))
      #expect(try problem("\"inference_mode\": true", "\"use_dora\": true").contains("it asks for use_dora"))
      let initial = "\"init_lora_weights\": true"
      #expect(try problem(initial, "\"init_lora_weights\": \"pissa_niter_4\"").contains("init_lora_weights is \"pissa_niter_4\""))
      #expect(try problem(initial, "\"init_lora_weights\": 3").contains("init_lora_weights is no name"))
      #expect(try problem("\"use_rslora\": false", "\"use_rslora\": \"true\"").contains("use_rslora is neither"))
      #expect(try problem("q_proj", "c_attn").contains("no weight of the model is called"))
      #expect(try problem("{", "[").contains("adapter_config.json"))
      let weights = folder + "/adapter_model.safetensors", bytes = try disk.read(weights, byteLimit: 1 << 24)
      for count in [0, 7, 100, bytes.count - 1] {
        try disk.writeAtomically(Array(bytes.prefix(count)), to: weights)
        #expect(sentence { _ = try directory.load(for: base) }.contains("adapter_model.safetensors"))
      }
      var odd = bytes
      for index in 1...4 { odd[odd.count - index] = 0xFF }
      try disk.writeAtomically(odd, to: weights)
      #expect(sentence { _ = try directory.load(for: base) }.contains("lora_B.weight holds nan at index"))
      #expect(sentence { _ = try AdapterDirectory(folder + "/none").load(for: base) }.contains("adapter_config.json"))
    }
  }
}
