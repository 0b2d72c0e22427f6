import AutogradBase
import AutogradKernels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels
@testable import AutogradTraining

/// What holds of a run holds for every family.
@Suite("Training of families") struct FamilyTrainingTests {
  static let families = ModelFamily.all.map(\.modelType)

  private let text = Array(
    String(repeating: "pack my box with five dozen liquor jugs; how vexingly quick daft zebras jump! ", count: 20).utf8)

  /// Heads that share keys where the family has that, a window shorter than the text, an odd width.
  private func trainer(
    _ family: String, threads: Int = 2, dropout: Double = 0, precision: MatmulPrecision = .float32,
    recomputing: Bool = false, accumulation: Int = 1
  ) throws -> (Trainer, CharacterTokenizer) {
    let tokenizer = try CharacterTokenizer(training: text), kind = try #require(ModelFamily.named(family))
    let shares = family != "gpt2"
    var sizes = try DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 33, layerCount: 2, headCount: 6, channelCount: 48,
      keyValueHeadCount: shares ? 2 : nil, headSize: ["qwen3", "mistral"].contains(family) ? 10 : nil,
      feedForwardWidth: 40, dropout: dropout, family: kind)
    if family == "mistral" { sizes.window = .init(size: 9) }
    if family == "qwen3" { sizes.window = .init(size: 14, layers: .only([0])) }
    #expect(sizes.unwritable == nil)
    var model = Decoder<Float>(sizes, seed: 7)
    model.recomputesBlocks = recomputing
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = 12
    configuration.accumulation = accumulation
    (configuration.learningRate, configuration.warmupSteps) = (1e-2, 2)
    (configuration.evaluationInterval, configuration.evaluationBatches) = (6, 1)
    configuration.precision = precision
    let trainer = try Trainer(
      model: model,
      data: try .windows(
        of: try TokenDataset(tokens: try tokenizer.encode(text)), blockSize: 33, batchSize: 3, seed: 1),
      configuration: configuration, backend: Backend(pool: ThreadPool(threads: threads)))
    return (trainer, tokenizer)
  }

  @Test(
    "the arena's peak is the plan's to the byte", arguments: families,
    [(0, .float32, false), (0.2, .float32, true), (0.2, .bfloat16, false)] as [(Double, MatmulPrecision, Bool)])
  func plan(family: String, kind: (dropout: Double, precision: MatmulPrecision, recomputing: Bool)) throws {
    let (trainer, _) = try trainer(
      family, dropout: kind.dropout, precision: kind.precision, recomputing: kind.recomputing, accumulation: 2)
    let plan = trainer.plan()
    try trainer.run { _ throws(TrainingError) in }
    #expect(trainer.arenaStatistics.peak == plan.arenaBytes && trainer.arenaStatistics.chunks == 1)
  }

  @Test("weights and moments have the same bits for 1, 2, 3 and 8 threads, and with recomputation", arguments: families)
  func sameBits(family: String) throws {
    for (dropout, precision) in [(0.1, MatmulPrecision.float32), (0, .bfloat16)] {
      var fingerprints: Set<String> = []
      for (threads, recomputing) in [(1, false), (2, true), (3, false), (8, false)] {
        let (trainer, _) = try trainer(
          family, threads: threads, dropout: dropout, precision: precision, recomputing: recomputing)
        for _ in 0..<4 { _ = try trainer.step() }
        fingerprints.insert("\(trainer.fingerprint())")
      }
      #expect(fingerprints.count == 1, "\(family) in \(precision)")
    }
  }

  @Test("a checkpoint in the middle of a step goes on to the same bits", arguments: families)
  func resume(family: String) throws {
    try temporaryDirectory { path in
      let (whole, tokenizer) = try trainer(family, accumulation: 2), (begun, _) = try trainer(family, accumulation: 2)
      let store = CheckpointStore(folder: path + "/checkpoints", fileSystem: POSIXFileSystem())
      let checkpointer = Checkpointer(store: store, tokenizer: tokenizer, data: DataIdentity(path: nil, bytes: text))
      for _ in 0..<7 { _ = try begun.advance() }
      #expect(begun.progress.accumulated == 1)
      _ = checkpointer.saveInterrupted(begun)
      let checkpoint = try Checkpoint(store.path(try #require(try store.entries().last)))
      #expect(checkpoint.record.model == begun.model.configuration)
      #expect(checkpoint.record.settings.family.modelType == family)
      let (resumed, _) = try trainer(family, accumulation: 2)
      try checkpoint.restore(into: resumed)
      try resumed.run { _ throws(TrainingError) in }
      try whole.run { _ throws(TrainingError) in }
      #expect(resumed.fingerprint() == whole.fingerprint())
    }
  }

  @Test("it learns, and every parameter moves", arguments: families)
  func learns(family: String) throws {
    let (trainer, _) = try trainer(family), before = trainer.model.parameters.map(\.parameter.array)
    var losses: [Double] = []
    for _ in 0..<12 { losses.append(try trainer.step().loss) }
    #expect(losses[11] < losses[0] - 0.5, "\(losses)")
    for (named, old) in zip(trainer.model.parameters, before) { #expect(named.parameter.array != old, "\(named.path)") }
  }

  @Test("settings make the model that they say, and a model's settings make it again", arguments: families)
  func settings(family: String) throws {
    var given = GivenSettings()
    given["family"] = .string(family)
    let plain = RunSettings(.standard, given)
    #expect(plain.family.modelType == family && plain.description.hasPrefix("--grad-accum") == true)
    let model = try DecoderConfiguration(plain, vocabularySize: 40)
    var taken = RunSettings()
    taken.takeSizes(of: model)
    #expect(try DecoderConfiguration(taken, vocabularySize: 40) == { var m = model; m.contextLength = 64; return m }())
    #expect(taken.description.contains("--family \(family)") == (family != "gpt2"))
    #expect(!taken.description.contains("--n-kv-head") && !taken.description.contains("--n-inner"))
    if family != "gpt2" {
      given["n_kv_head"] = .integer(2)
      given["rope_theta"] = .number(500)
      let changed = try DecoderConfiguration(RunSettings(.standard, given), vocabularySize: 40)
      #expect(changed.keyValueHeadCount == 2 && changed.rotaryBase == 500)
      taken.takeSizes(of: changed)
      #expect(taken.description.contains("--n-kv-head 2") && taken.description.contains("--rope-theta 500"))
    }
  }

  @Test("choices that a family does not have are refused in words")
  func refused() throws {
    func problem(_ family: String, _ key: String, _ value: JSON) throws -> String {
      var given = GivenSettings()
      given["family"] = .string(family)
      given[key] = value
      let settings = RunSettings(.standard, given)
      let error = #expect(throws: LanguageModelError.self) { try DecoderConfiguration(settings, vocabularySize: 40) }
      return error.map { "\($0)" } ?? ""
    }
    #expect(try problem("gpt2", "n_kv_head", .integer(2)).contains("cannot say what this model has: its key-value heads"))
    #expect(try problem("gpt2", "rope_theta", .number(3)).contains("learn their positions, which have no base"))
    #expect(try problem("llama", "sliding_window", .integer(4)).contains("its window"))
    #expect(try problem("mistral", "bias", .bool(true)).contains("have no biases"))
    #expect(try problem("qwen2", "bias", .bool(false)).contains("its biases"))
    #expect(try problem("llama", "n_kv_head", .integer(3)).contains("4 heads cannot share 3 key-value heads"))
    #expect(try problem("llama", "head_dim", .integer(7)).contains("do not divide into pairs"))
  }
}
