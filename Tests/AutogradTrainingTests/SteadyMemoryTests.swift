import AutogradEngine
import AutogradBase
import CAutogradTestSupport
import Foundation
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import Testing
import AutogradText
import AutogradTraining

/// Each test runs in a process of its own: allocations are counted over all threads.
@Suite("Memory of a long run") struct SteadyMemoryTests {
  @Test("10,000 steps: no heap allocation, one chunk, constant memory, the plan's peak")
  func tenThousandSteps() async {
    await #expect(processExitsWith: .success) {
      for threads in [1, 2] { try checkLongRun(threads: threads, dropout: 0, steps: 10_000) }
    }
  }

  @Test("a run with checkpoints, evaluations and samples: constant memory, one chunk, no allocation between them")
  func savingRun() async {
    await #expect(processExitsWith: .success) { try checkSavingRun() }
  }

  @Test("and no less in bfloat16, where products and attention have scratch memory of their own")
  func bfloat16() async {
    await #expect(processExitsWith: .success) {
      try checkLongRun(threads: 2, dropout: 0, steps: 10_000, precision: .bfloat16)
    }
  }

  @Test("dropout changes neither plan nor allocations")
  func dropout() async {
    await #expect(processExitsWith: .success) { try checkLongRun(threads: 2, dropout: 0.1, steps: 200) }
  }

  @Test("recomputation changes neither")
  func recomputation() async {
    await #expect(processExitsWith: .success) {
      try checkLongRun(threads: 2, dropout: 0.1, steps: 200, recomputing: true)
    }
  }
}

/// Trains with evaluations, logs and saves, then `steps` steps more, which must leave no trace in memory.
private func checkLongRun(
  threads: Int, dropout: Double, steps: Int, recomputing: Bool = false, precision: MatmulPrecision = .float32
) throws {
  let (trainer, tokenizer) = try makeTrainer(threads: threads, dropout: dropout, recomputing: recomputing) {
    $0.precision = precision
  }
  let plan = trainer.plan()
  try temporaryDirectory { path in
    let log = try TrainingLog(path: path + "/log.jsonl")
    try trainer.run { event throws(TrainingError) in
      log.write(event)
      guard case .evaluation = event else { return }
      do throws(LanguageModelError) {
        try ModelDirectory(path).save(trainer.model, tokenizer: tokenizer)
      } catch {
        Issue.record(error)
      }
    }
  }
  #expect(trainer.arenaStatistics.peak == plan.arenaBytes)

  let memory = try anonymousBytes(), allocations = ctest_all_allocations()
  for _ in 0..<steps { _ = try trainer.step() }
  let allocated = ctest_all_allocations() - allocations
  let grown = try anonymousBytes() - memory
  // Without optimisation Swift itself allocates here and there; the promise is about release builds.
  #if !DEBUG
    if ctest_counts_allocations() != 0 { #expect(allocated == 0) }
  #endif
  #expect(abs(grown) <= 64 * 1024)
  #expect(trainer.arenaStatistics.chunks == 1)
  #expect(trainer.arenaStatistics.peak == plan.arenaBytes)
}

/// Trains as the command does, with everything on; 3000 steps, or as many as AUTOGRAD_LONG_RUN says.
private func checkSavingRun() throws {
  let steps = ProcessInfo.processInfo.environment["AUTOGRAD_LONG_RUN"].flatMap { Int($0) } ?? 3000
  let (trainer, tokenizer) = try makeTrainer(threads: 2, dropout: 0) {
    $0.maximumSteps = steps
    $0.evaluationInterval = 250
    $0.logInterval = 50
    $0.saveInterval = 500
  }
  try temporaryDirectory { path in
    let directory = try RunDirectory(path), log = try TrainingLog(path: path + "/log.jsonl")
    let checkpointer = Checkpointer(
      store: directory.store, tokenizer: tokenizer, data: DataIdentity(path: nil, bytes: []))
    let start = try tokenizer.encode("the "), generator = Generator(model: trainer.model, sampler: Sampler())
    var readings: [(step: Int, bytes: Int)] = [], chunks: Set<Int> = []
    var allocations = 0, intervals = 0, last = 0
    readings.reserveCapacity(steps / 500 + 1)
    try trainer.run(
      checkpointer: checkpointer,
      isInterrupted: {
        // Asked after every batch: between two of them nothing but a step, unless there was an event.
        let now = ctest_all_allocations()
        if last != 0 {
          allocations += Int(now - last)
          intervals += 1
        }
        last = ctest_all_allocations()
        return false
      }
    ) { event throws(TrainingError) in
      log.write(event)
      last = 0
      switch event {
      case .evaluation: _ = try? generator.generate(after: start, count: 8, tokenizer: tokenizer) { _ in true }
      case .saved(_, let step, _):
        readings.append((step, (try? anonymousBytes()) ?? 0))
        chunks.insert(trainer.arenaStatistics.chunks)
      default: break
      }
    }
    #expect(chunks == [1] && intervals > steps * 9 / 10)
    let steady = readings.filter { $0.step >= 1000 }.map(\.bytes)
    #expect(steady.count >= 4 && steady.allSatisfy { $0 > 0 })
    #expect(steady.max()! - steady.min()! <= 512 * 1024)
    #if !DEBUG
      if ctest_counts_allocations() != 0 { #expect(allocations == 0) }
    #endif
  }
}

private func makeTrainer(
  threads: Int, dropout: Double, recomputing: Bool = false, _ change: (inout TrainingConfiguration) -> Void = { _ in }
) throws -> (Trainer, CharacterTokenizer) {
  let text = Array(String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 40).utf8)
  let tokenizer = try CharacterTokenizer(training: text)
  var model = Decoder<Float>(
    try DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 8, layerCount: 2, headCount: 2, channelCount: 16,
      dropout: dropout), seed: 1)
  model.recomputesBlocks = recomputing
  var configuration = TrainingConfiguration()
  configuration.maximumSteps = 20
  configuration.evaluationInterval = 10
  configuration.evaluationBatches = 2
  change(&configuration)
  let trainer = try Trainer(
    model: model,
    data: try .windows(
      of: try TokenDataset(tokens: try tokenizer.encode(text)), blockSize: model.configuration.contextLength,
      batchSize: 2, seed: configuration.seed), configuration: configuration,
    backend: Backend(pool: ThreadPool(threads: threads)))
  return (trainer, tokenizer)
}

/// Anonymous resident bytes of this process.
private func anonymousBytes() throws -> Int {
  let status = String(decoding: try POSIXFileSystem().read("/proc/self/status", byteLimit: 1 << 16), as: UTF8.self)
  let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
  return try #require(Int(line.split(separator: " ").dropLast().last ?? "")) * 1024
}
