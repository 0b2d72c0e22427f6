import AutogradEngine
import AutogradBase
import AutogradModels
import AutogradTestSupport
import Testing
import AutogradText

/// Against Hugging Face's own code.
@Suite("Hugging Face transformers", .enabled(if: TransformersPeer.python != nil, "set AUTOGRAD_PYTHON to a Python with transformers"))
struct TransformersTests {
  private let text = "The quick brown fox — «jumps» over Ünïcödé 中文 😀 dogs.\n0123456789"

  private func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  @Test("a model saved here gives the same logits there, its tokenizer the same ids", arguments: [true, false])
  func saved(bias: Bool) throws {
    let tokenizer = try CharacterTokenizer(training: Array(text.utf8))
    let model = Decoder<Float>(
      try DecoderConfiguration(
        vocabularySize: tokenizer.vocabularySize, contextLength: 32, layerCount: 2, headCount: 2, channelCount: 32,
        hasBias: bias), seed: 5)
    for named in model.parameters { named.parameter.set(named.parameter.array.map { $0 * 3 + 0.01 }) }
    try temporaryDirectory { folder in
      try ModelDirectory(folder).save(model, tokenizer: tokenizer)
      let V = model.configuration.vocabularySize
      let sequences = [1, 7, 32].map { length in (0..<length).map { Int32(($0 * 7 + length) % V) } }
      let answer = try TransformersPeer.ask(
        ["logits", folder], .array(sequences.map { .array($0.map { .integer(Int64($0)) }) }))
      let tape = Tape<Float>()
      for (index, ids) in sequences.enumerated() {
        let ours = tape.step { tape in
          tape.inference { model.logits(tape.tokens(ids.span, shape: [1, ids.count])).array.map(Double.init) }
        }
        func theirs(_ type: String) throws -> [Double] {
          try #require(answer[type]?.arrayValue?[index].arrayValue).compactMap(\.doubleValue)
        }
        let exact = try theirs("float64"), single = try theirs("float32")
        let error = norm(zip(ours, exact).map { $0 - $1 }), allowed = 2 * norm(zip(single, exact).map { $0 - $1 })
        #expect(error <= allowed, "\(ids.count) tokens: \(error) against \(allowed)")
      }
      try compareIds(tokenizer, folder)
    }
  }

  private func compareIds(_ tokenizer: CharacterTokenizer, _ folder: String) throws {
    var random = RandomStream(seed: 3, purpose: .evaluation)
    let strings = (0..<1000).map { _ in
      String(String.UnicodeScalarView((0..<1 + random.integer(below: 40)).map { _ in
        tokenizer.scalars[random.integer(below: tokenizer.characterCount)]
      }))
    }
    let answer = try TransformersPeer.ask(["ids", folder], .array(strings.map { .string($0) }))
    let ids = try #require(answer["ids"]?.arrayValue), texts = try #require(answer["texts"]?.arrayValue)
    for (index, string) in strings.enumerated() {
      #expect(try tokenizer.encode(string).map(Int.init) == ids[index].arrayValue?.compactMap(\.intValue))
      #expect(texts[index].stringValue.map { Array($0.utf8) } == Array(string.utf8))
    }
  }

  @Test(
    "a folder does what its tools do by default: pipeline, generate, padding, Trainer, saved there and opened here",
    arguments: ["the cat sat on the mat.\n", "zwölf Ärzte, 中文\t", "abcxyz"], [true, false])
  func defaults(text: String, bias: Bool) throws {
    let tokenizer = try CharacterTokenizer(training: Array(text.utf8))
    let model = Decoder<Float>(
      try DecoderConfiguration(
        vocabularySize: tokenizer.vocabularySize, contextLength: 24, layerCount: 1, headCount: 2, channelCount: 16,
        hasBias: bias, dropout: 0.1), seed: 5)
    try temporaryDirectory { folder in
      try ModelDirectory(folder).save(model, tokenizer: tokenizer)
      let prompt = String(text.unicodeScalars.prefix(6)), own = try tokenizer.encode(prompt)
      let answer = try TransformersPeer.ask(["defaults", folder, folder], .string(prompt))
      #expect(answer["tokens"] == answer["rows"] && answer["rows"]?.intValue == tokenizer.vocabularySize)
      #expect(answer["model_max_length"]?.intValue == 24)
      #expect(answer["ids"]?.arrayValue?.compactMap(\.intValue) == own.map(Int.init))
      let padding = try #require(answer["pad"]?.intValue)
      #expect(0..<tokenizer.vocabularySize ~= padding && answer["eos"]?.intValue == padding)
      #expect(try #require(answer["pipeline"]?.stringValue).utf8.count > 0)
      #expect(answer["generate"] == .array([.integer(1), .integer(24)]))
      #expect(answer["generate_long"] == .array([.integer(1), .integer(24)]))
      #expect(answer["padded"]?.arrayValue?.count == 3)
      #expect(try #require(answer["trained"]?.doubleValue).isFinite)
      // And back: the same numbers, the same ids, the same settings.
      let (saved, savedTokenizer) = try ModelDirectory(folder + "/saved").load()
      #expect(zip(saved.parameters, model.parameters).allSatisfy { $0.parameter.array == $1.parameter.array })
      #expect(savedTokenizer.isSame(as: tokenizer))
      #expect(saved.configuration.dropout == model.configuration.dropout && saved.configuration.hasBias == bias)
      if bias {
        let (trained, _) = try ModelDirectory(folder + "/trained").load()
        #expect(zip(trained.parameters, model.parameters).contains { $0.parameter.array != $1.parameter.array })
      } else {
        // GPT-2 has biases, and training there moves them: they are no zeros any more.
        let error = #expect(throws: LanguageModelError.self) { try ModelDirectory(folder + "/trained").load() }
        #expect("\(try #require(error))".contains("although config.json says that there are no biases"))
      }
    }
  }

  @Test(
    "a random GPT-2 made there has the same loss here",
    arguments: [
      ["50", "16", "1", "1", "8"], ["70", "24", "2", "4", "48"], ["61", "40", "3", "3", "33"],
    ], [["tied", "float32"], ["untied", "float32"], ["tied", "bfloat16"], ["untied", "bfloat16"]])
  func made(sizes: [String], kind: [String]) throws {
    try temporaryDirectory { folder in
      _ = try TransformersPeer.ask(["make", folder] + sizes + kind)
      let vocabulary = try #require(Int(sizes[0]))
      let tokens = (0..<203).map { Int32(($0 * $0 * 31 + $0 * 7) % vocabulary) }
      let expected = try #require(
        try TransformersPeer.ask(["loss", folder], .array(tokens.map { .integer(Int64($0)) }))["loss"]?.doubleValue)
      // There is no tokenizer: the ids are given.
      let model = try ModelDirectory(folder).loadModel()
      let loss = try #require(Evaluator(model: model).loss(of: tokens)).loss
      #expect(abs(loss - expected) <= 1e-5 * abs(expected), "\(loss) against \(expected)")
    }
  }
}
