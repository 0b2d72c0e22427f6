import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

/// A family that a test adds: GPT-2's decoder under other keys and names, its three projections in three tensors that
/// are not turned around. All that it takes is this value.
private let split = ModelFamily(
  modelType: "split", architecture: "SplitForCausalLM",
  setDefaults: { $0.head = .own },
  keys: [
    .size("vocabulary", at: \.vocabularySize), .size("context", at: \.contextLength), .size("layers", at: \.layerCount),
    .size("heads", at: \.headCount), .size("channels", at: \.channelCount), .flag("biases", at: \.hasBias),
    .flag("tied", yes: .tied, no: .own, at: \.head),
  ],
  harmlessKeys: ["note"],
  tensors: TensorLayout(
    prefix: "model.", block: "layers.",
    parts: [
      .init("tokenEmbedding", "tokens"), .init("positionEmbedding", "positions"), .init("attentionNorm", "norm_a"),
      .init("attention.input", ["q", "k", "v"], rows: { [Int](repeating: $0.channelCount, count: 3) }),
      .init("attention.output", "o", isTransposed: true), .init("feedForwardNorm", "norm_f"),
      .init("feedForward.input", ["gate", "rest"], rows: { [3, $0.feedForwardWidth - 3] }, isTransposed: true),
      .init("feedForward.output", "down"), .init("finalNorm", "norm"),
      .init("head", "out", isOutsidePrefix: true),
    ]))

@Suite("Model families") struct FamilyTests {
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefg".utf8))
  private let files = POSIXFileSystem()

  private func sizes(bias: Bool = true, family: ModelFamily = .standard) throws -> DecoderConfiguration {
    try DecoderConfiguration(
      vocabularySize: 7, contextLength: 6, layerCount: 2, headCount: 2, channelCount: 8, hasBias: bias, family: family)
  }

