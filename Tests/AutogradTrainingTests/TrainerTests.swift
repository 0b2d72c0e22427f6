import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import Testing
import AutogradText
import AutogradTraining

@Suite("Trainer") struct TrainerTests {
  private let text = Array(
    String(repeating: "pack my box with five dozen liquor jugs; how vexingly quick daft zebras jump! ", count: 30).utf8)

  private func trainer(
    threads: Int = 2, steps: Int = 30, rate: Double = 1e-2, dropout: Double = 0, batch: Int = 4,
    precision: MatmulPrecision = .float32, recomputing: Bool = false
  ) throws -> (Trainer, CharacterTokenizer) {
    let tokenizer = try CharacterTokenizer(training: text)
    var model = Decoder<Float>(
      try DecoderConfiguration(
        vocabularySize: tokenizer.vocabularySize, contextLength: 33, layerCount: 2, headCount: 3, channelCount: 48,
        hasBias: true, dropout: dropout), seed: 7)
    model.recomputesBlocks = recomputing
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = steps
    configuration.learningRate = rate
    configuration.minimumLearningRate = 1e-4
    configuration.warmupSteps = 5
    configuration.evaluationInterval = 10
    configuration.evaluationBatches = 2
    configuration.precision = precision
    let trainer = try Trainer(
      model: model,
    data: try .windows(
      of: try TokenDataset(tokens: try tokenizer.encode(text)), blockSize: model.configuration.contextLength,
      batchSize: batch, seed: configuration.seed), configuration: configuration,
      backend: Backend(pool: ThreadPool(threads: threads)))
    return (trainer, tokenizer)
  }

  @Test(
    "model.safetensors has the same bytes for 1, 2, 3 and 8 threads, over repeated runs and with recomputation",
    arguments: [(0, .float32), (0.2, .float32), (0.2, .bfloat16)] as [(Double, MatmulPrecision)])
  func sameBytes(dropout: Double, precision: MatmulPrecision) throws {
    var files: [[UInt8]] = []
    for (threads, recomputing) in [(1, false), (2, false), (3, true), (8, false), (2, true)] {
      let (trainer, tokenizer) = try trainer(
        threads: threads, dropout: dropout, precision: precision, recomputing: recomputing)
      try trainer.run { _ throws(TrainingError) in }
      try temporaryDirectory { path in
        try ModelDirectory(path).save(trainer.model, tokenizer: tokenizer)
        files.append(try POSIXFileSystem().read(path + "/model.safetensors", byteLimit: 1 << 24))
      }
    }
    for file in files.dropFirst() { #expect(file == files[0]) }
  }

  @Test("learns its text, and every parameter moves within 10 steps")
  func learns() throws {
    let (trainer, _) = try trainer(steps: 150)
    let before = trainer.model.parameters.map { $0.parameter.array }
    var evaluations: [EvaluationMetrics] = []
    for _ in 0..<10 { _ = try trainer.step() }
    for (named, old) in zip(trainer.model.parameters, before) {
      // The key bias (the middle third of c_attn.bias) has a zero gradient; its neighbours move.
      #expect(named.parameter.array != old, "\(named.path)")
    }
    try trainer.run { event throws(TrainingError) in
      if case .evaluation(let metrics) = event { evaluations.append(metrics) }
    }
    let last = try #require(evaluations.last)
    #expect(last.validationLoss < 0.5)
    #expect(last.trainingLoss < 0.5)
  }

  @Test("what is called before the norm changes the gradients of norm and step, once a step, and may end the run")
  func beforeNorm() throws {
    let (plain, _) = try trainer(), (halved, _) = try trainer()
    var calls = 0
    halved.beforeNorm = { optimizer throws(TrainingError) in
      calls += 1
      optimizer.changeGradients { _, gradient in for i in gradient.indices { gradient[i] *= 0.5 } }
    }
    let norm = try plain.step().gradientNorm
    #expect(try halved.step().gradientNorm == norm / 2)
    #expect(calls == 1)
    halved.beforeNorm = { _ throws(TrainingError) in throw .cancelled(steps: 1) }
    #expect(throws: TrainingError.self) { try halved.run { _ throws(TrainingError) in } }
    #expect(halved.stepCount == 1)
  }

  @Test("a diverging run stops before its weights are poisoned")
  func diverges() throws {
    // Weights that Adam moves by 1e30 in a step overflow in every product of the next one.
    let (trainer, _) = try trainer(steps: 200, rate: 1e30)
    var actions: [NonFinitePolicy] = []
    let error = #expect(throws: TrainingError.self) {
      try trainer.run { event throws(TrainingError) in
        if case .nonFinite(_, let action) = event { actions.append(action) }
      }
    }
    guard case .nonFinite(let bad)? = error else {
      Issue.record("it ended with \(error as Any)")
      return
    }
    #expect("\(error as Any)".contains("training diverged in step \(bad.step)"))
    #expect(!bad.loss.isFinite || !bad.gradientNorm.isFinite)
    #expect(actions == [.skip, .skip, .skip, .stop] && trainer.stepCount == bad.step - 1)
    #expect(trainer.model.parameters.allSatisfy { $0.parameter.array.allSatisfy(\.isFinite) })
    #expect(trainer.progress.tokens > 0, "not even one step was taken")
  }

