import AutogradEngine
import AutogradBase
import AutogradModels
import AutogradFormats
import AutogradTestSupport
import Testing
import AutogradText

@Suite("Model directory") struct ModelDirectoryTests {
  private func configuration(bias: Bool) throws -> DecoderConfiguration {
    try DecoderConfiguration(
      vocabularySize: 7, contextLength: 6, layerCount: 2, headCount: 2, channelCount: 8, hasBias: bias)
  }

  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefg".utf8))

  @Test("what was saved loads as it was, with and without biases", arguments: [true, false])
  func roundTrip(bias: Bool) throws {
    let model = Decoder<Float>(try configuration(bias: bias), seed: 3)
    try temporaryDirectory { path in
      let directory = ModelDirectory(path + "/model")
      try directory.save(model, tokenizer: tokenizer)
      let (loaded, loadedTokenizer) = try directory.load()
      #expect(loaded.configuration == model.configuration)
      #expect(loadedTokenizer.isSame(as: tokenizer))
      for (a, b) in zip(model.parameters, loaded.parameters) {
        #expect(a.path == b.path)
        #expect(a.parameter.array == b.parameter.array, "\(a.path)")
      }
    }
  }

  @Test("files hold Hugging Face's names and shapes, linear weights as [input, output], biases as zeros")
  func layout() throws {
    let model = Decoder<Float>(try configuration(bias: false), seed: 3)
    try temporaryDirectory { path in
      try ModelDirectory(path).save(model, tokenizer: tokenizer)
      let bytes = try POSIXFileSystem().read(path + "/model.safetensors", byteLimit: 1 << 20)
      let file = try SafetensorsFile(bytes: bytes)
      #expect(file.entry("transformer.wte.weight")?.shape == [7, 8])
      #expect(file.entry("transformer.h.1.attn.c_attn.weight")?.shape == [8, 24])
      #expect(file.entry("transformer.h.1.mlp.c_proj.weight")?.shape == [32, 8])
      #expect(try file.floats("transformer.h.0.attn.c_attn.bias") == [Float](repeating: 0, count: 24))
      #expect(file.entry("lm_head.weight") == nil)
      let stored = try file.floats("transformer.h.0.mlp.c_fc.weight")
      let own = model.blocks[0].feedForward.input.weight.array
      for output in 0..<32 { for input in 0..<8 { #expect(stored[input * 32 + output] == own[output * 8 + input]) } }
    }
  }

  @Test("all mismatches stand in one error")
  func mismatches() throws {
    try temporaryDirectory { path in
      let directory = ModelDirectory(path)
      try directory.save(Decoder<Float>(try configuration(bias: true), seed: 3), tokenizer: tokenizer)
      var writer = SafetensorsWriter()
      try writer.add("transformer.wte.weight", shape: [8, 7], floats: [Float](repeating: 0, count: 56))
      try writer.add("surprise", shape: [1], floats: [0])
      try POSIXFileSystem().writeAtomically(try writer.serialized(), to: path + "/model.safetensors")
      do {
        _ = try directory.load()
        Issue.record("loaded a model from the wrong weights")
      } catch {
        let text = "\(error)"
        #expect(text.contains("transformer.wte.weight has shape [8, 7], expected [7, 8]"))
        #expect(text.contains("wpe.weight is missing"))
        #expect(text.contains("h.1.mlp.c_proj.bias is missing"))
        #expect(text.contains("\"surprise\" is unexpected"))
      }
    }
  }

  @Test("a number that is not finite, in whichever tensor, leaves a model as it was")
  func notFinite() throws {
    try temporaryDirectory { path in
      let directory = ModelDirectory(path), source = Decoder<Float>(try configuration(bias: true), seed: 3)
      try #require(source.finalNorm.weight).set([1, 1, .nan, 1, 1, 1, 1, 1])
      try directory.save(source, tokenizer: tokenizer)
      let model = Decoder<Float>(try configuration(bias: true), seed: 4), before = model.parameters.map(\.parameter.array)
      do {
        try directory.load(into: model)
        Issue.record("took a NaN over")
      } catch {
        #expect("\(error)".contains("ln_f.weight holds nan at index 2"), "\(error)")
      }
      #expect(model.parameters.map(\.parameter.array) == before)
    }
  }

  @Test("a missing folder says which file and what to do")
  func missing() throws {
    do {
      _ = try ModelDirectory("/nonexistent/model").load()
      Issue.record("loaded a model from nowhere")
    } catch {
      #expect("\(error)".contains("/nonexistent/model/config.json: it does not exist"))
    }
  }

  @Test("the tokens that end texts are those of generation_config.json: one, several, none; others are refused")
  func ends() throws {
    let model = Decoder<Float>(try configuration(bias: true), seed: 3)
    try temporaryDirectory { path in
      let directory = ModelDirectory(path), files = POSIXFileSystem(), file = path + "/generation_config.json"
      try directory.save(model, tokenizer: tokenizer)
      #expect(try directory.endTokens() == tokenizer.endOfText.map { [$0] } ?? [])
      for (text, ends) in [("3", [3]), ("[1, 6]", [1, 6]), ("null", []), ("[]", [])] as [(String, [Int32])] {
        try files.writeAtomically(Array("{\"eos_token_id\": \(text)}".utf8), to: file)
        #expect(try directory.endTokens() == ends)
      }
      for text in ["7", "-1", "\"a\"", "[1, null]", "1.5"] {
        try files.writeAtomically(Array("{\"eos_token_id\": \(text)}".utf8), to: file)
        let error = #expect(throws: LanguageModelError.self) { try directory.endTokens() }
        #expect("\(try #require(error))".hasSuffix("eos_token_id is no id, or list of ids, of the vocabulary, which has 7 tokens"))
      }
      try files.writeAtomically(Array("{".utf8), to: file)
      #expect(throws: LanguageModelError.self) { try directory.endTokens() }
      try files.remove(file)
      #expect(try directory.endTokens() == [])
    }
  }
}