  @Test(
    "a family that is only a value is saved and loaded: names, rows of several tensors, layouts",
    arguments: [true, false], [DecoderConfiguration.Head.tied, .own])
  func another(bias: Bool, head: DecoderConfiguration.Head) throws {
    var sizes = try sizes(bias: bias, family: split)
    sizes.head = head
    let model = Decoder<Float>(sizes, seed: 3)
    try temporaryDirectory { path in
      let directory = ModelDirectory(path, families: ModelFamily.all + [split])
      try directory.save(model, tokenizer: tokenizer)
      let loaded = try directory.load().model
      #expect(loaded.configuration == sizes && loaded.configuration.family == split)
      for (a, b) in zip(model.parameters, loaded.parameters) { #expect(a.parameter.array == b.parameter.array, "\(a.path)") }
      let file = try SafetensorsFile(bytes: try files.read(path + "/model.safetensors", byteLimit: 1 << 20))
      let own = model.blocks[1].attention.input.weight.array
      #expect(try file.floats("model.layers.1.k.weight") == Array(own[64..<128]))
      #expect(file.entry("model.layers.0.gate.weight")?.shape == [8, 3])
      #expect(file.entry("model.layers.0.rest.weight")?.shape == [8, 29])
      #expect((file.entry("model.layers.0.q.bias") != nil) == bias)
      #expect((file.entry("out.weight") != nil) == (head == .own))
      // Whoever does not have the family says so.
      let error = #expect(throws: LanguageModelError.self) { try ModelDirectory(path).load() }
      #expect("\(try #require(error))".contains("model_type is \"split\"; this version opens \"gpt2\""))
    }
  }

  // MARK: config.json

  private func read(_ members: [JSON.Member]) throws(LanguageModelError) -> DecoderConfiguration {
    var all = try! DecoderConfiguration(
      vocabularySize: 7, contextLength: 6, layerCount: 2, headCount: 2, channelCount: 8).json.objectValue!
    for member in members {
      all.removeAll { $0.key == member.key }
      all.append(member)
    }
    return try DecoderConfiguration(json: .object(all), path: "config.json")
  }

  @Test(
    "keys that change what is computed are refused by name",
    arguments: [
      ("scale_attn_weights", JSON.bool(false)), ("scale_attn_by_inverse_layer_idx", .bool(true)),
      ("add_cross_attention", .bool(true)), ("is_encoder_decoder", .bool(true)), ("activation_function", .string("mish")),
      ("pruned_heads", .object([JSON.Member("0", .array([.integer(1)]))])), ("quantization_config", .object([])),
      ("auto_map", .object([])), ("n_inner", .integer(0)), ("resid_pdrop", .number(1.5)), ("attn_pdrop", .string("0")),
      ("rope_theta", .number(1e4)), ("sliding_window", .integer(3)), ("alibi", .bool(true)),
      ("initializer_range", .number(-1)),
    ])
  func refused(key: String, value: JSON) throws {
    let error = #expect(throws: LanguageModelError.self) { try read([JSON.Member(key, value)]) }
    let sentence = error.map { "\($0)" } ?? ""
    #expect(sentence.contains(key), "\(sentence)")
  }

  @Test("the values that mean what is computed anyway are taken")
  func neutral() throws {
    _ = try read([
      JSON.Member("scale_attn_weights", .bool(true)), JSON.Member("scale_attn_by_inverse_layer_idx", .bool(false)),
      JSON.Member("pruned_heads", .object([])), JSON.Member("quantization_config", .null), JSON.Member("auto_map", .null),
      JSON.Member("reorder_and_upcast_attn", .bool(true)),
    ])
  }

  @Test("everything that is read is written again")
  func readAndWritten() throws {
    let members = [
      JSON.Member("resid_pdrop", .number(0.25)), JSON.Member("embd_pdrop", .number(0.5)),
      JSON.Member("attn_pdrop", .number(0.125)), JSON.Member("initializer_range", .number(0.5)),
      JSON.Member("layer_norm_epsilon", .number(0.001)), JSON.Member("activation_function", .string("relu")),
      JSON.Member("n_inner", .integer(24)), JSON.Member("tie_word_embeddings", .bool(false)),
      JSON.Member("bos_token_id", .integer(3)), JSON.Member("eos_token_id", .array([.integer(4), .integer(5)])),
      JSON.Member("pad_token_id", .integer(6)), JSON.Member("use_cache", .bool(false)),
      JSON.Member("task_specific_params", .object([JSON.Member("a", .integer(1))])),
    ]
    let configuration = try read(members)
    #expect(configuration.dropout == DropoutShares(embedding: 0.5, attention: 0.125, residual: 0.25))
    #expect(configuration.feedForward == .plain(.relu) && configuration.feedForwardWidth == 24 && configuration.head == .own)
    for member in members { #expect(configuration.json[member.key] == member.value, "\(member.key)") }
    #expect(try DecoderConfiguration(json: configuration.json, path: "config.json") == configuration)
    // And through a folder, whose other dropout is asked for.
    try temporaryDirectory { path in
      try ModelDirectory(path).save(Decoder<Float>(configuration, seed: 1), tokenizer: tokenizer)
      #expect(try ModelDirectory(path).configuration() == configuration)
      #expect(try ModelDirectory(path).loadModel(dropout: 0.3).configuration.dropout == DropoutShares(0.3))
    }
  }

  @Test("the three dropouts fall where they belong", arguments: 0..<3)
  func dropouts(place: Int) throws {
    func loss(_ dropout: DropoutShares) throws -> Float {
      var sizes = try sizes()
      sizes.dropout = dropout
      sizes.initialDeviation = 0.5
      let model = Decoder<Float>(sizes, seed: 3), tape = Tape<Float>()
      return tape.step { tape in
        let tokens = tape.tokens(([0, 1, 2, 3, 4, 5] as [Int32]).span, shape: [1, 6])
        return model.loss(tokens, targets: tokens).value
      }
    }
    var shares = DropoutShares(0)
    switch place {
    case 0: shares.embedding = 0.5
    case 1: shares.attention = 0.5
    default: shares.residual = 0.5
    }
    let one = try loss(shares), none = try loss(DropoutShares(0)), all = try loss(DropoutShares(0.5))
    #expect(one != none && one != all)
  }
}
