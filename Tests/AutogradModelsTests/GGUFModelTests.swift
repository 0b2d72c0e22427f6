import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

/// Models in GGUF files: families, layouts, what an architecture cannot say.
@Suite("Models in GGUF files") struct GGUFModelTests {
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefgäé".utf8))
  static let names = ModelFamily.all.filter { $0.gguf != nil }.map(\.modelType)

  private func sizes(
    _ family: String, _ change: (inout DecoderConfiguration) -> Void = { _ in }
  ) throws -> DecoderConfiguration {
    let family = try #require(ModelFamily.named(family)), isGPT2 = family == .gpt2
    var sizes = try DecoderConfiguration(
      vocabularySize: 16, contextLength: 12, layerCount: 2, headCount: 4, channelCount: 32,
      keyValueHeadCount: isGPT2 ? nil : 2, feedForwardWidth: 64, family: family)
    change(&sizes)
    return sizes
  }

  private func logits(_ model: Decoder<Float>) -> [Float] {
    let tape = Tape<Float>(), ids: [Int32] = [1, 5, 2, 9, 0, 3]
    return tape.step { tape in tape.inference { model.logits(tape.tokens(ids.span, shape: [1, 6])).array } }
  }

  private func roundTrip(
    _ model: Decoder<Float>, _ weights: GGUFNumberType = .f32, _ body: (GGUFModel) throws -> Void
  ) throws {
    try temporaryDirectory { folder in
      let path = folder + "/x.gguf"
      try GGUFModel.write(model, tokenizer: tokenizer, weights: weights, to: path)
      try body(GGUFModel(path))
    }
  }