  @Test("a cancelled task ends the run after a whole step; another run goes on from there")
  func cancellation() async throws {
    nonisolated(unsafe) let trainer = try trainer(steps: 40).0
    let task = Task {
      try trainer.run { event throws(TrainingError) in
        if case .step(let metrics) = event, metrics.step == 20 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }
    await #expect(throws: TrainingError.self) { try await task.value }
    #expect(trainer.stepCount == 20)
    try trainer.run { _ throws(TrainingError) in }
    #expect(trainer.stepCount == 40)
  }

  @Test("a profiled step has every operation, the steps after it cost nothing")
  func profile() throws {
    let (trainer, _) = try trainer(steps: 5)
    trainer.profiledStep = 3
    try trainer.run { _ throws(TrainingError) in }
    let profile = try #require(trainer.lastProfile)
    #expect(Set(profile.totals.map(\.name)).isSuperset(of: ["linear", "layerNorm", "causalAttention", "embedding"]))
  }

  @Test("data shorter than a window is refused with both numbers")
  func tooShort() throws {
    let tokenizer = try CharacterTokenizer(training: Array("abc".utf8))
    let dataset = try TokenDataset(tokens: try tokenizer.encode("abcabcabcabc"))
    let advice = "give more text, or a block size of at most 1"
    #expect(throws: TextError.tooShort(part: .validation, tokenCount: 2, blockSize: 8, advice: advice)) {
      try TrainingData.windows(of: dataset, blockSize: 8, batchSize: 1, seed: 1)
    }
  }

  @Test("impossible settings are refused in words")
  func configuration() throws {
    let (trainer, _) = try trainer()
    var configuration = trainer.configuration
    configuration.beta2 = 1
    do {
      let dataset = try TokenDataset(tokens: [Int32](repeating: 0, count: 1000))
      _ = try Trainer(
        model: trainer.model, data: try .windows(of: dataset, blockSize: 33, batchSize: 1, seed: 1),
        configuration: configuration)
      Issue.record("accepted beta2 = 1")
    } catch {
      #expect("\(error)" == "beta2 must be at least 0 and below 1, got 1.0")
    }
  }

  @Test("the log has one JSON object per line, with the documented keys")
  func log() throws {
    try temporaryDirectory { path in
      let (trainer, _) = try trainer(steps: 20), log = try TrainingLog(path: path + "/log.jsonl")
      try trainer.run { event throws(TrainingError) in log.write(event) }
      let bytes = try POSIXFileSystem().read(path + "/log.jsonl", byteLimit: 1 << 20)
      let lines = try bytes.split(separator: UInt8(ascii: "\n")).map { try JSON(parsing: Array($0)) }
      let keys = lines.map { $0.objectValue!.map(\.key).joined(separator: " ") }
      let step = "step loss lr grad_norm tokens_per_second arena_bytes"
      let evaluation = "step train_loss val_loss fingerprint"
      #expect(keys == [step, evaluation, step, evaluation])
      #expect(lines.map { $0["step"]?.intValue } == [10, 10, 20, 20])
    }
  }
}
