import Autograd
import Base
import CTestSupport
import Kernels
import LanguageModel
import TestSupport
import Testing
import Text
import Training

@Suite("Memory of a long run", .serialized) struct SteadyMemoryTests {
  private func trainer(threads: Int, steps: Int, dropout: Double = 0) throws -> (Trainer, CharacterTokenizer) {
    let text = Array(String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 40).utf8)
    let tokenizer = try CharacterTokenizer(training: text)
    let model = GPT<Float>(
      try GPTConfiguration(
        vocabularySize: tokenizer.vocabularySize, contextLength: 8, layerCount: 2, headCount: 2, channelCount: 16,
        dropout: dropout), seed: 1)
    var configuration = TrainingConfiguration()
    configuration.batchSize = 2
    configuration.maximumSteps = steps
    configuration.evaluationInterval = 10
    configuration.evaluationBatches = 2
    let trainer = try Trainer(
      model: model, dataset: try TokenDataset(tokens: try tokenizer.encode(text)), configuration: configuration,
      backend: Backend(pool: ThreadPool(threads: threads)))
    return (trainer, tokenizer)
  }

  /// Anonymous resident bytes of this process.
  private func anonymousBytes() throws -> Int {
    let status = String(decoding: try POSIXFileSystem().read("/proc/self/status", byteLimit: 1 << 16), as: UTF8.self)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
    return try #require(Int(line.split(separator: " ")[line.split(separator: " ").count - 2])) * 1024
  }

  @Test("10,000 steps: no heap allocation, one chunk, constant memory, the plan's peak", arguments: [1, 2])
  func tenThousandSteps(threads: Int) throws {
    let (trainer, tokenizer) = try trainer(threads: threads, steps: 20)
    let plan = trainer.plan()
    try withTemporaryDirectory { path in
      let log = try TrainingLog(path: path + "/log.jsonl")
      try trainer.run { event throws(TrainingError) in
        log.write(event)
        guard case .evaluation = event else { return }
        do throws(LanguageModelError) {
          try ModelDirectory(path).save(trainer.model, tokenizer: tokenizer)
        } catch {
          throw .model(error)
        }
      }
    }
    #expect(trainer.arenaStatistics.peak == plan.arenaBytes)

    let memory = try anonymousBytes(), allocations = ctest_all_allocations()
    for _ in 0..<10_000 { _ = try trainer.step() }
    if ctest_counts_allocations() != 0 { #expect(ctest_all_allocations() - allocations == 0) }
    #expect(abs(try anonymousBytes() - memory) <= 64 * 1024)
    #expect(trainer.arenaStatistics.chunks == 1)
    #expect(trainer.arenaStatistics.peak == plan.arenaBytes)
  }

  @Test("dropout changes neither plan nor allocations")
  func dropout() throws {
    let (trainer, _) = try trainer(threads: 2, steps: 20, dropout: 0.1)
    let plan = trainer.plan()
    try trainer.run { _ throws(TrainingError) in }
    #expect(trainer.arenaStatistics.peak == plan.arenaBytes)
    let allocations = ctest_all_allocations()
    for _ in 0..<100 { _ = try trainer.step() }
    if ctest_counts_allocations() != 0 { #expect(ctest_all_allocations() - allocations == 0) }
  }
}