  @Test("every family that has an architecture: sizes, every number, logits", arguments: names)
  func families(_ name: String) throws {
    let model = Decoder<Float>(try sizes(name), seed: 3)
    try roundTrip(model) { file in
      let loaded = try file.loadModel()
      #expect(loaded.configuration.choiceValues == model.configuration.choiceValues)
      for (a, b) in zip(model.parameters, loaded.parameters) { #expect(a.parameter.array == b.parameter.array, "\(a.path)") }
      #expect(logits(loaded) == logits(model))
      #expect(try file.tokenizer().encode("gedé") == (try tokenizer.encode("gedé")))
    }
  }

  /// A family, changed.
  struct Change: Sendable, CustomTestStringConvertible {
    let family, reason: String
    let change: @Sendable (inout DecoderConfiguration) -> Void

    init(_ family: String, _ reason: String, _ change: @escaping @Sendable (inout DecoderConfiguration) -> Void) {
      (self.family, self.reason, self.change) = (family, reason, change)
    }

    var testDescription: String { "\(family): \(reason)" }

    /// Rotary positions of a kind.
    static func rotary(
      _ reason: String, _ change: @escaping @Sendable (inout DecoderConfiguration.Rotary) -> Void
    ) -> Change {
      Change("llama", reason) { sizes in
        var rotary = DecoderConfiguration.Rotary()
        change(&rotary)
        sizes.headSize = 64
        sizes.positions = .rotary(rotary)
      }
    }
  }

  static let changes = [
    Change("llama", "head size") { $0.headSize = 12 }, Change("llama", "tied") { $0.head = .tied },
    Change("llama", "all biases") { $0.biases = $0.family.biases },
    Change("llama", "some biases") { $0.biases = .attentionInput }, Change("qwen2", "tied") { $0.head = .tied },
    Change("qwen3", "head size") { $0.headSize = 6 }, Change("gpt2", "own head") { $0.head = .own },
    Change("llama", "epsilon") { $0.normEpsilon = 1e-5 },
    .rotary("linear") { ($0.base, $0.scaling) = (500_000, .linear(factor: 4)) },
    .rotary("Llama 3") {
      ($0.base, $0.scaling) = (500_000, .llama3(factor: 32, lowFactor: 1, highFactor: 4, originalContext: 8192))
    },
  ]

  @Test("heads of their own size, tied and own heads, biases, scaled rotary positions come back", arguments: changes)
  func choices(_ one: Change) throws {
    let model = Decoder<Float>(try sizes(one.family, one.change), seed: 4)
    #expect(model.configuration.problem == nil && model.configuration.unwritableAsGGUF == nil)
    try roundTrip(model) { file in
      let loaded = try file.loadModel()
      #expect(loaded.configuration.choiceValues == model.configuration.choiceValues)
      for (a, b) in zip(model.parameters, loaded.parameters) { #expect(a.parameter.array == b.parameter.array, "\(a.path)") }
    }
  }

  static let refusals = [
    Change("nanochat", "no architecture for the family nanochat") { _ in },
    Change("llama", "its feed-forward layers") { $0.feedForward = .gated(.geluTanh) },
    Change("gpt2", "its feed-forward layers") { $0.feedForward = .plain(.relu) },
    Change("mistral", "its window") { $0.window = DecoderConfiguration.Window(size: 4) },
    Change("qwen2", "its window") { $0.window = DecoderConfiguration.Window(size: 4, layers: .from(1)) },
    Change("llama", "its soft cap") { $0.softCap = 15 },
    Change("arcee", "no such biases") { $0.biases = $0.family.biases },
    Change("qwen3", "no such biases") { $0.biases = $0.family.biases },
    .rotary("its positions") { $0.share = 0.5 },
    .rotary("its positions") {
      $0.scaling = .llama3(factor: 32, lowFactor: 2, highFactor: 3, originalContext: 8192)
    },
  ]

  @Test("what llama.cpp computes otherwise is refused, and not written", arguments: refusals)
  func refused(_ one: Change) throws {
    let model = Decoder<Float>(try sizes(one.family, one.change), seed: 4)
    try temporaryDirectory { folder in
      let error = #expect(throws: LanguageModelError.self) {
        try GGUFModel.write(model, tokenizer: tokenizer, to: folder + "/x.gguf")
      }
      #expect("\(error!)".contains(one.reason), "\(error!)")
      let left = try POSIXFileSystem().list(folder)
      #expect(left.isEmpty)
    }
  }

  @Test("a mistral whose window holds the whole context is a llama there")
  func mistral() throws {
    let model = Decoder<Float>(
      try sizes("mistral") { $0.window = DecoderConfiguration.Window(size: 12) }, seed: 5)
    try roundTrip(model) { file in
      let family = try file.configuration().family
      #expect(family == .llama)
      let loaded = try file.loadModel()
      #expect(logits(loaded) == logits(model))
    }
  }

  @Test("queries and keys of a llama stand pair by pair, those of a qwen as here", arguments: ["llama", "qwen2", "arcee"])
  func pairs(_ name: String) throws {
    let model = Decoder<Float>(try sizes(name), seed: 6), D = 8, C = 32
    try roundTrip(model) { file in
      let stored = try file.file.readFloats("blk.1.attn_k.weight", 0..<2 * D * C)
      let own = model.blocks[1].attention.input.weight.array
      for row in 0..<2 * D {
        let inHead = row % D, paired = row - inHead + inHead % 2 * D / 2 + inHead / 2
        let source = C + (name == "qwen2" ? row : paired)
        #expect(Array(stored[row * C..<(row + 1) * C]) == Array(own[source * C..<(source + 1) * C]), "\(row)")
      }
    }
  }

  @Test("rows that blocks do not divide are F16, vectors F32, positions F32", arguments: GGUFNumberType.allCases)
  func types(_ weights: GGUFNumberType) throws {
    let model = Decoder<Float>(try sizes("gpt2") { $0.feedForwardWidth = 40 }, seed: 7)
    try roundTrip(model, weights) { file in
      func type(_ name: String) -> String? { file.file.header.entry(name)?.type.name }
      let isBlocks = weights.type.encoding.blockLength > 1
      #expect(type("token_embd.weight") == weights.type.name && type("output.weight") == weights.type.name)
      #expect(type("blk.0.ffn_down.weight") == (isBlocks ? "F16" : weights.type.name))
      #expect(type("blk.0.attn_norm.weight") == "F32" && type("blk.0.attn_qkv.bias") == "F32")
      #expect(type("position_embd.weight") == "F32")
      #expect(file.file.metadata["general.file_type"] == .uint32(weights.fileType))
      let loaded = try file.loadModel()
      #expect(loaded.configuration.tiesHead)
      let numbers = model.tokenEmbedding.weight.array
      #expect(loaded.tokenEmbedding.weight.array == weights.rounded(numbers))
    }
  }

  @Test("a number that a type cannot hold is refused by name")
  func tooLarge() throws {
    let model = Decoder<Float>(try sizes("llama"), seed: 8)
    var numbers = model.tokenEmbedding.weight.array
    numbers[5] = 70000
    model.tokenEmbedding.weight.set(numbers)
    try temporaryDirectory { folder in
      let error = #expect(throws: LanguageModelError.self) {
        try GGUFModel.write(model, tokenizer: tokenizer, weights: .f16, to: folder + "/x.gguf")
      }
      #expect("\(error!)".contains("token_embd.weight holds 70000.0 at index 5, which f16 cannot hold"), "\(error!)")
      try GGUFModel.write(model, tokenizer: tokenizer, weights: .q8_0, to: folder + "/x.gguf")
    }
  }

