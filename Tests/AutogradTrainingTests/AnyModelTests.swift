import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import AutogradText
import AutogradTraining
import Testing

/// A language model that is no decoder: the next token by the last one alone.
private struct Bigram: LanguageModel {
  let configuration: DecoderConfiguration
  let table: Embedding<Float>
  let head: Parameter<Float>
  var recomputesBlocks = false

  init(_ configuration: DecoderConfiguration) {
    self.configuration = configuration
    table = Embedding(rows: configuration.vocabularySize, channels: configuration.channelCount)
    head = Parameter(zeros: [configuration.vocabularySize, configuration.channelCount])
  }

  func listParts(_ parts: inout ModuleParts<Float>) {
    parts.add("tokenEmbedding", table)
    parts.add("head.weight", head)
  }

  var tensors: [ModelTensor<Float>] {
    [
      ModelTensor(
        TensorDescription("tokenEmbedding.weight", table.weight.shape, .tokenEmbedding), storedName: "wte.weight",
        parameter: table.weight),
      ModelTensor(
        TensorDescription("head.weight", head.shape, .head), storedName: "lm_head.weight", parameter: head),
    ]
  }

  func initialize(seed: UInt64) {
    var random = RandomStream(seed: seed, purpose: .initialization)
    for tensor in tensors { tensor.parameter.fill(.normal(deviation: 0.1), &random) }
  }

  func withoutWeights(contextLength: Int) -> Bigram {
    var sizes = configuration
    sizes.contextLength = contextLength
    return Bigram(sizes)
  }

  func hiddenStates(_ tokens: Tokens, passing: (ModelStage) -> Void) -> Variable<Float> {
    defer { passing(.embedding) }
    return table(tokens)
  }

  func hiddenStates(_ tokens: Tokens, through pass: CachePass<Float>) -> Variable<Float> { table(tokens) }

  func logits(of hidden: Variable<Float>) -> Variable<Float> { hidden.linear(head) }

  func loss(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, weights: (any Operand<Float>)?, ignoring: Int32?,
    expectedSeed: Float, passing: (ModelStage) -> Void
  ) -> Variable<Float> {
    // A bigram sees one token, so documents make no difference to it.
    precondition(weights == nil)
    return hiddenStates(tokens, passing: passing)
      .linearCrossEntropy(head, targets, ignoring: ignoring, expectedSeed: expectedSeed)
  }

  func losses(
    _ tokens: Tokens, targets: Tokens, positions: Tokens?, passing: (ModelStage) -> Void
  ) -> Variable<Float> {
    hiddenStates(tokens, passing: passing).linearCrossEntropyLosses(head, targets)
  }
}

/// Everything from a text to a continued text, with whatever tokenizer and model.
@Suite("Any tokenizer, any model") struct AnyModelTests {
  private let text = Array(String(repeating: "the thin thread of the thistle is then the thing. ", count: 30).utf8)

