import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradKernels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

/// Models whose large weights are packed as they are read.
@Suite("Weights for generating") struct GenerationWeightsTests {
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefgäé".utf8))
  static let families = ["gpt2", "llama", "qwen3", "arcee"]
  static let forms = GenerationWeights.allCases

  private func model(_ family: String, feedForwardWidth: Int = 64) throws -> Decoder<Float> {
    let family = try #require(ModelFamily.named(family))
    let sizes = try DecoderConfiguration(
      vocabularySize: 37, contextLength: 12, layerCount: 2, headCount: 4, channelCount: 64,
      keyValueHeadCount: family == .gpt2 ? nil : 2, feedForwardWidth: feedForwardWidth, family: family)
    return Decoder<Float>(sizes, seed: 3)
  }

  private func logits(_ model: Decoder<Float>, _ mode: ProductMode = .exact) -> [Float] {
    let tape = Tape<Float>(), ids: [Int32] = [1, 5, 2, 9, 0, 3]
    tape.productMode = mode
    return tape.step { tape in tape.inference { model.logits(tape.tokens(ids.span, shape: [1, 6])).array } }
  }

  /// The model with its large weights rounded as a form rounds them, all numbers plain.
  private func rounded(_ model: Decoder<Float>, _ form: GenerationWeights) throws -> Decoder<Float> {
    let copy = Decoder<Float>(model.configuration)
    for (from, to) in zip(model.tensors, copy.tensors) {
      let numbers = from.parameter.array, type = GGUFNumberType(rawValue: form.rawValue) ?? .f32
      let isLarge = from.description.role.isProductWeight || from.description.role == .tokenEmbedding
      let divides = (from.parameter.shape.last ?? 1) % type.type.encoding.blockLength == 0
      to.parameter.set(isLarge ? (divides ? type : .bf16).rounded(numbers) : numbers)
    }
    return copy
  }

  private func expect(_ loaded: Decoder<Float>, equals expected: Decoder<Float>, _ what: String) {
    for (a, b) in zip(loaded.tensors, expected.tensors) {
      expectSameBits(a.parameter.array, b.parameter.array, "\(what): \(a.storedName)")
    }
    for mode in [ProductMode.exact, .bfloat16] {
      expectSameBits(logits(loaded, mode), logits(expected, mode), "\(what), \(mode)")
    }
  }

  @Test("a hub folder: numbers are rounded as GGUF files are written, and logits are those of these numbers",
    arguments: families, forms)
  func folders(_ family: String, _ form: GenerationWeights) throws {
    let model = try model(family), expected = try rounded(model, form)
    try temporaryDirectory { path in
      try ModelDirectory(path).save(model, tokenizer: tokenizer)
      let loaded = try openModel(path).loadModel(weights: form)
      expect(loaded, equals: expected, "\(family), \(form)")
      let large = loaded.tensors.filter { $0.description.role.isPacked }
      let format = form == .asStored ? "f32" : form.rawValue
      #expect(large.allSatisfy { $0.parameter.storedWeight?.format.name == format })
    }
  }

  @Test("a GGUF file as it is: every type that is written", arguments: families, GGUFNumberType.allCases)
  func files(_ family: String, _ type: GGUFNumberType) throws {
    let model = try model(family)
    try temporaryDirectory { folder in
      let path = folder + "/x.gguf"
      try GGUFModel.write(model, tokenizer: tokenizer, weights: type, to: path)
      let file = try openModel(path), plain = try file.loadModel()
      let loaded = try file.loadModel(weights: .asStored)
      expect(loaded, equals: plain, "\(family), \(type)")
      let large = loaded.tensors.filter { $0.description.role.isPacked }
      #expect(large.allSatisfy { $0.parameter.storedWeight?.format.name == type.rawValue })
      // What the file has already is not rounded again.
      if let form = GenerationWeights(rawValue: type.rawValue) {
        expect(try file.loadModel(weights: form), equals: plain, "\(family), \(type) again")
      }
    }
  }

  @Test("rows that blocks of 32 do not divide are kept as bfloat16, and the list of forms says so")
  func undivided() throws {
    let model = try model("llama", feedForwardWidth: 40)
    try temporaryDirectory { path in
      try ModelDirectory(path).save(model, tokenizer: tokenizer)
      let loaded = try openModel(path).loadModel(weights: .q4_1)
      expect(loaded, equals: try rounded(model, .q4_1), "width 40")
      #expect(loaded.blocks[0].feedForward.output.weight.storedWeight?.format == .bfloat16)
      let use = loaded.weightUse
      #expect(use.map(\.format).sorted() == ["bf16", "f32", "q4_1"])
      #expect(use.first { $0.format == "bf16" }?.tensorCount == 2)
      #expect(use.reduce(0) { $0 + $1.tensorCount } == loaded.tensors.count)
    }
  }

  @Test("numbers that are not finite are named, blocks' scales too", arguments: [GGUFNumberType.f32, .q8_0, .q4_1])
  func notFinite(_ type: GGUFNumberType) throws {
    try temporaryDirectory { folder in
      let path = folder + "/x.gguf", files = POSIXFileSystem()
      try GGUFModel.write(try model("llama"), tokenizer: tokenizer, weights: type, to: path)
      var bytes = try files.read(path, byteLimit: 1 << 24)
      let entry = try #require(try GGUFFile(bytes: bytes).header.entry("blk.1.ffn_down.weight"))
      // An infinite number, or an infinite scale of the second row's first block.
      let start = entry.byteRange.lowerBound + type.type.encoding.blockByteCount * (64 / type.type.encoding.blockLength)
      let infinite: [UInt8] = type == .f32 ? [0, 0, 0x80, 0x7F] : [0, 0x7C]
      bytes.replaceSubrange(start..<start + infinite.count, with: infinite)
      try files.writeAtomically(bytes, to: path)
      let error = #expect(throws: LanguageModelError.self) { try openModel(path).loadModel(weights: .asStored) }
      let sentence = "\(try #require(error))"
      #expect(sentence.contains("not all weights are finite"), "\(sentence)")
      #expect(sentence.contains("blk.1.ffn_down.weight holds"), "\(sentence)")
    }
  }

  @Test("nothing is learned through them, and nobody writes them")
  func frozen() throws {
    try temporaryDirectory { path in
      try ModelDirectory(path).save(try model("llama"), tokenizer: tokenizer)
      let loaded = try openModel(path).loadModel(weights: .bfloat16)
      #expect(loaded.tensors.filter { $0.description.role.isPacked }.allSatisfy { !$0.parameter.isTrainable })
      #expect(loaded.parameterCount == (try model("llama")).parameterCount)
    }
  }
}