  @Test("card and template go along, and a model of more rows than tokens gets tokens that nobody uses")
  func card() throws {
    var card = ModelCard()
    (card.name, card.license, card.languages, card.chatTemplate) = ("Tiny model", "apache-2.0", ["en", "de"], "{{ x }}")
    card.baseModel = "Large model"
    let model = Decoder<Float>(try sizes("llama") { $0.vocabularySize = 20 }, seed: 9)
    try temporaryDirectory { folder in
      let copy = ModelCopy(model, tokenizer: tokenizer, card: card)
      let path = try ModelFormat.gguf.write(copy, weights: "q8_0", to: folder + "/")
      #expect(path == folder + "/Tiny-model-20K-v1.0-Q8_0.gguf")
      let read = try openModel(path)
      #expect(read is GGUFModel)
      let readCard = try read.card(), tokens = try read.tokenizer()
      #expect(readCard == card && tokens.vocabularySize == 20)
      let ends = try read.endTokens()
      #expect(ends == (tokenizer.endOfText.map { [$0] } ?? []))
      let hub = try ModelFormat.directory.write(
        ModelCopy(try read.loadModel(), tokenizer: tokenizer, card: read.card()), weights: "f32", to: folder + "/hub")
      let hubCard = try openModel(hub).card()
      #expect(hubCard == card)
      let (first, second) = (try openModel(hub).loadModel(), try read.loadModel())
      #expect(logits(first) == logits(second))
    }
  }
}

extension DecoderConfiguration {
  /// All that is computed: neither what training drops nor how files spell it.
  fileprivate var choiceValues: [String] {
    choices.filter { !["its dropout", "its initial deviation"].contains($0.name) }.map { "\($0.name) \($0.value)" }
  }
}

@Suite(
  "GGUF files against transformers and gguf",
  .enabled(if: TransformersPeer.python != nil, "set AUTOGRAD_PYTHON to a Python with transformers and gguf"))
struct LiveGGUFTests {
  private func logits(_ model: Decoder<Double>, _ ids: [Int32]) -> [Double] {
    let tape = Tape<Double>()
    return tape.step { tape in tape.inference { model.logits(tape.tokens(ids.span, shape: [1, ids.count])).array } }
  }

  @Test("transformers reads what is written here, with the same logits", arguments: ["gpt2", "llama", "qwen2", "qwen3"])
  func transformers(_ name: String) throws {
    let tokenizer = try CharacterTokenizer(training: Array("abcdefg".utf8)), family = try #require(ModelFamily.named(name))
    var sizes = try DecoderConfiguration(
      vocabularySize: 16, contextLength: 12, layerCount: 2, headCount: 4, channelCount: 32,
      keyValueHeadCount: name == "gpt2" ? nil : 2, headSize: name == "qwen3" ? 128 : nil, feedForwardWidth: 64,
      family: family)
    if name == "llama" { sizes.normEpsilon = 1e-5 }
    let model = Decoder<Float>(sizes, seed: 3), ids: [Int32] = [1, 5, 2, 9, 0, 3]
    try temporaryDirectory { folder in
      let paths = GGUFNumberType.allCases.map { (weights: $0, path: folder + "/\($0.rawValue).gguf") }
      for (weights, path) in paths {
        try GGUFModel.write(model, tokenizer: tokenizer, weights: weights, to: path)
        try expectSameTensors(path)
      }
      // transformers takes GPT-2's vocabulary for one of 50257 tokens whatever a GGUF file says.
      guard name != "gpt2" else { return }
      let asked = paths.map { JSON.array([.string($0.path), .array(ids.map { .integer(Int64($0)) })]) }
      let answers = try #require(try TransformersPeer.ask(["gguf"], .array(asked)).arrayValue)
      #expect(answers.count == paths.count)
      for ((weights, path), answer) in zip(paths, answers) {
        let own = logits(try GGUFModel(path).loadModel(as: Double.self, dropout: nil), ids)
        let theirs = try #require(answer.arrayValue).compactMap(\.doubleValue)
        // The norms' epsilon is a Float there.
        #expect(distance(theirs, own) <= 1e-6 * norm(own), "\(weights): \(distance(theirs, own) / norm(own))")
      }
    }
  }

  /// The package gguf reads the same numbers of every tensor.
  private func expectSameTensors(_ path: String) throws {
    let hashes = try TransformersPeer.ask(["tensors", path]), file = try GGUFModel(path).file
    #expect(hashes.objectValue?.count == file.tensors.count)
    for entry in file.header.entries {
      var hash = SHA256()
      for number in try file.readFloats(entry.name, 0..<entry.elementCount) {
        hash.update(number.bitPattern.littleEndianBytes)
      }
      let own = hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      #expect(hashes[entry.name]?.stringValue == own, "\(entry.name)")
    }
  }
}

extension UInt32 {
  fileprivate var littleEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) } }
}
