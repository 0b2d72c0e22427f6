import AutogradBase
import AutogradEngine
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

/// What the config.json of each family says, key by key.
@Suite("Configurations of families") struct FamilyConfigurationTests {
  private typealias Choices = DecoderConfiguration

  /// A small model's file of a family, with some keys instead of its own.
  private func read(_ family: String, _ text: String = "{}") throws -> DecoderConfiguration {
    let small = #"{"vocab_size":9,"hidden_size":12,"num_hidden_layers":3,"num_attention_heads":2,"max_position_embeddings":64}"#
    var members = try #require(try JSON(parsing: Array(small.utf8)).objectValue)
    members.append(JSON.Member("model_type", .string(family)))
    for member in try #require(try JSON(parsing: Array(text.utf8)).objectValue) {
      members.removeAll { $0.key == member.key }
      members.append(member)
    }
    return try DecoderConfiguration(json: .object(members), path: "config.json")
  }

  private func refusal(_ family: String, _ text: String) throws -> String {
    let error = #expect(throws: LanguageModelError.self, "\(family) \(text)") { try read(family, text) }
    return error.map { "\($0)" } ?? ""
  }

  @Test("a file that says nothing means what it means to transformers")
  func defaults() throws {
    func all(_ family: String) throws -> JSON {
      let text = "{\"model_type\":\"\(family)\"}"
      return try DecoderConfiguration(json: try JSON(parsing: Array(text.utf8)), path: "config.json").json
    }
    let wanted: [(family: String, numbers: [(key: String, value: Int)])] = [
      ("llama", [
        ("vocab_size", 32000), ("hidden_size", 4096), ("intermediate_size", 11008), ("num_hidden_layers", 32),
        ("num_key_value_heads", 32), ("head_dim", 128), ("max_position_embeddings", 2048),
      ]),
      ("mistral", [
        ("num_key_value_heads", 8), ("intermediate_size", 14336), ("max_position_embeddings", 131_072),
        ("sliding_window", 4096),
      ]),
      ("qwen2", [("vocab_size", 151_936), ("num_key_value_heads", 32), ("head_dim", 128), ("intermediate_size", 22016)]),
      ("qwen3", [("vocab_size", 151_936), ("head_dim", 128), ("max_position_embeddings", 32768)]),
      ("arcee", [("hidden_size", 2560), ("intermediate_size", 18432), ("head_dim", 80)]),
      ("nanochat", [
        ("vocab_size", 50304), ("num_hidden_layers", 12), ("num_attention_heads", 6), ("num_key_value_heads", 6),
        ("intermediate_size", 8192), ("final_logit_softcapping", 15),
      ]),
    ]
    #expect(wanted.map(\.family) == FamilyReference.families)
    for (family, numbers) in wanted {
      let json = try all(family)
      for (key, value) in numbers { #expect(json[key]?.intValue == value, "\(family) \(key)") }
      #expect(json["rope_theta"]?.doubleValue == 10000 && json["rope_scaling"] == .null)
      #expect(json["rms_norm_eps"]?.doubleValue == (family == "arcee" ? 1e-5 : 1e-6))
      #expect(json["tie_word_embeddings"] == .bool(false) && json["attention_dropout"]?.doubleValue == 0)
      #expect(json["hidden_act"] == .string(["arcee", "nanochat"].contains(family) ? "relu2" : "silu"))
    }
  }

  @Test("rotary positions, as old files and new ones say them")
  func rotary() throws {
    func rotary(_ text: String, of family: String = "llama") throws -> Choices.Rotary {
      try #require(try read(family, text).rotary)
    }
    #expect(try rotary(#"{"rope_theta":500000}"#).base == 500_000)
    #expect(try rotary(#"{"rope_parameters":{"rope_type":"default","rope_theta":7.5}}"#).base == 7.5)
    #expect(try rotary(#"{"rope_theta":5,"rope_parameters":{"rope_type":"default","rope_theta":7}}"#).base == 7)
    #expect(try rotary(#"{"rope_theta":5,"rope_parameters":{"rope_type":"default"}}"#).base == 5)
    for key in ["rope_scaling", "rope_parameters"] {
      for type in ["type", "rope_type"] {
        let linear = try rotary("{\"\(key)\":{\"\(type)\":\"linear\",\"factor\":4}}")
        #expect(linear.scaling == .linear(factor: 4) && linear.base == 10000)
      }
    }
    let llama3 = #"{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0"#
    #expect(
      try rotary(#"{"rope_theta":5e5,"rope_scaling":"# + llama3 + #","original_max_position_embeddings":8192}}"#).scaling
        == .llama3(factor: 8, lowFactor: 1, highFactor: 4, originalContext: 8192))
    #expect(
      try rotary(#"{"rope_parameters":"# + llama3 + "}}").scaling
        == .llama3(factor: 8, lowFactor: 1, highFactor: 4, originalContext: 64))
    // Both, as a file saved twice may have them: the old one counts.
    #expect(
      try rotary(#"{"rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"default"}}"#).scaling
        == .linear(factor: 2))
    #expect(try rotary("{}") == Choices.Rotary())
    #expect(try rotary("{}", of: "nanochat").direction == .backward)
  }

  @Test(
    "what changes the computation and is not here is refused by name",
    arguments: [
      ("llama", #"{"rope_scaling":{"type":"yarn","factor":4}}"#, "\"rope_scaling\" has the rope_type \"yarn\""),
      ("llama", #"{"rope_scaling":{"type":"dynamic","factor":4}}"#, "has the rope_type \"dynamic\""),
      ("llama", #"{"rope_parameters":{"rope_type":"longrope"}}"#, "\"rope_parameters\" has the rope_type \"longrope\""),
      ("llama", #"{"rope_scaling":{"rope_type":"linear"}}"#, "needs a number above 0 under \"factor\""),
      ("llama", #"{"rope_scaling":{"rope_type":"linear","factor":-2}}"#, "needs a number above 0 under \"factor\""),
      ("llama", #"{"rope_scaling":{"rope_type":"llama3","factor":2}}"#, "under \"low_freq_factor\""),
      ("llama", #"{"rope_scaling":{"rope_type":"default","factor":2}}"#, "has the key \"factor\""),
      ("llama", #"{"rope_parameters":{"full_attention":{"rope_theta":1}}}"#, "has the key \"full_attention\""),
      ("llama", #"{"rope_scaling":7}"#, "\"rope_scaling\" must be null or an object"),
      ("llama", #"{"rope_theta":0}"#, "\"rope_theta\" must be a number above 0"),
      ("llama", #"{"partial_rotary_factor":0.5}"#, "\"partial_rotary_factor\" is 0.5"),
      ("llama", #"{"rope_interleaved":true}"#, "\"rope_interleaved\" is true"),
      ("llama", #"{"sliding_window":4}"#, "\"sliding_window\" is not known"),
      ("llama", #"{"no_rope_layers":[1,0,1]}"#, "\"no_rope_layers\" is [1,0,1]"),
      ("llama", #"{"hidden_act":"mish"}"#, "\"hidden_act\" is \"mish\""),
      ("llama", #"{"quantization_config":{"bits":4}}"#, "\"quantization_config\""),
      ("llama", #"{"num_key_value_heads":0}"#, "\"num_key_value_heads\" must be null or a whole number"),
      ("llama", #"{"num_attention_heads":3,"num_key_value_heads":2}"#, "3 heads cannot share 2 key-value heads"),
      ("llama", #"{"head_dim":3}"#, "the 3 that turn of a head of 3 do not divide into pairs"),
      ("llama", #"{"num_attention_heads":5,"head_dim":4}"#, "12 channels do not divide into 5 heads, which the family"),
      ("mistral", #"{"num_attention_heads":5,"num_key_value_heads":5}"#, "12 channels do not divide into 5 heads; make"),
      ("mistral", #"{"num_key_value_heads":2,"sliding_window":0}"#, "\"sliding_window\" must be null or a whole number"),
      ("mistral", #"{"num_key_value_heads":2,"layer_types":["full_attention"]}"#, "\"layer_types\" is"),
      ("mistral", #"{"num_key_value_heads":2,"attention_bias":true}"#, "\"attention_bias\" is not known"),
      ("qwen2", #"{"num_key_value_heads":2,"use_mrope":true}"#, "\"use_mrope\" is true"),
      ("qwen2", #"{"num_key_value_heads":2,"layer_types":["full_attention"]}"#, "one name for each of the 3 layers"),
      ("qwen3", #"{"num_key_value_heads":2,"layer_types":["a","full_attention","full_attention"]}"#, "has \"a\""),
      (
        "qwen3", #"{"num_key_value_heads":2,"layer_types":["full_attention","full_attention","sliding_attention"]}"#,
        "has layers with a window, but there is none"
      ),
      ("nanochat", #"{"final_logit_softcapping":0}"#, "\"final_logit_softcapping\" must be null or a number above 0"),
    ])
  func refused(family: String, text: String, phrase: String) throws {
    let sentence = try refusal(family, text)
    #expect(sentence.contains(phrase), "\(sentence)")
  }

  @Test("windows: Mistral's everywhere, Qwen's in the layers that the file names")
  func windows() throws {
    func windows(_ family: String, _ text: String) throws -> [Int?] {
      let sizes = try read(family, "{\"num_key_value_heads\":2," + text.dropFirst())
      let again = try DecoderConfiguration(json: sizes.json, path: "config.json")
      #expect(again == sizes, "\(sizes.json)")
      return (0..<3).map { sizes.window(ofLayer: $0) }
    }
    #expect(try windows("mistral", #"{"sliding_window":5}"#) == [5, 5, 5])
    #expect(try windows("mistral", #"{"sliding_window":null}"#) == [nil, nil, nil])
    #expect(try windows("mistral", #"{"use_cache":true}"#) == [4096, 4096, 4096])
    for family in ["qwen2", "qwen3"] {
      #expect(try windows(family, #"{"sliding_window":5,"max_window_layers":1}"#) == [nil, nil, nil])
      #expect(try windows(family, #"{"use_sliding_window":true,"sliding_window":5}"#) == [nil, nil, nil])
      #expect(try windows(family, #"{"use_sliding_window":true,"max_window_layers":1}"#) == [nil, 4096, 4096])
      #expect(try windows(family, #"{"use_sliding_window":true,"sliding_window":null,"max_window_layers":0}"#) == [nil, nil, nil])
      let use = #"{"use_sliding_window":true,"sliding_window":7,"layer_types":"#
      #expect(try windows(family, use + #"["full_attention","full_attention","full_attention"]}"#) == [nil, nil, nil])
      #expect(try windows(family, use + #"["full_attention","sliding_attention","sliding_attention"]}"#) == [nil, 7, 7])
      #expect(try windows(family, use + #"["sliding_attention","full_attention","sliding_attention"]}"#) == [7, nil, 7])
    }
  }

  @Test("biases and heads as files say them; a null is not the default")
  func biasesAndHeads() throws {
    #expect(try read("llama").biases == [])
    #expect(try read("llama", #"{"attention_bias":true}"#).biases == [.attentionInput, .attentionOutput])
    #expect(try read("arcee", #"{"mlp_bias":true}"#).biases == .feedForward)
    let heads = #"{"num_key_value_heads":2,"head_dim":null}"#
    #expect(try read("qwen2", heads).biases == .attentionInput)
    #expect(try read("mistral", #"{"num_key_value_heads":null}"#).keyValueHeadCount == 2)
    #expect(try read("qwen3", heads).headSize == 6)
    #expect(try read("qwen3", #"{"num_key_value_heads":1,"head_dim":8}"#).headSize == 8)
    #expect(try read("nanochat", #"{"final_logit_softcapping":null}"#).softCap == nil)
  }

  @Test("keys of published folders are taken")
  func published() throws {
    _ = try read("llama", #"{"is_llama_config":true,"rope_interleaved":false,"pretraining_tp":1,"transformers.js_config":{"a":1},"torch_dtype":"bfloat16","rope_scaling":null,"use_cache":true,"_name_or_path":"x"}"#)
    _ = try read("qwen2", #"{"num_key_value_heads":2,"use_mrope":false,"dtype":"float32","sliding_window":131072,"max_window_layers":28}"#)
  }

  // MARK: What cannot be said

  @Test("a model that a family's files cannot describe is refused before anything is written, and the choice is named")
  func unwritable() throws {
    func problem(_ family: ModelFamily, _ change: (inout DecoderConfiguration) -> Void) throws -> String {
      var sizes = try DecoderConfiguration(
        vocabularySize: 9, contextLength: 8, layerCount: 2, headCount: 4, channelCount: 16, family: family)
      #expect(sizes.unwritable == nil, "\(family.modelType)")
      change(&sizes)
      return try #require(sizes.unwritable, "\(family.modelType)")
    }
    #expect(try problem(.gpt2) { $0.keyValueHeadCount = 2 }.contains("cannot say what this model has: its key-value heads"))
    #expect(try problem(.gpt2) { $0.positions = .rotary(.init()) }.contains("its positions"))
    #expect(try problem(.gpt2) { $0.biases = .attentionInput }.contains("its biases"))
    #expect(try problem(.llama) { $0.window = .init(size: 3) }.contains("its window"))
    #expect(try problem(.llama) { $0.softCap = 3 }.contains("its soft cap"))
    #expect(try problem(.qwen2) { $0.hasBias = false }.contains("its biases"))
    #expect(try problem(.qwen3) { $0.queryKeyNorm = .none }.contains("its norm of queries and keys"))
    #expect(try problem(.mistral) { $0.window = .init(size: 3, layers: .from(1)) }.contains("its window"))
    var sizes = try DecoderConfiguration(
      vocabularySize: 9, contextLength: 8, layerCount: 2, headCount: 4, channelCount: 16, family: .llama)
    sizes.window = .init(size: 3)
    let tokenizer = try CharacterTokenizer(training: Array("abcdefg".utf8))
    try temporaryDirectory { folder in
      let error = #expect(throws: LanguageModelError.self) {
        try ModelDirectory(folder).save(Decoder<Float>(sizes, seed: 1), tokenizer: tokenizer)
      }
      #expect(error.map { "\($0)" }?.contains("its window") == true)
      let left = try POSIXFileSystem().list(folder)
      #expect(left.isEmpty)
    }
  }

  @Test("new models: usual widths, heads and biases of each family", arguments: ModelFamily.all.map(\.modelType))
  func new(name: String) throws {
    let family = try #require(ModelFamily.named(name))
    let sizes = try DecoderConfiguration(
      vocabularySize: 9, contextLength: 8, layerCount: 2, headCount: 4, channelCount: 128, family: family)
    #expect(sizes.feedForwardWidth == (sizes.feedForward.isGated ? 352 : 512))
    #expect(sizes.keyValueHeadCount == 4 && sizes.headSize == 32)
    #expect(sizes.hasBias == ["gpt2", "qwen2"].contains(name) && sizes.tiesHead == (name == "gpt2"))
    let model = Decoder<Float>(sizes, seed: 1)
    #expect(model.parameters.map { "\($0.path) \($0.parameter.shape)" } == sizes.tensors.map { "\($0.path) \($0.shape)" })
    #expect(sizes.numberCount == Double(model.parameterCount))
    let stored = model.tensors.flatMap { family.stored($0.description, sizes) }
    #expect(Set(stored.map(\.name)).count == stored.count)
    #expect(stored.reduce(0) { $0 + $1.count } == model.parameterCount)
  }
}
