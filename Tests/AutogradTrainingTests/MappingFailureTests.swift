import AutogradEngine
import AutogradBase
import CAutogradTestSupport
import AutogradKernels
import AutogradModels
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing
import AutogradText

@testable import AutogradTraining

@Suite("A mapping that fails in training") struct MappingFailureTests {
  /// In a process of its own: it looks at the process' memory.
  @Test(
    "is out of memory before the first step, for every mapping of a run; nothing is lost and the run goes on",
    .enabled(if: ctest_counts_allocations() != 0))
  func everyMapping() async {
    await #expect(processExitsWith: .success) {
      let expected = try train(failing: 0).losses, mapped = ctest_thread_mapped_bytes()
      func failEach() throws {
        var failures = 0
        while true {
          let outcome = try train(failing: failures + 1)
          // With the fault or without it, the run gets there, by the same numbers, and leaves nothing mapped.
          #expect(outcome.losses == expected)
          #expect(ctest_thread_mapped_bytes() == mapped)
          guard outcome.failed else { break }
          failures += 1
        }
        // Two matrices, their gradients and moments, the arena, scratch memory: all large ones.
        #expect(failures == 10)
      }
      // The first round brings the heap to its size.
      try failEach()
      let before = try #require(ProcessMemory.current()).data
      try failEach()
      #expect(try #require(ProcessMemory.current()).data - before < 1 << 20)
    }
  }
}

/// A run of three steps whose mapping of this number fails; it is begun anew where that was noticed.
private func train(failing number: Int) throws -> (losses: [Double], failed: Bool) {
  let text = Array(String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 10).utf8)
  let tokenizer = try CharacterTokenizer(training: text)
  let model = Decoder<Float>(
    try DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 8, layerCount: 1, headCount: 2, channelCount: 256))
  var configuration = TrainingConfiguration()
  configuration.maximumSteps = 3
  let trainer = try Trainer(
    model: model,
    data: try .windows(
      of: try TokenDataset(tokens: try tokenizer.encode(text)), blockSize: 8, batchSize: 2, seed: 1),
    configuration: configuration, backend: Backend(pool: singleThread))
  ctest_fail_mappings(number, number > 0 ? 1 : 0)
  defer { ctest_fail_mappings(0, 0) }
  var failed = false
  if !model.reserve() {
    failed = ctest_mapping_failed() != 0
    #expect(model.reserve())
  }
  model.initialize(seed: 1)
  do throws(TrainingError) {
    _ = try trainer.takeMemory()
  } catch {
    guard case .outOfMemory = error else { throw error }
    failed = ctest_mapping_failed() != 0
    _ = try trainer.takeMemory()
  }
  // From here on nothing is mapped.
  let mappings = ctest_thread_mappings()
  let losses = try (0..<3).map { _ in try trainer.step().loss }
  #expect(ctest_thread_mappings() == mappings)
  return (losses, failed)
}