  private func sizes(_ tokenizer: any Tokenizer) throws -> DecoderConfiguration {
    try DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 16, layerCount: 1, headCount: 2, channelCount: 16)
  }

  private func configuration(steps: Int) -> TrainingConfiguration {
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = steps
    (configuration.learningRate, configuration.minimumLearningRate) = (2e-2, 2e-3)
    (configuration.warmupSteps, configuration.decaySteps) = (2, steps)
    (configuration.evaluationInterval, configuration.evaluationBatches) = (20, 1)
    configuration.saveInterval = 20
    return configuration
  }

  /// Trains, saves, goes on from a checkpoint to the same bits, loads, measures and continues.
  private func chain(
    _ tokenizer: any Tokenizer, make: () throws -> any LanguageModel<Float>,
    load: (String, [TokenizerKind]) throws -> (any LanguageModel<Float>, any Tokenizer)
  ) throws {
    try temporaryDirectory { path in
      let dataset = try TokenDataset(tokens: try tokenizer.encode(text))
      func trainer() throws -> Trainer {
        let model = try make()
        model.initialize(seed: 3)
        return try Trainer(
          model: model, data: try .windows(of: dataset, blockSize: 16, batchSize: 4, seed: 1),
          configuration: configuration(steps: 40), backend: Backend(pool: ThreadPool(threads: 1)))
      }
      let store = CheckpointStore(folder: path + "/checkpoints", fileSystem: POSIXFileSystem())
      let checkpointer = Checkpointer(store: store, tokenizer: tokenizer, data: DataIdentity(path: nil, bytes: text))
      let first = try trainer()
      var losses: [Double] = []
      try first.run(checkpointer: checkpointer) { event throws(TrainingError) in
        if case .evaluation(let metrics) = event { losses.append(metrics.validationLoss) }
      }
      #expect(losses.count == 2 && losses[1] < losses[0] && losses[1] < 2.5, "\(losses)")

      let entries = try store.entries(), second = try trainer()
      #expect(entries.count == 2)
      let checkpoint = try Checkpoint(store.path(entries[0]))
      try checkpoint.restore(into: second)
      #expect(second.stepCount == 20)
      try second.run { _ throws(TrainingError) in }
      #expect(second.fingerprint() == first.fingerprint())

      let kinds = TokenizerKind.all + [.bytes]
      let (loaded, loadedTokenizer) = try load(store.path(entries[1]), kinds)
      #expect(loadedTokenizer.isSame(as: tokenizer) && type(of: loadedTokenizer) == type(of: tokenizer))
      for (a, b) in zip(loaded.tensors, first.model.tensors) { #expect(a.parameter.array == b.parameter.array) }
      let evaluation = try Evaluator(model: loaded).evaluate(text, loadedTokenizer)
      let beginning = try loadedTokenizer.encode(text)[0]
      #expect(evaluation.loss < 2.5 && evaluation.byteCount == text.count - loadedTokenizer.bytes(of: beginning).count)
      var greedy = Sampler()
      greedy.temperature = 0
      let continued = try loaded.generate("the ", tokenizer: loadedTokenizer, maximumTokens: 12, sampler: greedy)
      #expect(continued.utf8.count >= 12)
      let own = try first.model.generate("the ", tokenizer: tokenizer, maximumTokens: 12, sampler: greedy)
      #expect(continued == own)
      let empty = #expect(throws: GenerationError.self) {
        try loaded.generate("", tokenizer: loadedTokenizer, maximumTokens: 1)
      }
      #expect("\(try #require(empty))" == "\(TextError.emptyPrompt)")
      let stopped = try loaded.generate(
        "the ", tokenizer: loadedTokenizer, maximumTokens: 60, sampler: greedy, stops: [String(continued.suffix(2))])
      #expect(continued.hasPrefix(stopped) && !stopped.contains(String(continued.suffix(2))))
    }
  }

  private func tokenizer(_ name: String) throws -> any Tokenizer {
    try #require((TokenizerKind.all + [.bytes]).first { $0.name == name }).train(text)
  }

  @Test("a decoder, with every tokenizer", arguments: (TokenizerKind.all + [.bytes]).map(\.name))
  func decoder(kind: String) throws {
    let tokenizer = try tokenizer(kind), sizes = try sizes(tokenizer)
    try chain(tokenizer) {
      Decoder<Float>(sizes)
    } load: { path, kinds in
      try ModelDirectory(path, tokenizerKinds: kinds).load()
    }
  }

  @Test("a model that is no decoder, with every tokenizer", arguments: (TokenizerKind.all + [.bytes]).map(\.name))
  func bigram(kind: String) throws {
    let tokenizer = try tokenizer(kind)
    var own = try sizes(tokenizer)
    own.head = .own
    let sizes = own
    try chain(tokenizer) {
      Bigram(sizes)
    } load: { path, kinds in
      let model = Bigram(sizes), directory = ModelDirectory(path, tokenizerKinds: kinds)
      try directory.load(into: model)
      return (model, try directory.tokenizer())
    }
  }
}
