import CAutogradTestSupport
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("A mapping that fails") struct MappingFailureTests {
  @Test(
    "is a sentence or does not matter, for every mapping of three steps, and the tape goes on",
    .enabled(if: ctest_counts_allocations() != 0), arguments: [1, 2])
  func everyMapping(inARow count: Int) throws {
    let expected = try train(failing: 1, count: 0).losses
    var number = 1, refused = 0
    while true {
      let (losses, sentences, failed) = try train(failing: number, count: count)
      guard failed else { break }
      // The arena asks for less when more was refused. Whichever step had too little said so, the others are right.
      #expect(losses.filter(\.isNaN).count == sentences.count && sentences.count <= count)
      for (loss, right) in zip(losses, expected) where !loss.isNaN { #expect(loss == right) }
      for sentence in sentences {
        #expect(sentence.contains("the system has no more") || sentence == "the kernels' workspace", "\(sentence)")
      }
      refused += sentences.count
      number += 1
    }
    #expect(number > 4 && refused > (count == 1 ? 0 : 4))
  }

  /// Three steps of a little network, the same every time, with a tape that nobody planned.
  private func train(failing number: Int, count: Int) throws -> (losses: [Double], sentences: [String], failed: Bool) {
    let backend = Backend(pool: singleThread), core = TapeCore(type: .float64, backend: backend, byteLimit: nil)
    backend.stopsWithoutMemory = false
    let w = Parameter<Double>(randomTensor([300, 300], .uniform(-0.1, 0.1), seed: 1))
    _ = w.reserve() && w.reserveGradient()
    var losses: [Double] = [], sentences: [String] = []
    ctest_fail_mappings(number, count)
    defer { ctest_fail_mappings(0, 0) }
    for _ in 0..<3 {
      do {
        losses.append(try step(core, w))
      } catch {
        losses.append(.nan)
        sentences.append(error.description)
      }
      if backend.lacksMemory {
        backend.lacksMemory = false
        if !(losses.last?.isNaN ?? true) { losses[losses.count - 1] = .nan }
        sentences.append("the kernels' workspace")
      }
    }
    return (losses, sentences, ctest_mapping_failed() != 0)
  }

  private func step(_ core: TapeCore, _ w: Parameter<Double>) throws(Misuse) -> Double {
    try core.beginStep()
    do {
      let weight = try core.use(w.core)
      var x = weight
      for _ in 0..<6 { x = try core.linear(x, weight: weight, bias: -1, activation: .tanh, residual: -1) }
      let loss = try core.sum(x, over: 3, keeping: false, mean: true, "mean")
      try core.backward(from: loss, seed: 1)
      let value = unsafe core.element(core.data(loss))
      try core.endStep()
      return value
    } catch {
      try core.endStep()
      throw error
    }
  }
}
